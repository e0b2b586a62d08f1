//! `matrix:email`: the mail server that Synapse sends through.

use super::{
    Subcommand,
    session::{Flags, Session},
    summary,
};
use crate::{
    component::{Catalog, Homeserver},
    error::{Error, Exit, Result},
    host::{env::Env, files, secret::Secret, terminal},
    names::{AppName, Sender},
    state::{Spec, Status},
    steps::{self, server_directory::RecordSpec},
    synapse::{
        config::EMAIL_FILE,
        email::{self, Smtp},
    },
};
use camino::Utf8Path;

#[derive(Debug, clap::Args)]
struct Args {
    /// The homeserver's app.
    app: AppName,
    /// The mail server.
    #[arg(long, value_name = "HOST", required_unless_present = "off", conflicts_with = "off")]
    smtp_host: Option<String>,
    /// Its port: 465 is encrypted from the start, every other one requires STARTTLS.
    #[arg(long, value_name = "N", default_value_t = 587, conflicts_with = "off", value_parser = clap::value_parser!(u16).range(1..))]
    smtp_port: u16,
    /// The user to log in as; the password is asked for, or read from standard input.
    #[arg(long, value_name = "NAME", conflicts_with = "off")]
    smtp_user: Option<String>,
    /// The sender: an address, or "Name <address>".
    #[arg(long, value_name = "SENDER", required_unless_present = "off", conflicts_with = "off")]
    from: Option<Sender>,
    /// Stop sending e-mails.
    #[arg(long)]
    off: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    verbose: bool,
}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new(
        "email",
        "<app> --smtp-host HOST [--smtp-port N] [--smtp-user NAME] --from SENDER | --off [--verbose]",
        "Set the mail server that Synapse sends through",
        |env, catalog, args: Args| run(env, catalog, &args),
    )
}

fn run(env: Env, catalog: Catalog, args: &Args) -> Result<Exit> {
    let flags = Flags { dry_run: false, verbose: args.verbose };
    let session = Session::with_flags(env, catalog, "matrix:email", flags);
    let (spec, _lock) = session.locked(&args.app)?;
    let directory = spec.paths(session.env()).homeserver_d();
    if !args.off {
        refuse_local_setting(&directory)?;
    }
    let path = directory.join(EMAIL_FILE);
    let desired = session.homeserver(spec.clone())?;
    // Before anybody is asked for a password.
    let preflight = session.preflight(&desired)?;
    let text = match (&args.smtp_host, &args.from) {
        (Some(host), Some(from)) if !args.off => Some(file(&session, &desired, args, host, from)?),
        _ => None,
    };
    replace(&session, &spec, &path, text.as_ref())?;
    let failed_image = Status::read(session.env(), &spec.server_name)?.failed_image;
    let first = RecordSpec::first(spec, failed_image);
    let steps = steps::everything(&desired, first, preflight.options(true));
    let outcome = session.converge(&desired, &steps, true)?;
    summary::print(&session, &desired, &outcome);
    Ok(session.finish(&outcome))
}

/// Of two `email:` settings Synapse silently takes the later file's.
fn refuse_local_setting(directory: &Utf8Path) -> Result<()> {
    let names = files::list(directory)?;
    for name in names.iter().filter(|name| *name != EMAIL_FILE) {
        let path = directory.join(name);
        if path.extension() != Some("yaml") {
            continue;
        }
        let Some(text) = files::read(&path)? else { continue };
        let key = |line: &str| line.split_once(':').map(|(key, _)| key.trim_end().to_owned());
        let is_email =
            |line: &str| key(line).is_some_and(|key| key.trim_matches(['"', '\'']) == "email");
        if text.lines().any(is_email) {
            return Err(Error::new(format!("{path} has an email: setting of its own"))
                .hint("Remove it there, then run the same command again."));
        }
    }
    Ok(())
}

fn file(
    session: &Session,
    desired: &Homeserver,
    args: &Args,
    host: &str,
    from: &Sender,
) -> Result<Secret> {
    let password = match &args.smtp_user {
        None => None,
        Some(user) if terminal::is_terminal() => {
            Some(terminal::ask(&format!("Password of {user} at {host}: "))?)
        }
        Some(_) => Some(terminal::one_line()?),
    };
    if let Some(password) = &password {
        if password.expose().is_empty() {
            return Err(Error::usage("the password cannot be used: it is empty"));
        }
        session.host.scrubber().learn(password);
    }
    let smtp = Smtp {
        host: host.to_owned(),
        port: args.smtp_port,
        user: args.smtp_user.clone(),
        password,
        from: from.clone(),
    };
    email::email_yaml(&smtp, desired.web_client_url().as_deref())
}

/// Writes or removes the file; if Synapse refuses what comes of it, the old one is restored.
fn replace(session: &Session, spec: &Spec, path: &Utf8Path, text: Option<&Secret>) -> Result<()> {
    let host = &session.host;
    let before = files::read(path)?.map(Secret::new);
    let put = |text: Option<&Secret>| match text {
        Some(text) => files::write(host, path, text.expose(), files::PRIVATE),
        None => files::remove(host, path),
    };
    if before.as_ref() == text {
        return Ok(());
    }
    put(text)?;
    steps::config::validate_now(spec, host, &spec.image).or_else(|error| {
        put(before.as_ref())?;
        Err(error.hint("The mail server was not changed."))
    })
}
