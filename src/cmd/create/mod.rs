//! `matrix:create`: a homeserver, from nothing or from whatever is there.

mod desired;
mod flags;

pub(super) use desired::new_component;
use flags::{Args, Requested};

use super::{Subcommand, session::Session, summary};
use crate::{
    cli,
    component::Catalog,
    dokku::docker,
    error::{Exit, Result},
    host::env::Env,
    state::{Spec, Status},
    steps::{self, server_directory::RecordSpec},
};
use clap::{Arg, FromArgMatches};

pub(super) fn subcommand(catalog: Catalog) -> Subcommand {
    let mut create = Subcommand::new(
        "create",
        "<app> [--server-name NAME] [--domain HOST] [--email ADDRESS] [...]",
        "Create a homeserver or bring it to the desired state",
        |_, _, _: Args| Ok(Exit::Done),
    );
    create.command = create.command.args(catalog.optional().map(flags::optional));
    let flags: Vec<Arg> = create.command.get_arguments().cloned().collect();
    create.run = Box::new(move |env, catalog, matches| {
        let args = Args::from_arg_matches(matches).map_err(|error| cli::usage(&error))?;
        let requested = Requested::of(catalog, matches);
        // Only what was recorded is kept without its flag, and an error comes before that.
        let typed = flags::typed(&args.app, &flags, matches);
        run(env, catalog, &args, &requested).map_err(|error| error.like(&typed))
    });
    create
}

fn run(env: Env, catalog: Catalog, args: &Args, requested: &Requested) -> Result<Exit> {
    let session = Session::with_flags(env, catalog, "matrix:create", args.flags);
    let _app = session.lock_app(&args.app, &args.app)?;
    let (name, why) = desired::server_name(&session, args)?;
    let _lock = session.lock(&name, &args.app)?;
    let recorded = session.recorded(&name)?;
    let spec = desired::spec(&session, args, requested, name, recorded.as_ref())?;
    let is_first = recorded.is_none();
    // A new image is recorded when it is ready; before that the record names the one that runs.
    let old_image = recorded.filter(|old| old.image != spec.image).map(|old| old.image);
    let _data = if old_image.is_some() { session.lock_data(&spec)? } else { None };
    let keeps_image =
        !args.no_deploy || docker::running(&session.host, &args.app).option()?.is_some();
    let old_image = old_image.filter(|_| keeps_image);
    let failed_image = match &old_image {
        Some(_) if args.no_deploy => Status::read(session.env(), &spec.server_name)?.failed_image,
        Some(_) => Some(spec.image.clone()),
        None => None,
    };
    let prepared_only = old_image.is_some() && args.no_deploy;
    let first = Spec { image: old_image.unwrap_or_else(|| spec.image.clone()), ..spec.clone() };
    let desired = session.homeserver(spec)?;
    let _optional = session.lock_optional(&desired)?;
    let preflight = session.preflight(&desired)?;
    if is_first {
        session.ui.heading(&format!(
            "The server name will be {}, {why}; it can never be changed",
            desired.spec.server_name
        ));
    }
    let first = RecordSpec::first(first, failed_image);
    let steps = steps::everything(&desired, first, preflight.options(!args.no_deploy));
    let outcome = session.converge(&desired, &steps, !args.no_deploy)?;
    if args.no_deploy && !args.flags.dry_run {
        let spec = &desired.spec;
        let image = if prepared_only { format!(" --image {}", spec.image) } else { String::new() };
        session.ui.heading(&format!(
            "{} is prepared; to start it: dokku matrix:deploy {}{image}",
            spec.server_name, spec.app
        ));
    } else {
        summary::print(&session, &desired, &outcome);
    }
    Ok(session.finish(&outcome))
}
