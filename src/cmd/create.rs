//! `matrix:create`: a homeserver, from nothing or from whatever is there.

use super::{session::Session, summary};
use crate::{
    dokku::{docker, domains},
    error::{Error, Exit, Result},
    host::{Host, env::Env},
    marker::{self, Marker},
    names::{AppName, Domain, Email, ImageRef, ServerName, ServiceName, UserId},
    server::{Element, Server, Support, Tls},
    steps::{self, database, preflight},
};
use std::sync::Arc;

/// The image that is tested with this version of the plugin.
pub const SYNAPSE_IMAGE: &str = "matrixdotorg/synapse:v1.163.2";
/// The image of Element Web that is tested with this version of the plugin.
pub const ELEMENT_IMAGE: &str = "vectorim/element-web:v1.12.32";
/// The app of Element Web unless another one is named.
const ELEMENT_APP: &str = "chat";
/// How long Synapse may take to become ready, in seconds.
const TIMEOUT: u32 = 300;

/// The flags of `matrix:create`. One that is left out keeps what is recorded.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// The app that runs Synapse; made if it is not there.
    app: AppName,
    /// The right half of the users' ids; can never be changed [default: the domain].
    #[arg(long, value_name = "NAME")]
    server_name: Option<ServerName>,
    /// The host name of the homeserver [default: what Dokku gives the app].
    #[arg(long, value_name = "HOST")]
    domain: Option<Domain>,
    /// The e-mail address for letsencrypt [default: the one set for the host].
    #[arg(long, value_name = "ADDRESS")]
    email: Option<Email>,
    /// Take the e-mail address of the host for letsencrypt, and none of its own.
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// The postgres service [default: <app>-db].
    #[arg(long, value_name = "NAME")]
    service: Option<ServiceName>,
    /// The image of Synapse.
    #[arg(long, value_name = "REF")]
    image: Option<ImageRef>,
    /// Where the certificate comes from [default: letsencrypt].
    #[arg(long, value_name = "HOW")]
    tls: Option<Tls>,
    /// Be reached on port 8448 as well (the default).
    #[arg(long = "8448", overrides_with = "no_8448")]
    with_8448: bool,
    /// Be reached on port 443 alone.
    #[arg(long = "no-8448")]
    no_8448: bool,
    /// How long Synapse may take to become ready, in seconds [default: 300].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..=86400))]
    timeout: Option<u32>,
    /// An address to ask for help, published for users.
    #[arg(long, value_name = "ADDRESS")]
    support_email: Option<Email>,
    /// A Matrix user to ask for help, published for users.
    #[arg(long, value_name = "@USER:SERVER")]
    support_mxid: Option<UserId>,
    /// A page with help, published for users.
    #[arg(long, value_name = "URL", value_parser = page)]
    support_page: Option<String>,
    /// Publish no contact any more.
    #[arg(long, conflicts_with_all = ["support_email", "support_mxid", "support_page"])]
    no_support: bool,
    /// Serve Element Web as well, in the app that is named [default: chat].
    #[arg(long, value_name = "APP", num_args = 0..=1, default_missing_value = ELEMENT_APP)]
    element: Option<AppName>,
    /// Prepare everything, but start nothing.
    #[arg(long)]
    no_deploy: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Show what Dokku prints.
    #[arg(long)]
    verbose: bool,
}

fn page(text: &str) -> Result<String> {
    let good = |c: char| c.is_ascii_graphic() && !"\"'\\<>$`{}|^".contains(c);
    let web = text.starts_with("https://") || text.starts_with("http://");
    if web && text.len() <= 1000 && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(Error::usage("it must be an address of the web, https://..."))
}

/// Creates a homeserver, or brings it to what is wished.
pub fn run(env: Env, args: &Args) -> Result<Exit> {
    let session = Session::new(env, "matrix:create", args.dry_run, args.verbose);
    let name = server_name(&session.host, args)?;
    let _lock = session.lock(&name, &args.app)?;
    let recorded = Server::read(session.env(), &name)?;
    let wish = wish(&session.host, args, name, recorded.as_ref())?;
    // An image is recorded when it is ready; before that the record names the one that runs.
    let stays = recorded.as_ref().is_some_and(|old| old.image != wish.image)
        && (!args.no_deploy || docker::running(&session.host, &args.app).option()?.is_some());
    let meanwhile = recorded.filter(|_| stays).map_or_else(
        || wish.clone(),
        |old| {
            let failed_image = (!args.no_deploy).then(|| wish.image.clone()).or(old.failed_image);
            Server { image: old.image, failed_image, ..wish.clone() }
        },
    );
    let (wish, meanwhile) = (Arc::new(wish), Arc::new(meanwhile));
    let found = preflight::look(&session.host, &wish)?;
    for warning in &found.warnings {
        session.ui.warn(warning);
    }
    let steps = steps::everything(&wish, &meanwhile, found.how(!args.no_deploy));
    let outcome = session.converge(&steps)?;
    if args.no_deploy && !args.dry_run {
        let image = if wish.image == meanwhile.image {
            String::new()
        } else {
            format!(" --image {}", wish.image)
        };
        session.ui.heading(&format!(
            "{} is prepared; to start it: dokku matrix:deploy {}{image}",
            wish.server_name, wish.app
        ));
    } else {
        summary::tell(&session, &wish, &outcome);
    }
    Ok(session.finish(&outcome))
}

