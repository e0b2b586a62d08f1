//! `matrix:enable-element` and its like: a component beside a homeserver, as an app of its own.

use super::{
    Subcommand,
    create::new_component,
    session::{Flags, Session},
    summary,
};
use crate::{
    component::{Catalog, Kind},
    error::{Error, Exit, Result},
    host::env::Env,
    names::{AppName, Domain, ImageRef},
    state::{ComponentSpec, Spec, Status},
    steps::{self, server_directory::RecordSpec},
};

#[derive(Debug, clap::Args)]
struct Args {
    /// The homeserver's app.
    homeserver: AppName,
    /// The app; created if it does not exist.
    #[arg(long = "app", value_name = "NAME")]
    app: Option<AppName>,
    /// Its host name [default: what Dokku gives the app].
    #[arg(long, value_name = "HOST")]
    domain: Option<Domain>,
    /// Its image.
    #[arg(long, value_name = "REF")]
    image: Option<ImageRef>,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn subcommand(kind: &'static Kind) -> Subcommand {
    let mut enable = Subcommand::new(
        format!("enable-{}", kind.name),
        "<app> [--app NAME] [--domain HOST] [--image REF] [--dry-run] [--verbose]",
        format!("Serve {} beside a homeserver", kind.title),
        move |env, catalog, args| run(env, catalog, kind, args),
    );
    let help = format!("The app; created if it does not exist [default: {}]", kind.default_app);
    enable.command = enable.command.mut_arg("app", |arg| arg.help(help));
    enable
}

fn run(env: Env, catalog: Catalog, kind: &'static Kind, args: Args) -> Result<Exit> {
    let command = format!("matrix:enable-{}", kind.name);
    let session = Session::with_flags(env, catalog, command, args.flags);
    let (recorded, _lock) = session.locked(&args.homeserver)?;
    let old = recorded.components.get(kind.name);
    let new = match old {
        Some(old) if args.app.as_ref().is_some_and(|app| *app != old.app) => {
            let (title, name) = (kind.title, kind.name);
            return Err(Error::usage(format!("{title} is in the app {} already", old.app))
                .hint(format!("dokku matrix:disable-{name} {}", recorded.app)));
        }
        Some(old) => ComponentSpec {
            domain: args.domain.unwrap_or_else(|| old.domain.clone()),
            image: args.image.unwrap_or_else(|| old.image.clone()),
            ..old.clone()
        },
        None => {
            let app = args.app.map_or_else(|| kind.default_app.parse(), Ok)?;
            new_component(&session.host, kind, &app, args.domain, args.image)?
        }
    };
    // A new image is recorded when it runs; before that the record names the one before.
    let image = old.map_or(&new.image, |old| &old.image).clone();
    let with = |component| {
        let mut spec = recorded.clone();
        spec.components.insert(kind.name.to_owned(), component);
        spec
    };
    let first: Spec = with(ComponentSpec { image, ..new.clone() });
    let desired = session.homeserver(with(new))?;
    let Some(component) = desired.component(kind.name).cloned() else {
        return Err(Error::new(format!("{} is not in the list of components", kind.title)));
    };
    let _optional = session.lock_optional(&desired)?;
    let preflight = session.preflight(&desired)?;
    let failed_image = Status::read(session.env(), &recorded.server_name)?.failed_image;
    let first = RecordSpec::first(first, failed_image);
    let steps = steps::component(&desired, &component, first, preflight.options(true));
    let outcome = session.converge(&desired, &steps, false)?;
    let (title, url) = (kind.title, component.url());
    if session.is_dry_run() {
        summary::print(&session, &desired, &outcome);
    } else if outcome.changes == 0 {
        session.ui.heading(&format!("{title} is ready at {url}; nothing had to be changed"));
    } else {
        session.ui.heading(&format!("{title} is ready at {url} ({})", session.elapsed()));
        summary::email_links(&session, &desired)?;
    }
    Ok(session.finish(&outcome))
}
