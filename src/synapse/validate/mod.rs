//! Validates the configuration with Synapse itself, in a container of the image that is to run.
//!
//! [`templates/inspect.py`](said::SCRIPT) does what Synapse does when it starts, up to the point where
//! it would listen. Must not touch what is running.

mod notes;
mod outcome;
mod owned;
mod said;
mod secrets;

pub use outcome::{Subject, outcome};
pub use said::{CHECK, PROBE, PROGRAM, SCRIPT};

use super::inputs;
use crate::{
    dokku::{
        docker::{self, OneOff},
        storage,
    },
    error::Result,
    host::{Host, digest::Digest, env::Env, owner::Owner},
    names::ImageRef,
    state::{Settings, Spec},
};
use camino::Utf8Path;

/// Validates the configuration of a server with an image, and answers what it says.
///
/// # Errors
/// Synapse rejects it, or the homeserver cannot use it: then the reason. Or the validation could not
/// run.
pub fn validate(
    host: &Host,
    spec: &Spec,
    image: &ImageRef,
    owner: Owner,
    isolation: &[&str],
) -> Result<Settings> {
    let env = host.env();
    secrets::learn(host.scrubber(), env, spec)?;
    let run = OneOff {
        image,
        user: format!("{}:{}", owner.uid, owner.gid),
        flags: isolation,
        links: &[],
        mounts: mounts(env, spec)?,
        program: PROGRAM,
        args: &CHECK,
        stdin: Some(SCRIPT),
    };
    let output = docker::run_one_off(host, &run)?;
    outcome(host.scrubber(), &Subject::of(env, spec)?, &output)
}

/// What Synapse sees: its configuration, its data, and what the administrator has mounted. Only the
/// data may be written to: Synapse creates the directory of the media store.
pub(super) fn mounts(env: &Env, spec: &Spec) -> Result<Vec<String>> {
    let paths = spec.paths(env);
    let daemon = |path: &Utf8Path| env.for_daemon(path);
    let mut mounts = vec![
        format!("{}:/config:ro", daemon(&paths.config())),
        format!("{}:/data", daemon(&paths.data())),
    ];
    for mount in storage::recorded(env, spec.app.as_str())? {
        let is_ours = ["/config", "/data"].contains(&mount.container.as_str());
        // An entry for another scheduler has no path.
        if !is_ours && !mount.host.is_empty() {
            mounts.push(format!("{}:{}:ro", mount.host, mount.container));
        }
    }
    Ok(mounts)
}

/// The digest of everything that the outcome depends on, the image's layers included: a
/// configuration with the digest of an accepted one need not be validated again.
pub fn digest(env: &Env, spec: &Spec, layers: &str) -> Result<String> {
    let mut digest = Digest::default();
    digest.text(layers);
    inputs::add_to(&mut digest, env, spec)?;
    Ok(digest.finish())
}
