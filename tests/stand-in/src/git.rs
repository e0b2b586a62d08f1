//! `git:from-image`, `git:report`: the app's repository and its deployed image.

use anyhow::Result;

use crate::app::Commit;
use crate::apps::now;
use crate::call::{Call, fail, quit};
use crate::dokku::{arg, has, positional};
use crate::report::{Keys, Report, of_apps};
use crate::{containers, deploy};

pub(crate) fn serve(call: &Call, verb: &str, args: &[String]) -> Result<bool> {
    match verb {
        "from-image" => {
            let names = positional(args);
            call.app(arg(&names, 0))?;
            if arg(&names, 1).is_empty() {
                return fail("Please specify a docker image");
            }
            call.merged.set(true);
            from_image(call, arg(&names, 0), arg(&names, 1), has(args, "--force"))?;
        }
        "report" => of_apps(call, args, |name| report(call, name))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn report(call: &Call, name: &str) -> Result<Report> {
    let app = call.app(name)?;
    let branch = app.commit.as_ref().map_or("", |_| "master");
    Ok(Report::new("git", "git-", Keys::Plain)
        .row("computed-archive-max-files", "10000")
        .row("computed-archive-max-size", "1073741824")
        .row("computed-deploy-branch", "master")
        .row("computed-keep-git-dir", "false")
        .row("deploy-branch", branch)
        .row("global-archive-max-files", "")
        .row("global-archive-max-size", "")
        .row("global-deploy-branch", "")
        .row("global-keep-git-dir", "")
        .row("keep-git-dir", "")
        .row(
            "last-updated-at",
            app.commit.as_ref().map_or_else(String::new, |commit| commit.at.to_string()),
        )
        .row("rev-env-var", "GIT_REV")
        .row("sha", app.commit.map_or_else(|| "HEAD".to_owned(), |commit| commit.sha))
        .row("source-image", app.source_image.unwrap_or_default()))
}

fn from_image(call: &Call, name: &str, image: &str, force: bool) -> Result<()> {
    call.fire("git-from-image", &[name, image, "", "", ""])?;
    call.info1("Generating build context");
    if !call.state()?.on_host(image) {
        call.info1("Pulling image");
        pull(call, image)?;
    } else if force || call.forced.get() {
        call.info1("Force pulling image");
        pull(call, image)?;
    } else {
        call.info1("Image exists on host, skipping pull");
    }
    call.change(name, |app| app.source_image = Some(image.to_owned()))?;
    call.fire("git-from-directory", &[name, deploy::WORKDIR, "Dokku", "automated@dokku.sh"])?;
    call.info1("Updating git repository with specified build context");
    let before = call.app(name)?.commit;
    if before.as_ref().is_some_and(|commit| commit.image == image) {
        call.warn("No changes detected, skipping git commit");
        call.warn("Call 'ps:rebuild' on app to rebuild the app from existing source");
        return quit(1);
    }
    let sha = call.update(|state| Ok(containers::new_id(state)[..40].to_owned()))?;
    match &before {
        None => call.verbose("Detected branch, setting deploy-branch to master"),
        Some(old) => {
            call.print(format!("   {}..{}  master     -> master\n", &old.sha[..7], &sha[..7]));
        }
    }
    call.change(name, |app| {
        app.commit = Some(Commit { sha: sha.clone(), image: image.to_owned(), at: now() });
        app.config.insert("GIT_REV".to_owned(), sha);
    })?;
    call.fire("post-config-update", &[name, "set", "GIT_REV"])?;
    deploy::build(call, name)?;
    if let Err(error) = deploy::release(call, name, "") {
        call.change(name, |app| app.commit = before)?;
        return Err(error);
    }
    call.change(name, |app| app.deploy_source = Some(image.to_owned()))?;
    call.fire("deploy-source-set", &[name, "docker-image", image])
}

fn pull(call: &Call, image: &str) -> Result<()> {
    if crate::docker::pull(call, image)? {
        return Ok(());
    }
    fail(format!("Failed to pull image: {image}"))
}
