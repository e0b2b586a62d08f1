//! `matrix:deploy`: brings a homeserver to what is recorded, and makes sure that it runs.

use super::{session::Session, summary};
use crate::{
    error::{Exit, Result},
    host::env::Env,
    names::{AppName, ImageRef},
    server::Server,
    steps::{self, preflight},
};
use std::sync::Arc;

/// The flags of `matrix:deploy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The homeserver's app.
    app: AppName,
    /// Another image of Synapse, recorded once it is ready.
    #[arg(long, value_name = "REF")]
    image: Option<ImageRef>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    verbose: bool,
}

/// Deploys a homeserver.
pub fn run(env: Env, args: Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:deploy", args.dry_run, args.verbose);
    let (recorded, _lock) = session.locked(&args.app)?;
    let image = args.image.unwrap_or_else(|| recorded.image.clone());
    let failed_image = (image != recorded.image).then(|| image.clone());
    // Until it has become ready the record names the image that was, and the one that is tried.
    let meanwhile = Arc::new(Server { failed_image, ..(*recorded).clone() });
    let wish = Arc::new(Server { image, failed_image: None, ..(*recorded).clone() });
    let found = preflight::look(&session.host, &wish)?;
    for warning in &found.warnings {
        session.ui.warn(warning);
    }
    let steps = steps::everything(&wish, &meanwhile, found.how(true));
    let outcome = session.converge(&steps)?;
    summary::tell(&session, &wish, &outcome);
    Ok(session.finish(&outcome))
}
