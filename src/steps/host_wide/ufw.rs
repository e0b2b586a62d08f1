//! ufw, the one firewall that the plugin sets: asked and told through the commands that the
//! plugin's sudoers file allows.

use crate::{
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Output},
        run::find,
    },
};

/// What ufw says of port 8448.
pub(super) enum Ufw {
    /// It is not on this host.
    Absent,
    /// dokku may not ask it, or does not understand it.
    Forbidden,
    /// It filters nothing.
    Inactive,
    /// It filters.
    Active {
        /// Whether it lets 8448 through.
        open: bool,
    },
}

fn cmd(args: &[&str], changes: bool) -> Cmd {
    let cmd = if changes { Cmd::changes("sudo") } else { Cmd::reads("sudo") };
    // Its words are translated.
    cmd.args(["-n", "ufw"]).args(args).env("LC_ALL", "C")
}

pub(super) fn status(host: &Host) -> Result<Ufw> {
    if find("ufw").is_none() {
        return Ok(Ufw::Absent);
    }
    let cmd = cmd(&["status"], false);
    let ran: Output = host.run(&cmd)?;
    if ran.code != 0 {
        return Ok(Ufw::Forbidden);
    }
    if ran.lines.is_empty() {
        return Err(Error::new(format!("`{cmd}` ended with exit code 0 and printed nothing")));
    }
    if ran.says("Status: inactive") {
        return Ok(Ufw::Inactive);
    }
    // An answer that is not understood is no answer.
    if !ran.says("Status: active") {
        return Ok(Ufw::Forbidden);
    }
    let open = |line: &str| {
        let mut words = line.split_whitespace();
        let port = matches!(words.next(), Some("8448/tcp" | "8448"));
        port && words.any(|word| word == "ALLOW")
    };
    Ok(Ufw::Active { open: ran.stdout.lines().any(open) })
}

/// The arguments that open or close 8448.
pub(super) fn rule(open: bool) -> &'static [&'static str] {
    if open { &["allow", "8448/tcp"] } else { &["delete", "allow", "8448/tcp"] }
}

/// Opens or closes 8448; the exit code is the caller's to look at.
pub(super) fn set(host: &Host, open: bool) -> Result<Output> {
    host.run(&cmd(rule(open), true))
}

/// Opens or closes 8448.
pub(super) fn must_set(host: &Host, open: bool) -> Result<()> {
    host.must(&cmd(rule(open), true)).map(drop)
}

/// What the user should know of port 8448 where no ufw of this host filters it.
pub fn advice(host: &Host) -> Result<Option<&'static str>> {
    Ok(match status(host)? {
        Ufw::Absent | Ufw::Inactive => {
            Some("ufw is not active here; let 8448/tcp through where it is filtered elsewhere")
        }
        Ufw::Forbidden | Ufw::Active { .. } => None,
    })
}
