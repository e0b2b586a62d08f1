//! `matrix:enable-element`: Element Web as an app of its own.

use super::{create, session::Session, summary};
use crate::{
    error::{Error, Exit, Result},
    host::env::Env,
    names::{AppName, Domain, ImageRef},
    server::{Element, Server},
    steps::{self, preflight},
};
use std::sync::Arc;

/// The flags of `matrix:enable-element`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The homeserver's app.
    homeserver: AppName,
    /// The app of Element Web; made if it is not there [default: chat].
    #[arg(long = "app", value_name = "NAME")]
    app: Option<AppName>,
    /// Its host name [default: what Dokku gives the app].
    #[arg(long, value_name = "HOST")]
    domain: Option<Domain>,
    /// Its image.
    #[arg(long, value_name = "REF")]
    image: Option<ImageRef>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    verbose: bool,
}

/// Enables Element Web.
pub fn run(env: Env, args: Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:enable-element", args.dry_run, args.verbose);
    let (server, _lock) = session.locked(&args.homeserver)?;
    let element = match &server.element {
        Some(now) if args.app.as_ref().is_some_and(|app| *app != now.app) => {
            return Err(Error::usage(format!("Element Web is in the app {} already", now.app))
                .hint(format!("dokku matrix:disable-element {}", server.app)));
        }
        Some(now) => Element {
            domain: args.domain.unwrap_or_else(|| now.domain.clone()),
            image: args.image.unwrap_or_else(|| now.image.clone()),
            ..now.clone()
        },
        None => {
            let app = args.app.map_or_else(|| "chat".parse(), Ok)?;
            create::new_element(&session.host, &app, args.domain, args.image)?
        }
    };
    // A new image is recorded when it runs; before that the record names the one that was.
    let image = server.element.as_ref().map_or(&element.image, |now| &now.image).clone();
    let meanwhile = Element { image, ..element.clone() };
    let server_with = |element| Arc::new(Server { element: Some(element), ..(*server).clone() });
    let (wish, meanwhile) = (server_with(element), server_with(meanwhile));
    let found = preflight::look(&session.host, &wish)?;
    let steps = steps::element_only(&wish, &meanwhile, found.how(true));
    let outcome = session.converge(&steps)?;
    let url = wish.element_url().unwrap_or_default();
    if session.is_dry_run() {
        summary::tell(&session, &wish, &outcome);
    } else if outcome.changes == 0 {
        session.ui.heading(&format!("Element Web is ready at {url}; nothing had to be changed"));
    } else {
        session.ui.heading(&format!("Element Web is ready at {url} ({})", session.elapsed()));
        summary::mail(&session, &wish)?;
    }
    Ok(session.finish(&outcome))
}
