//! Whether others find the homeserver by its server name, where that is not its domain: the
//! well-known files, whoever serves them.

use crate::{
    dokku::nginx,
    error::{Error, Result},
    host::{
        Host, clock,
        net::{Fault, Via},
    },
    names::AppName,
    nginx::locations,
    state::Spec,
    steps::here,
    synapse::well_known::{self, File},
};
use std::time::Duration;

/// What is wrong with the well-known files, as lines for the user.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What is served wrongly or not at all, and what to do.
    pub(super) wrong: Vec<String>,
    /// What this host answers right, and what cannot be reached through the DNS.
    pub(super) unreachable: Vec<String>,
}

/// What is wrong with one file.
struct Faulty {
    file: File,
    /// What this host answers wrongly, if an app of it has the name.
    here: Option<Fault>,
    /// What others see.
    seen: Fault,
}

impl Faulty {
    /// Whether nginx may still answer by an older configuration: for a moment after a reload both
    /// answer.
    fn may_change(&self) -> bool {
        matches!(self.here, Some(Fault::Wrong(_))) || matches!(self.seen, Fault::Wrong(_))
    }
}

/// Asks for both files: through the DNS, and if that is not right, this host, if an app of it has the
/// name. What others see counts; what this host answers says why.
pub(super) fn ask(host: &Host, spec: &Spec, federates: bool) -> Result<Answers> {
    let name = &spec.server_name;
    let app = here::app(host, name.host())?;
    let has_certificate = match &app {
        Some(app) => nginx::has_certificate(host, app).or_absent(false)?,
        None => false,
    };
    let look = |file: File| {
        let seen = well_known::check(host, file, spec, &|_| Ok(Via::Dns)).err()?;
        let here = match &app {
            None => None,
            Some(_) if !has_certificate => {
                Some(Fault::Unreachable("the app has no certificate".to_owned()))
            }
            Some(_) => well_known::check(host, file, spec, &|name| here::via(host, name)).err(),
        };
        Some(Faulty { file, here, seen })
    };
    let files: &[File] = if federates { &[File::Server, File::Client] } else { &[File::Client] };
    let mut faults: Vec<Faulty> = vec![];
    let (timeout, pause) = (Duration::from_secs(3), Duration::from_millis(200));
    clock::poll(timeout, pause, || {
        faults = files.iter().copied().filter_map(look).collect();
        let is_final = app.is_none() || !faults.iter().any(Faulty::may_change);
        Ok::<_, Error>(is_final.then_some(()))
    })?;
    Ok(tell(spec, app.as_ref(), faults))
}

fn tell(spec: &Spec, app: Option<&AppName>, faults: Vec<Faulty>) -> Answers {
    let mut answers = Answers::default();
    let (mut to_serve, mut untrusted) = (vec![], false);
    for Faulty { file, here, seen } in faults {
        let url = file.url(&spec.server_name);
        match (app, here) {
            (Some(app), Some(fault)) => {
                answers.wrong.push(format!("{url} on this host, in the app {app}: {fault}"));
                if fault.to_string().contains("invalid peer certificate") {
                    // The file is there, and nobody trusts whoever serves it.
                    untrusted = true;
                } else {
                    to_serve.push(file);
                }
            }
            (Some(_), None) if matches!(seen, Fault::Unreachable(_)) => {
                answers.unreachable.push(format!("{url}: {seen}"));
            }
            _ => {
                answers.wrong.push(format!("{url}: {seen}"));
                to_serve.push(file);
            }
        }
    }
    if let Some(app) = app.filter(|_| untrusted) {
        answers.wrong.push(format!("To look at its certificate: dokku certs:report {app}"));
    }
    answers.wrong.extend(instructions(spec, &to_serve));
    answers
}

/// What the server name's host must serve.
fn instructions(spec: &Spec, files: &[File]) -> Vec<String> {
    let name = spec.server_name.host();
    let what = match files {
        [] => return vec![],
        [_] => "this file",
        _ => "these two files",
    };
    let mut lines = vec![format!(
        "{name} must serve {what} over https, so that others find {}:",
        spec.server_name
    )];
    for file in files {
        let url = file.url(&spec.server_name);
        lines.extend(if *file == File::Server {
            [url, format!("  {{\"m.server\": \"{}\"}}", locations::server(spec))]
        } else {
            [
                format!("{url} (with the header Access-Control-Allow-Origin: *)"),
                format!("  {{\"m.homeserver\": {{\"base_url\": \"{}\"}}}}", spec.base_url()),
            ]
        });
    }
    lines
}
