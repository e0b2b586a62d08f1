//! `apps:rename`, `apps:clone`: copies an app, and loses what a real Dokku loses.
//!
//! Dokku calls plugins in alphabetical order. When the triggers of the plugin `matrix` run,
//! `config`, `docker-options`, `domains` and `git` have copied their settings; `nginx-vhosts`,
//! `ports`, `postgres`, `ps` and `storage` have not.

use anyhow::Result;

use crate::app::App;
use crate::apps::{check_name, create, destroy};
use crate::call::{Call, fail};
use crate::dokku::{arg, has, positional};
use crate::{domains, files, links, ps};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    let names = positional(args);
    let (old, new) = (arg(&names, 0), arg(&names, 1));
    call.skip_deploy.set(has(args, "--skip-deploy"));
    match verb {
        "rename" => {
            begin(call, old, new, "Renaming")?;
            rename(call, old, new)?;
        }
        "clone" => {
            begin(call, old, new, "Cloning")?;
            clone(call, old, new)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn begin(call: &Call, old: &str, new: &str, what: &str) -> Result<()> {
    call.app(old)?;
    if new.is_empty() {
        return fail("Please specify an new app name");
    }
    check_name(new)?;
    if call.state()?.apps.contains_key(new) {
        return fail("Name is already taken");
    }
    call.info1(format!("{what} {old} to {new}"));
    create(call, new)
}

fn rename(call: &Call, old: &str, new: &str) -> Result<()> {
    let state = call.state()?;
    let from = call.app(old)?;
    let mut renamed = from.domains.clone();
    for domain in &mut renamed {
        for global in &state.global_domains {
            *domain = domain.replace(&format!("{old}.{global}"), &format!("{new}.{global}"));
        }
    }
    copy_first(call, old, new, &from, renamed)?;
    call.fire("post-app-rename-setup", &[old, new])?;
    for _ in ["nginx-vhosts", "openresty-vhosts"] {
        call.fire("proxy-clear-config", &[new])?;
        call.fire("network-clear-config", &[new])?;
    }
    copy_rest(call, old, new, &from)?;
    call.forced.set(true);
    destroy(call, old)?;
    call.fire("post-app-rename", &[old, new])?;
    rebuild(call, new)
}

fn clone(call: &Call, old: &str, new: &str) -> Result<()> {
    let from = call.app(old)?;
    let defaults = domains::defaults(&call.state()?, new);
    copy_first(call, old, new, &from, defaults)?;
    call.fire("post-app-clone-setup", &[old, new])?;
    call.fire("post-certs-remove", &[new])?;
    copy_rest(call, old, new, &from)?;
    for (process, index, _) in call.container_files(new) {
        files::remove(&call.container_file(new, &process, index))?;
    }
    call.fire("post-app-clone", &[old, new])?;
    rebuild(call, new)
}

/// Copies what plugins before `matrix` copy. `checks` and `letsencrypt` do not copy their settings.
fn copy_first(call: &Call, old: &str, new: &str, from: &App, domains: Vec<String>) -> Result<()> {
    files::copy(&call.home(old), &call.home(new), &["VHOST", "cache", ".cache", "letsencrypt"])?;
    let app = call.change(new, |app| {
        app.config.clone_from(&from.config);
        app.docker_options.clone_from(&from.docker_options);
        app.domains = domains;
        app.commit.clone_from(&from.commit);
        app.source_image.clone_from(&from.source_image);
        app.deploy_source.clone_from(&from.deploy_source);
        app.built.clone_from(&from.built);
        app.cert.clone_from(&from.cert);
        if let Some(cert) = &mut app.cert {
            cert.letsencrypt = None;
        }
        app.clone()
    })?;
    call.write_vhost(new, &app)
}

/// Copies what plugins after `matrix` copy.
fn copy_rest(call: &Call, old: &str, new: &str, from: &App) -> Result<()> {
    files::remove(&call.home(new).join("nginx.conf"))?;
    let app = call.change(new, |app| {
        app.nginx.clone_from(&from.nginx);
        app.proxy_disabled = from.proxy_disabled;
        app.ports.clone_from(&from.ports);
        app.scale.clone_from(&from.scale);
        app.ps.clone_from(&from.ps);
        app.mounts.clone_from(&from.mounts);
        app.deployed = from.deployed;
        app.clone()
    })?;
    call.write_scale(new, &app)?;
    call.write_nginx(new, &app)?;
    call.write_mounts(new, &app)?;
    let services = call.update(|state| {
        let linked = state.services.iter_mut().filter(|(_, service)| service.links.contains(old));
        Ok(linked
            .map(|(name, service)| {
                service.links.insert(new.to_owned());
                name.clone()
            })
            .collect::<Vec<_>>())
    })?;
    services.iter().try_for_each(|name| links::write_links(call, name))
}

fn rebuild(call: &Call, name: &str) -> Result<()> {
    if call.skip_deploy.get() || call.app(name)?.commit.is_none() {
        return Ok(());
    }
    ps::rebuild(call, name)
}
