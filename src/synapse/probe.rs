//! Whether what Synapse needs answers: its database, and an authentication service if there is one.
//!
//! It only connects: the database is asked in a read-only transaction. Must not decide what follows.

use super::validate::{PROBE, PROGRAM, SCRIPT, mounts};
use crate::{
    dokku::docker::{self, Container, OneOff},
    error::{Error, Result},
    host::{Host, cmd::Output, owner::Owner, scrub::Scrubber},
    names::{AppName, ImageRef},
    state::Spec,
};
use serde::Deserialize;

/// What does not answer, and why; `None` for what answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Reach {
    /// The database.
    pub database: Option<String>,
    /// The authentication service that the configuration names.
    pub authentication_service: Option<String>,
}

impl Reach {
    /// What does not answer, as a sentence; `None` if everything does.
    pub fn why_not(&self) -> Option<String> {
        match self {
            Self { database: Some(why), .. } => {
                Some(format!("it does not reach its database: {why}"))
            }
            Self { authentication_service: Some(why), .. } => {
                Some(format!("it does not reach its authentication service: {why}"))
            }
            _ => None,
        }
    }
}

/// Asks from a new container of an image, with the links that the app's containers get.
///
/// # Errors
/// It could not be asked.
pub fn from_image(
    host: &Host,
    spec: &Spec,
    image: &ImageRef,
    owner: Owner,
    isolation: &[&str],
    links: &[String],
) -> Result<Reach> {
    let run = OneOff {
        image,
        user: format!("{}:{}", owner.uid, owner.gid),
        flags: isolation,
        links,
        mounts: mounts(host.env(), spec)?,
        program: PROGRAM,
        args: &PROBE,
        stdin: Some(SCRIPT),
    };
    let output = docker::run_one_off(host, &run)?;
    // Docker's own words: the container of a linked service must run.
    if output.code == 125 && output.says("Cannot link to") {
        let why = format!("the postgres service {} does not run", spec.service);
        return Ok(Reach { database: Some(why), ..Reach::default() });
    }
    outcome(host.scrubber(), &spec.app, &output)
}

/// Asks from a running container: as Synapse in it does.
///
/// # Errors
/// As [`from_image`].
pub fn from_container(host: &Host, app: &AppName, container: &Container) -> Result<Reach> {
    let words = [PROGRAM].into_iter().chain(PROBE);
    outcome(host.scrubber(), app, &docker::exec(host, &container.id, words, SCRIPT)?)
}

/// What the output of the script says.
///
/// # Errors
/// It is not the answer of the script.
pub fn outcome(scrubber: &Scrubber, app: &AppName, output: &Output) -> Result<Reach> {
    #[derive(Deserialize)]
    struct Answer {
        probe: Reach,
    }
    let last = output.stdout.trim_end().lines().last().unwrap_or_default();
    if output.code == 0
        && let Ok(Answer { probe }) = serde_json::from_str(last)
    {
        let told = |why: Option<String>| why.map(|why| scrubber.scrub(&why));
        return Ok(Reach {
            database: told(probe.database),
            authentication_service: told(probe.authentication_service),
        });
    }
    let lines = output.lines.iter().map(|line| scrubber.scrub(line)).collect();
    let how = match output.code {
        0 => "Python ended with exit code 0 and printed nothing of it".to_owned(),
        code => format!("exit code {code}"),
    };
    Err(Error::new(format!("{app} could not be asked whether it reaches its database: {how}"))
        .shown(lines))
}
