//! `matrix:register-user`: a user, with a password that nobody else sees.

use super::{Subcommand, session::Session};
use crate::{
    component::Catalog,
    dokku::{docker, ps},
    error::{Error, Exit, Result},
    host::{env::Env, files, secret::Secret, terminal},
    names::{AppName, Localpart},
    synapse::{
        config::REGISTRATION_SECRET,
        health::{self, Readiness},
        users::{self, NewUser, Registered},
    },
};

#[derive(Debug, clap::Args)]
struct Args {
    /// The homeserver's app.
    app: AppName,
    /// The part of the user id between '@' and ':'.
    #[arg(value_name = "USER")]
    user: Localpart,
    /// May use the admin API.
    #[arg(long)]
    admin: bool,
}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new(
        "register-user",
        "<app> <localpart> [--admin]",
        "Register a user with a password from a prompt or standard input",
        |env, catalog, args: Args| run(env, catalog, &args),
    )
}

fn run(env: Env, catalog: Catalog, args: &Args) -> Result<Exit> {
    let session = Session::new(env, catalog, "matrix:register-user");
    let spec = session.spec(&args.app)?;
    let id = format!("@{}:{}", args.user, spec.server_name);
    if id.len() > 255 {
        return Err(Error::usage(format!("{id} is longer than 255 characters")));
    }
    // Checked first: nobody should type a password in vain. The address of a container that was
    // stopped may be another server's by now, and that must not get the password.
    let address = match docker::running(&session.host, &spec.app).option()? {
        Some(container) => ps::address(&session.host, &spec.app, &container).option()?,
        None => None,
    };
    let ready = match &address {
        Some(address) => Some(health::probe(&session.host, address)?),
        None => None,
    };
    let (Some(address), Some(Readiness::Ready)) = (address, &ready) else {
        let app = &spec.app;
        return Err(Error::new(match ready {
            Some(Readiness::NoDatabase) => {
                format!("{app} runs, but it does not reach its database")
            }
            _ => format!("{app} does not run"),
        })
        .hint(format!("dokku matrix:deploy {app}")));
    };
    let path = spec.paths(session.env()).secrets().join(REGISTRATION_SECRET);
    let secret = files::read(&path)?.ok_or_else(|| {
        Error::new(format!("{path} is missing")).hint(format!("dokku matrix:deploy {}", spec.app))
    })?;
    let secret = Secret::new(secret);
    session.host.scrubber().learn(&secret);
    let password = users::password(ask(&id)?.expose())?;
    let user = NewUser { name: &args.user, password: &password, admin: args.admin };
    match users::register(&session.host, &address, &secret, &user)? {
        Registered::Created(id) => {
            let kind = if args.admin { "admin" } else { "user" };
            session.ui.heading(&format!("Registered {kind} {id}"));
            Ok(Exit::Done)
        }
        Registered::Taken => Err(Error::new(format!("{id} is registered already"))),
    }
}

/// The password: typed twice on a terminal, else one line of standard input.
fn ask(id: &str) -> Result<Secret> {
    if !terminal::is_terminal() {
        return terminal::one_line();
    }
    let first = terminal::ask(&format!("Password for {id}: "))?;
    if first.expose() != terminal::ask("Repeat the password: ")?.expose() {
        return Err(Error::new("the two passwords differ; nothing was registered"));
    }
    Ok(first)
}
