//! From a commit to a release, firing every trigger that plugins see on the way.

use anyhow::Result;

use crate::app::App;
use crate::call::{Call, fail, quit};
use crate::schedule;

/// The working directory that Dokku passes to build triggers.
pub(crate) const WORKDIR: &str = "/tmp/stand-in-workdir";

/// Read-only variables of bash. If an app sets one of them, its build fails.
const READONLY: [&str; 6] = ["UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"];

/// `receive-app`: builds the app's image from its commit.
pub(crate) fn build(call: &Call, name: &str) -> Result<()> {
    let app = call.app(name)?;
    let Some(commit) = app.commit else { return fail("nothing to build") };
    call.info1("Cleaning up...");
    call.info1(format!("Building {name} from Dockerfile"));
    call.fire("core-post-extract", &[name, WORKDIR, &commit.sha])?;
    call.fire("post-extract", &[name, WORKDIR, &commit.sha])?;
    call.query("builder-detect", &[name, WORKDIR])?;
    call.fire("pre-receive-app", &[name, "dockerfile", WORKDIR, &commit.sha])?;
    call.fire("builder-build", &["dockerfile", name, WORKDIR])?;
    call.fire("pre-build", &["dockerfile", name, WORKDIR])?;
    call.query("docker-args-process-build", &[name, "dockerfile"])?;
    if let Some(variable) = READONLY.iter().find(|variable| app.config.contains_key(**variable)) {
        call.eprint(format!("/var/lib/dokku/plugins/enabled/builder-dockerfile/builder-build: line 287: {variable}: readonly variable\n"));
        return quit(1);
    }
    if !call.state()?.image(&commit.image).builds {
        call.eprint(format!(
            "ERROR: failed to solve: {}: stand-in: does not build\n",
            commit.image
        ));
        return fail("App build failed");
    }
    call.line(format!("#5 naming to docker.io/dokku/{name}:latest done"));
    call.fire("post-build", &["dockerfile", name, WORKDIR])?;
    let procfile = call.state()?.image(&commit.image).procfile;
    call.change(name, |app| {
        app.built = Some(commit.image);
        app.procfile = procfile;
    })
    .map(drop)
}

/// Releases the built image and deploys it. `args` are the arguments of `release-and-deploy` after
/// the app.
pub(crate) fn release(call: &Call, name: &str, args: &str) -> Result<()> {
    let merged = call.merged.replace(true);
    let released = release_merged(call, name, args);
    call.merged.set(merged);
    released
}

fn release_merged(call: &Call, name: &str, args: &str) -> Result<()> {
    let mut trigger_args = vec![name];
    trigger_args.extend(
        args.split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| if word == "-" { "" } else { word }),
    );
    call.fire("release-and-deploy", &trigger_args)?;
    let image = format!("dokku/{name}:latest");
    let app = call.app(name)?;
    call.info1(format!("Releasing {name}..."));
    call.fire("builder-release", &["dockerfile", name, "latest"])?;
    call.fire("pre-release-builder", &["dockerfile", name, &image])?;
    print_task(call, "predeploy");
    print_task(call, "release");
    if !app.deployed {
        print_task(call, "heroku.postdeploy");
    }
    call.fire("post-release-builder", &["dockerfile", name, &image])?;
    call.fire("pre-deploy", &[name, "latest"])?;
    call.info2("Processing deployment checks");
    call.print("\u{1b}[1m\u{1b}[31m !     \u{1b}[0m\u{1b}[0mNo healthchecks found in app.json for web process type\n");
    call.verbose(
        "No web healthchecks found in app.json. Simple container checks will be performed.",
    );
    call.verbose("For more efficient zero downtime deployments, add healthchecks to your app.json. See https://dokku.com/docs/deployment/zero-downtime-deploys/ for examples");
    call.info1(format!("Deploying {name} via the docker-local scheduler..."));
    let scheduled = schedule::schedule(call, name, "");
    if !call.failure.borrow().is_empty() {
        call.print("\n");
    }
    scheduled?;
    call.info2("Application deployed:");
    for url in urls(&call.app(name)?) {
        call.verbose(url);
    }
    call.print("\n");
    Ok(())
}

pub(crate) fn print_task(call: &Call, task: &str) {
    call.info1(format!("Checking for {task} task"));
    call.verbose(format!("No {task} task found, skipping"));
}

fn urls(app: &App) -> Vec<String> {
    let mut urls = Vec::new();
    for domain in &app.domains {
        for port in &app.ports {
            match port.split(':').collect::<Vec<_>>().as_slice() {
                ["https", ..] if app.cert.is_none() => {}
                ["http", "80", _] => urls.push(format!("http://{domain}")),
                ["https", "443", _] => urls.push(format!("https://{domain}")),
                [scheme, host, _] => urls.push(format!("{scheme}://{domain}:{host}")),
                _ => {}
            }
        }
    }
    urls
}