/// The server name: the app's own, or the given one, or the domain. A destroyed app that is
/// created again, under whatever name, so takes its own data up.
fn server_name(host: &Host, args: &Args) -> Result<ServerName> {
    let app = &args.app;
    let name = match marker::read(host.env(), app.as_str())? {
        Some(Marker::Synapse(name)) => name,
        Some(Marker::Element(name)) => {
            return Err(Error::new(format!("{app} runs Element Web, of the homeserver {name}")));
        }
        Some(Marker::Clone) => {
            return Err(Error::new(format!("{app} is a clone of a homeserver's app"))
                .hint(format!("dokku apps:destroy {app}")));
        }
        None => match &args.server_name {
            Some(name) => name.clone(),
            None => default_domain(host, args, None)?.server_name(),
        },
    };
    match args.server_name.as_ref().filter(|other| **other != name) {
        None => Ok(name),
        Some(other) => Err(Error::usage(format!(
            "the server name of {app} is {name} and cannot become {other}"
        ))
        .hint("All its users, rooms, and keys carry the name. For another name create another app:")
        .hint(format!("dokku matrix:create <app> --server-name {other}"))),
    }
}

fn wish(
    host: &Host,
    args: &Args,
    server_name: ServerName,
    recorded: Option<&Server>,
) -> Result<Server> {
    let domain = default_domain(host, args, recorded)?;
    let service = match (&args.service, recorded) {
        (Some(service), _) => service.clone(),
        (None, Some(server)) => server.service.clone(),
        (None, None) => args.app.service()?,
    };
    if let Some(server) = recorded.filter(|server| server.service != service)
        && database::in_use(host, server)?
    {
        return Err(Error::usage(format!(
            "the database of {server_name} is in the postgres service {}",
            server.service
        ))
        .hint("Another service would be an empty server. Leave --service out."));
    }
    let port_8448 = match (args.with_8448, args.no_8448) {
        (true, _) => true,
        (_, true) => false,
        _ => recorded.is_none_or(|server| server.port_8448),
    };
    Ok(Server {
        version: Server::version(),
        image: given(
            args.image.clone(),
            recorded.map(|server| server.image.clone()),
            SYNAPSE_IMAGE,
        )?,
        tls: args.tls.or(recorded.map(|server| server.tls)).unwrap_or(Tls::Letsencrypt),
        email: if args.no_email {
            None
        } else {
            args.email.clone().or_else(|| recorded?.email.clone())
        },
        timeout: args.timeout.or(recorded.map(|server| server.timeout)).unwrap_or(TIMEOUT),
        support: support(args, recorded),
        element: element(host, args, recorded)?,
        failed_image: None,
        app: args.app.clone(),
        server_name,
        domain,
        service,
        port_8448,
    })
}

fn given(given: Option<ImageRef>, recorded: Option<ImageRef>, usual: &str) -> Result<ImageRef> {
    given.or(recorded).map_or_else(|| usual.parse(), Ok)
}

fn support(args: &Args, recorded: Option<&Server>) -> Option<Support> {
    if args.no_support {
        return None;
    }
    let old = recorded.and_then(|server| server.support.clone()).unwrap_or_default();
    let new = Support {
        email: args.support_email.clone().or(old.email),
        mxid: args.support_mxid.clone().or(old.mxid),
        page: args.support_page.clone().or(old.page),
    };
    (new != Support::default()).then_some(new)
}

fn element(host: &Host, args: &Args, recorded: Option<&Server>) -> Result<Option<Element>> {
    let recorded = recorded.and_then(|server| server.element.clone());
    let Some(app) = &args.element else { return Ok(recorded) };
    match recorded {
        Some(element) if element.app == *app || app.as_str() == ELEMENT_APP => Ok(Some(element)),
        Some(element) => {
            Err(Error::usage(format!("Element Web is in the app {} already", element.app))
                .hint(format!("dokku matrix:disable-element {}", args.app)))
        }
        None => new_element(host, app, None, None).map(Some),
    }
}

/// Element Web in an app, with what is not given taken from the host.
pub fn new_element(
    host: &Host,
    app: &AppName,
    domain: Option<Domain>,
    image: Option<ImageRef>,
) -> Result<Element> {
    let domain = match domain {
        Some(domain) => domain,
        None => dokku_gives(host, app)?.ok_or_else(|| {
            Error::usage(format!("{app} has no domain, for this host has no global one")).hint(
                format!(
                    "dokku matrix:enable-element <homeserver> --app {app} --domain chat.example.org"
                ),
            )
        })?,
    };
    let created = !crate::dokku::apps::exists(host, app)?;
    Ok(Element { app: app.clone(), domain, image: given(image, None, ELEMENT_IMAGE)?, created })
}

fn default_domain(host: &Host, args: &Args, recorded: Option<&Server>) -> Result<Domain> {
    if let Some(domain) = args.domain.as_ref().or(recorded.map(|server| &server.domain)) {
        return Ok(domain.clone());
    }
    dokku_gives(host, &args.app)?.ok_or_else(|| {
        Error::usage(format!("{} has no domain, for this host has no global one", args.app))
            .hint(format!("dokku matrix:create {} --domain matrix.example.org", args.app))
            .hint("or, for all apps: dokku domains:set-global example.org")
    })
}

/// The domain that Dokku gives an app by itself.
fn dokku_gives(host: &Host, app: &AppName) -> Result<Option<Domain>> {
    if app.as_str().contains('.') {
        return app.as_str().parse().map(Some);
    }
    let Some(global) = domains::global(host)?.into_iter().next() else { return Ok(None) };
    format!("{app}.{global}").parse().map(Some)
}
