//! `matrix:deploy`: brings a homeserver to what is recorded, and makes sure that it runs.

use super::{
    Subcommand,
    session::{Flags, Session},
    summary,
};
use crate::{
    component::Catalog,
    error::{Exit, Result},
    host::env::Env,
    names::{AppName, ImageRef},
    state::Spec,
    steps::{self, server_directory::RecordSpec},
};

#[derive(Debug, clap::Args)]
struct Args {
    /// The homeserver's app.
    app: AppName,
    /// Another image of Synapse, recorded once it is ready.
    #[arg(long, value_name = "REF")]
    image: Option<ImageRef>,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn subcommand() -> Subcommand {
    Subcommand::new(
        "deploy",
        "<app> [--image REF] [--dry-run] [--verbose]",
        "Bring a homeserver to the recorded state and make sure that it runs",
        run,
    )
}

fn run(env: Env, catalog: Catalog, args: Args) -> Result<Exit> {
    let session = Session::with_flags(env, catalog, "matrix:deploy", args.flags);
    let (recorded, _lock) = session.locked(&args.app)?;
    let image = args.image.unwrap_or_else(|| recorded.image.clone());
    let new_image = (image != recorded.image).then(|| image.clone());
    let _data = if new_image.is_some() { session.lock_data(&recorded)? } else { None };
    let desired = session.homeserver(Spec { image, ..recorded.clone() })?;
    let preflight = session.preflight(&desired)?;
    // Until it has become ready, the record names the image before, and this one as failed.
    let first = RecordSpec::first(recorded, new_image);
    let steps = steps::everything(&desired, first, preflight.options(true));
    let outcome = session.converge(&desired, &steps, true)?;
    summary::print(&session, &desired, &outcome);
    Ok(session.finish(&outcome))
}
