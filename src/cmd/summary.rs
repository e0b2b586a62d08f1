//! The end of `create` and `deploy`: where everything is, and what to type next.

use super::session::Session;
use crate::{
    error::Result,
    plan::Outcome,
    server::{Server, Tls},
    steps::{Wish, config::Config, firewall, self_check},
};

/// Mails of Synapse lead to Element Web, which has come or gone: Synapse reads that at its start.
pub(super) fn mail(session: &Session, server: &Wish) -> Result<()> {
    if Config::mail(server, &session.host)?.is_some() {
        let app = &server.app;
        session.ui.detail(&format!("For the links in e-mails, too: dokku matrix:deploy {app}"));
    }
    Ok(())
}

/// Tells what came of it.
pub(super) fn tell(session: &Session, server: &Server, outcome: &Outcome) {
    let ui = &session.ui;
    if session.is_dry_run() {
        let count = outcome.changes;
        if count == 0 {
            ui.heading(&format!("{} is as it should be; nothing would be changed", server.app));
        } else {
            let changes = if count == 1 { "change" } else { "changes" };
            ui.heading(&format!("A dry run: {count} {changes} would be made, none was"));
            for line in self_check::records(server) {
                ui.detail(&line);
            }
        }
        return;
    }
    if outcome.changes == 0 {
        ui.heading(&format!(
            "Matrix homeserver {} is ready; nothing had to be changed",
            server.server_name
        ));
    } else {
        let is = if outcome.attention.is_empty() { "is ready" } else { "runs, but needs you" };
        let elapsed = session.elapsed();
        ui.heading(&format!("Matrix homeserver {} {is} ({elapsed})", server.server_name));
    }
    let line = |name: &str, value: &str| ui.detail(&format!("{name:<14} {value}"));
    line("Homeserver", &server.base_url());
    if server.tls != Tls::Off {
        let also = if server.port_8448 { ", :8448" } else { "" };
        line("Federation", &format!("{}:443{also}", server.base_url()));
        // An answer that cannot be had is no reason to fail at the very end.
        if server.port_8448
            && outcome.changes > 0
            && let Ok(Some(advice)) = firewall::advice(&session.host)
        {
            line("Firewall", advice);
        }
    }
    if let Some(url) = server.element_url() {
        line("Element Web", &url);
    }
    line("First user", &format!("dokku matrix:register-user {} <name> --admin", server.app));
    line("Keep safe", server.places(session.env()).signing_key().as_str());
}
