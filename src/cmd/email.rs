//! `matrix:email`: the mail server that Synapse sends through.

use super::{session::Session, summary};
use crate::{
    error::{Error, Exit, Result},
    host::{env::Env, files, owner::Owner, secret::Secret, terminal},
    names::{AppName, Sender},
    server::Server,
    steps::{self, preflight},
    synapse::{
        config::EMAIL_FILE,
        email::{self, Smtp},
        judge,
    },
};
use camino::Utf8Path;

/// The flags of `matrix:email`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The homeserver's app.
    app: AppName,
    /// The mail server.
    #[arg(long, value_name = "HOST", required_unless_present = "off", conflicts_with = "off")]
    smtp_host: Option<String>,
    /// Its port: 465 is encrypted from the start, on every other STARTTLS is required.
    #[arg(long, value_name = "N", default_value_t = 587, conflicts_with = "off", value_parser = clap::value_parser!(u16).range(1..))]
    smtp_port: u16,
    /// The user to log in as; the password is asked for, or read from standard input.
    #[arg(long, value_name = "NAME", conflicts_with = "off")]
    smtp_user: Option<String>,
    /// The sender: an address, or "Name <address>".
    #[arg(long, value_name = "SENDER", required_unless_present = "off", conflicts_with = "off")]
    from: Option<Sender>,
    /// Send no mail any more.
    #[arg(long)]
    off: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    verbose: bool,
}

/// Sets or removes the mail server.
pub fn run(env: Env, args: &Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:email", false, args.verbose);
    let (server, _lock) = session.locked(&args.app)?;
    let folder = server.places(session.env()).homeserver_d();
    if !args.off {
        not_local(&folder)?;
    }
    let path = folder.join(EMAIL_FILE);
    // Before anybody is asked for a password.
    let found = preflight::look(&session.host, &server)?;
    let text = match (&args.smtp_host, &args.from) {
        (Some(host), Some(from)) if !args.off => Some(wished(&session, &server, args, host, from)?),
        _ => None,
    };
    replace(&session, &server, &path, text.as_ref())?;
    let steps = steps::everything(&server, &server, found.how(true));
    let outcome = session.converge(&steps)?;
    summary::tell(&session, &server, &outcome);
    Ok(session.finish(&outcome))
}

/// Two `email:` blocks would be one too many: Synapse takes the later file's, silently.
fn not_local(folder: &Utf8Path) -> Result<()> {
    for name in files::list(folder)?.iter().filter(|name| *name != EMAIL_FILE) {
        let path = folder.join(name);
        let yaml = path.extension() == Some("yaml");
        let text = if yaml { files::read(&path)? } else { None };
        let key = |line: &str| line.split_once(':').map(|(key, _)| key.trim_end().to_owned());
        let email =
            |line: &str| key(line).is_some_and(|key| key.trim_matches(['"', '\'']) == "email");
        if text.unwrap_or_default().lines().any(email) {
            return Err(Error::new(format!("{path} has an email: of its own beside the plugin's"))
                .hint("Take it out there, then type the same command again."));
        }
    }
    Ok(())
}

fn wished(
    session: &Session,
    server: &Server,
    args: &Args,
    host: &str,
    from: &Sender,
) -> Result<Secret> {
    let password = match &args.smtp_user {
        None => None,
        Some(_) if terminal::is_terminal() => Some(terminal::ask(&format!(
            "Password of {} at {host}: ",
            args.smtp_user.as_deref().unwrap_or_default()
        ))?),
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
    email::email_yaml(&smtp, server.element_url().as_deref())
}

/// Writes or removes the file; if Synapse refuses what comes of it, the old one is put back.
fn replace(
    session: &Session,
    server: &Server,
    path: &Utf8Path,
    text: Option<&Secret>,
) -> Result<()> {
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
    let owner = Owner::of(session.env().dokku_user())?;
    judge::judge(host, server, &server.image, owner).or_else(|error| {
        put(before.as_ref())?;
        Err(error.hint("The mail server was not changed."))
    })
}
