//! Whether others find the homeserver by its server name, where that is not its domain: the
//! well-known files, whoever serves them.

use crate::{
    dokku::nginx,
    error::Result,
    host::{
        Host,
        net::{Fault, Via},
    },
    nginx::locations,
    state::Spec,
    steps::here,
    synapse::well_known::{self, File},
};

/// What is wrong with the well-known files, as lines for the user.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What is served wrongly or not at all, and what to do.
    pub(super) wrong: Vec<String>,
    /// What this host answers right, and what cannot be reached through the DNS.
    pub(super) unreachable: Vec<String>,
}

/// Asks for both files: this host, if an app of it has the name, then through the DNS. What others
/// see counts; what this host answers says why.
pub(super) fn ask(host: &Host, spec: &Spec, federates: bool) -> Result<Answers> {
    let name = &spec.server_name;
    let app = here::app(host, name.host())?;
    let has_certificate = match &app {
        Some(app) => nginx::has_certificate(host, app).or_absent(false)?,
        None => false,
    };
    let mut answers = Answers::default();
    let (mut to_serve, mut untrusted) = (vec![], false);
    for file in [File::Server, File::Client] {
        if file == File::Server && !federates {
            continue;
        }
        let url = file.url(name);
        let here = match &app {
            None => None,
            Some(_) if !has_certificate => {
                Some(Fault::Unreachable("the app has no certificate".to_owned()))
            }
            Some(_) => well_known::check(host, file, spec, &|name| here::via(host, name)).err(),
        };
        let Err(seen) = well_known::check(host, file, spec, &|_| Ok(Via::Dns)) else { continue };
        match (&app, here) {
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
    Ok(answers)
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
