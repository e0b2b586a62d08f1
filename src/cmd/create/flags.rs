//! The flags of `matrix:create`. One that is left out keeps what is recorded.

use crate::{
    cmd::session::Flags,
    component::{Catalog, Kind},
    error::{Create, Error, Result},
    names::{AppName, Domain, Email, ImageRef, ServerName, ServiceName, UserId},
    state::{Federation, Tls},
};
use clap::{Arg, ArgAction, ArgMatches, parser::ValueSource};
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct Args {
    /// The app that runs Synapse; created if it does not exist.
    pub(super) app: AppName,
    /// The right half of the users' ids; can never be changed [default: the domain].
    #[arg(long, value_name = "NAME")]
    pub(super) server_name: Option<ServerName>,
    /// The host name of the homeserver [default: what Dokku gives the app].
    #[arg(long, value_name = "HOST")]
    pub(super) domain: Option<Domain>,
    /// The e-mail address for letsencrypt [default: the one set for the host].
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: Option<Email>,
    /// Use the host's e-mail address for letsencrypt.
    #[arg(long, conflicts_with = "email")]
    pub(super) no_email: bool,
    /// The postgres service [default: <app>-db].
    #[arg(long, value_name = "NAME")]
    pub(super) service: Option<ServiceName>,
    /// The image of Synapse.
    #[arg(long, value_name = "REF")]
    pub(super) image: Option<ImageRef>,
    /// Where the certificate comes from [default: letsencrypt].
    #[arg(long, value_name = "HOW")]
    pub(super) tls: Option<Tls>,
    /// Serve on port 8448 as well (the default).
    #[arg(long = "8448", overrides_with = "no_8448")]
    pub(super) with_8448: bool,
    /// Serve on port 443 only.
    #[arg(long = "no-8448")]
    pub(super) no_8448: bool,
    /// Which other servers it talks to: `open` for all, `off` for none, or their names, with commas
    /// between [default: open; off with --tls off].
    #[arg(long, value_name = "open|off|NAMES")]
    pub(super) federation: Option<Federation>,
    /// How long Synapse may take to become ready, in seconds [default: 300].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..=86400))]
    pub(super) timeout: Option<u32>,
    /// An address to ask for help, published for users.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) support_email: Option<Email>,
    /// A Matrix user to ask for help, published for users.
    #[arg(long, value_name = "@USER:SERVER")]
    pub(super) support_mxid: Option<UserId>,
    /// A page with help, published for users.
    #[arg(long, value_name = "URL", value_parser = page)]
    pub(super) support_page: Option<String>,
    /// Stop publishing a contact.
    #[arg(long, conflicts_with_all = ["support_email", "support_mxid", "support_page"])]
    pub(super) no_support: bool,
    /// Prepare everything, but start nothing.
    #[arg(long)]
    pub(super) no_deploy: bool,
    #[command(flatten)]
    pub(super) flags: Flags,
}

fn page(text: &str) -> Result<String> {
    let good = |c: char| c.is_ascii_graphic() && !"\"'\\<>$`{}|^".contains(c);
    let web = text.starts_with("https://") || text.starts_with("http://");
    if web && text.len() <= 1000 && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(Error::usage("it must be an address of the web, https://..."))
}

/// The command as it was typed, with its flags in the order of the help. What it suggests is to be
/// done, not shown: so without `--dry-run`.
pub(super) fn typed(app: &AppName, flags: &[Arg], matches: &ArgMatches) -> Create {
    let is_typed =
        |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    flags.iter().filter(is_typed).fold(Create::app(app), |create, arg| {
        let Some(long) = arg.get_long().filter(|long| *long != "dry-run") else { return create };
        let flag = format!("--{long}");
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            return create.typed(&flag, None);
        }
        let values = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        values.fold(create, |create, value| create.typed(&flag, Some(&value.to_string_lossy())))
    })
}

/// The flag of a component: `--element [<app>]`.
pub(super) fn optional(kind: &'static Kind) -> Arg {
    let (title, app) = (kind.title, kind.default_app);
    Arg::new(kind.name)
        .long(kind.name)
        .value_name("APP")
        .num_args(0..=1)
        .default_missing_value(app)
        .value_parser(clap::value_parser!(AppName))
        .help(format!("Serve {title} as well, in the app that is named [default: {app}]"))
}

/// The components that were asked for, by the names of their kinds, with the apps that were given.
pub(super) struct Requested(pub(super) BTreeMap<&'static str, AppName>);

impl Requested {
    pub(super) fn of(catalog: Catalog, matches: &ArgMatches) -> Self {
        let app =
            |kind: &'static Kind| Some((kind.name, matches.get_one::<AppName>(kind.name)?.clone()));
        Self(catalog.optional().filter_map(app).collect())
    }
}
