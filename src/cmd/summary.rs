//! The end of `create` and `deploy`: where everything is, and what to type next.

use super::session::Session;
use crate::{
    component::Homeserver,
    error::Result,
    plan::Outcome,
    state::{Federation, Settings, Spec, Tls},
    steps::{config::Config, dns_records, host_wide},
};

/// Links in e-mails lead to the web client, which was enabled or disabled: Synapse reads that when
/// it starts.
pub(super) fn email_links(session: &Session, desired: &Homeserver) -> Result<()> {
    if Config::of(desired).email()?.is_some() {
        let app = &desired.spec.app;
        session.ui.detail(&format!("To update the links in e-mails: dokku matrix:deploy {app}"));
    }
    Ok(())
}

/// Prints what came of a run.
pub(super) fn print(session: &Session, desired: &Homeserver, outcome: &Outcome) {
    let (ui, spec) = (&session.ui, &desired.spec);
    if session.is_dry_run() {
        return print_dry_run(session, desired, outcome);
    }
    // The run has succeeded, so nothing that fails here may fail the command.
    let settings = Settings::recorded(session.env(), &spec.server_name).unwrap_or_default();
    // They do not change the exit code: Synapse runs with the files.
    for note in &settings.notes {
        ui.warn(note);
    }
    let name = &spec.server_name;
    if outcome.changes == 0 {
        ui.heading(&format!("Matrix homeserver {name} is ready; nothing had to be changed"));
    } else {
        let is = if outcome.attention.is_empty() { "is ready" } else { "runs, but needs you" };
        ui.heading(&format!("Matrix homeserver {name} {is} ({})", session.elapsed()));
    }
    let line = |name: &str, value: &str| ui.detail(&format!("{name:<14} {value}"));
    line("Homeserver", &spec.base_url());
    line("Federation", &federation(spec, &settings));
    // Without an answer there is no advice: that must not fail a command that has succeeded.
    if spec.is_on_8448()
        && outcome.changes > 0
        && let Ok(Some(advice)) = host_wide::advice(&session.host)
    {
        line("Firewall", advice);
    }
    for component in desired.optional() {
        line(component.kind.title, &component.url());
    }
    line("First user", &format!("dokku matrix:register-user {} <name> --admin", spec.app));
    line("Keep safe", desired.paths.signing_key().as_str());
}

/// Where other servers connect to, and which of them.
fn federation(spec: &Spec, settings: &Settings) -> String {
    if spec.federates() && !settings.federates {
        return "off, as your own settings say".to_owned();
    }
    let only = match &spec.federation {
        Federation::Off => return "off".to_owned(),
        Federation::Open => String::new(),
        Federation::With(_) => {
            format!(", with {} only", spec.federation.to_string().replace(',', ", "))
        }
    };
    if spec.tls == Tls::Off {
        let domain = &spec.domain;
        return format!("https://{domain}:443, where something in front must end TLS{only}");
    }
    let also = if spec.port_8448 { ", :8448" } else { "" };
    format!("{}:443{also}{only}", spec.base_url())
}

fn print_dry_run(session: &Session, desired: &Homeserver, outcome: &Outcome) {
    let (ui, spec) = (&session.ui, &desired.spec);
    let count = outcome.changes;
    if count == 0 {
        ui.heading(&format!("{} is in the desired state; nothing would be changed", spec.app));
        return;
    }
    let changes = if count == 1 { "change" } else { "changes" };
    ui.heading(&format!("Dry run: {count} {changes} would be made, none was"));
    match dns_records(&session.host, spec) {
        Ok(lines) => lines.iter().for_each(|line| ui.detail(line)),
        Err(error) => error.lines().iter().for_each(|line| ui.warn(line)),
    }
}
