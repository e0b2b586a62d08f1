//! `docker run` and `docker exec`.

use anyhow::{Result, bail};

use super::container::ContainerDir;
use super::engine;
use super::image::{Image, user_and_group};
use super::machine::Parts;
use crate::call::Call;
use crate::containers::{new_id, new_ip};
use crate::flags::Flags;
use crate::inspect::{find, source};
use crate::postgres::hostname;

/// `docker run --rm`: a container that is removed when its program ends. Returns the exit code.
pub(crate) fn run(call: &Call, parts: &Parts, flags: &Flags, args: &[String]) -> Result<i32> {
    let Some((reference, args)) = args.split_first() else { bail!("docker: no image") };
    let (id, ip) = call.update(|state| Ok((new_id(state), new_ip(state))))?;
    let state = call.state()?;
    // The image that Dokku has built of an app is the one that the app was deployed from.
    let image = source(&state, reference).unwrap_or_else(|| reference.clone());
    let mut spec = Image::of(&image)?.spec(parts);
    spec.id.clone_from(&id);
    spec.mounts.extend(flags.mounts.iter().cloned());
    spec.hosts.extend(flags.hosts.iter().cloned());
    for service in &flags.links {
        let ip = state.services.get(service).filter(|service| service.runs());
        let Some(ip) = ip.map(|service| service.ip.clone()) else {
            call.eprint(format!(
                "docker: Error response from daemon: Cannot link to a non running container: /dokku.postgres.{service}\n"
            ));
            return Ok(125);
        };
        spec.hosts.push((hostname(service), ip));
    }
    spec.isolate(flags);
    if let Some(user) = &flags.user {
        (spec.user, spec.group) = user_and_group(user)?;
    }
    spec.address = (flags.network.as_deref() != Some("none")).then(|| (ip, parts.network.clone()));
    spec.argv = flags.entrypoint.iter().chain(args).cloned().collect();
    ContainerDir::of(call.store.root(), &id).create(&spec)?;
    engine::call(&["run".to_owned(), id], true)
}

/// `docker exec`: runs a program in a container of an app or a service. Returns the exit code.
pub(crate) fn exec(call: &Call, name: &str, stdin: bool, command: &[String]) -> Result<i32> {
    let state = call.state()?;
    let service = name.strip_prefix("dokku.postgres.").and_then(|name| state.services.get(name));
    let id = match service {
        Some(service) => service.container.clone(),
        None => find(&state, name).map(|container| container.id.clone()),
    };
    let Some(id) = id else {
        call.eprint(format!("Error: No such container: {name}\n"));
        return Ok(1);
    };
    let args = ["exec".to_owned(), id, String::new()];
    engine::call(&[&args, command].concat(), stdin)
}
