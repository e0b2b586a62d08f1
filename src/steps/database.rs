//! The database: a service whose database Synapse accepts, linked to the app.

use super::Wish;
use crate::{
    dokku::{apps, config, postgres},
    error::{Error, Result},
    host::{Host, files, secret::Secret},
    marker::{self, Marker},
    names::ServiceName,
    plan::{Change, State, Step, StepId},
    server::Server,
    synapse::{config::DATABASE_FILE, database::database_yaml},
};

/// The service exists, runs, is no other app's, and its database is UTF8, C, C.
#[derive(Debug)]
pub struct Service(pub Wish);

impl Step for Service {
    fn id(&self) -> StepId {
        ("matrix", "service")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "intent")]
    }

    fn title(&self) -> String {
        format!("Creating postgres service {}", self.0.service)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let service = &self.0.service;
        let journal = self.0.places(host.env()).service_journal();
        let url = config::get(host, &self.0.app, "DATABASE_URL").option()?;
        self.no_other(url.as_ref())?;
        let half_made = files::read(&journal)?.is_some_and(|text| text.trim() == service.as_str());
        // What Synapse was told to use was looked at before: to ask PostgreSQL takes long.
        if !half_made && self.told(host, url.as_ref())? && postgres::runs(host, service)? {
            return Ok(State::Holds);
        }
        let Some(links) = postgres::links(host, service).option()? else {
            if !half_made && in_use(host, &self.0)? {
                return Err(self.gone(host));
            }
            return Ok(self.create(journal));
        };
        let database = self.database(url.as_ref());
        let locale = match postgres::locale(host, service, &database).option() {
            Ok(locale) => locale,
            Err(error) if postgres::status(host, service)? == "running" => return Err(error),
            Err(_) if half_made && postgres::holds_nothing(host, service)? => {
                return Ok(self.make_again(journal));
            }
            Err(_) => return Ok(start(service.clone())),
        };
        match locale {
            Some(locale) if locale.is_right() => self
                .only_ours(host, &links)
                .map(|()| if half_made { self.forget(journal) } else { State::Holds }),
            _ if half_made && postgres::tables(host, service)? == 0 => Ok(self.make_again(journal)),
            None => Err(self.refusal(host, &format!("has no database {database}"), &database)?),
            Some(locale) => {
                let is = format!("{}, {}, {}", locale.encoding, locale.collate, locale.ctype);
                let why = format!("has the database {database} with {is} instead of UTF8, C, C");
                Err(self.refusal(host, &why, &database)?)
            }
        }
    }
}

fn start(service: ServiceName) -> State {
    let says = format!("dokku postgres:start {service}");
    State::Missing(vec![Change::new(says, move |host| postgres::start(host, &service))])
}

impl Service {
    fn create(&self, journal: camino::Utf8PathBuf) -> State {
        let service = self.0.service.clone();
        let says =
            format!("dokku postgres:create {service} --custom-env {:?}", postgres::RIGHT_ENV);
        let create = Change::new(says, move |host| {
            files::write(host, &journal, service.as_str(), files::PUBLIC)?;
            postgres::create(host, &service)?;
            files::remove(host, &journal)
        });
        State::Missing(vec![create])
    }

    /// A service that a killed run left half made, with nothing in it.
    fn make_again(&self, journal: camino::Utf8PathBuf) -> State {
        let service = self.0.service.clone();
        let says = format!("dokku postgres:destroy {service} (half made, and without any table)");
        let destroy = Change::new(says, move |host| postgres::destroy(host, &service));
        let State::Missing(mut changes) = self.create(journal) else { return State::Holds };
        changes.insert(0, destroy);
        State::Missing(changes)
    }

    /// The run that made the service was killed before it could cross it off.
    #[expect(clippy::unused_self, reason = "one of the answers of this step")]
    fn forget(&self, journal: camino::Utf8PathBuf) -> State {
        let says = format!("remove {journal}");
        State::Missing(vec![Change::new(says, move |host| files::remove(host, &journal))])
    }

    /// Whether Synapse uses this very database with this very password; one that was made anew has
    /// another.
    fn told(&self, host: &Host, url: Option<&Secret>) -> Result<bool> {
        let Some(url) = url else { return Ok(false) };
        let file = self.0.places(host.env()).homeserver_d().join(DATABASE_FILE);
        let Some(text) = files::read(&file)? else { return Ok(false) };
        Ok(text == database_yaml(url)?.expose())
    }

    /// An empty database in its place would be an empty server under the old name and key.
    fn gone(&self, host: &Host) -> Error {
        let (service, app) = (&self.0.service, &self.0.app);
        let file = self.0.places(host.env()).homeserver_d().join(DATABASE_FILE);
        Error::new(format!(
            "the postgres service {service} is gone, with all users and rooms of {}",
            self.0.server_name
        ))
        .hint("Nothing was changed. To restore it from a backup:")
        .hint(format!("  dokku postgres:create {service} --custom-env {:?}", postgres::RIGHT_ENV))
        .hint(format!("  dokku postgres:import {service} < <backup>"))
        .hint(format!("  dokku matrix:create {app} --server-name {}", self.0.server_name))
        .hint(format!("To begin with an empty database: sudo rm {file}"))
    }

    /// The database that the app uses, or will use once it is linked.
    fn database(&self, url: Option<&Secret>) -> String {
        let ours = url.filter(|url| service_in(url).is_some_and(|name| name == self.name_in_url()));
        let named = ours.and_then(|url| {
            let path = url.expose().rsplit('/').next()?;
            let name = path.split('?').next()?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        named.unwrap_or_else(|| postgres::database_name(&self.0.service))
    }

    fn name_in_url(&self) -> String {
        self.0.service.as_str().replace(['_', '.'], "-")
    }

    /// The app is not linked to another service already: that would be the one that Synapse uses.
    fn no_other(&self, url: Option<&Secret>) -> Result<()> {
        let (service, app) = (&self.0.service, &self.0.app);
        match url
            .and_then(service_in)
            .filter(|other| !other.eq_ignore_ascii_case(&self.name_in_url()))
        {
            None => Ok(()),
            Some(other) => {
                Err(Error::new(format!("{app} uses the postgres service {other}, not {service}"))
                    .hint(format!(
                        "To go on with {service}: dokku postgres:unlink {other} {app} --no-restart"
                    ))
                    .hint(format!(
                        "To go on with {other}: dokku matrix:create {app} --service {other}"
                    )))
            }
        }
    }

    fn only_ours(&self, host: &Host, links: &[String]) -> Result<()> {
        // Who else uses a service that is ours already (a copy of the app, a backup) is not asked.
        if links.iter().any(|app| app == self.0.app.as_str()) {
            return Ok(());
        }
        let Some(other) = links.iter().find(|app| *app != "-") else { return Ok(()) };
        let (service, app) = (&self.0.service, &self.0.app);
        let error =
            Error::new(format!("the postgres service {service} is used by the app {other}"));
        Err(if marker::read(host.env(), other)? == Some(Marker::Clone) {
            error.hint(format!(
                "{other} is a clone of a homeserver's app: dokku apps:destroy {other}"
            ))
        } else if in_use(host, &self.0)? {
            error.hint(format!(
                "It holds the database of {}; to free it: dokku postgres:unlink {service} {other}",
                self.0.server_name
            ))
        } else {
            error.hint(format!("Name another one: dokku matrix:create {app} --service <name>"))
        })
    }

    fn refusal(&self, host: &Host, why: &str, database: &str) -> Result<Error> {
        let (service, app) = (&self.0.service, &self.0.app);
        let first = (!apps::exists(host, app)?).then(|| format!("  dokku apps:create {app}"));
        let error = Error::new(format!("the postgres service {service} {why}, which Synapse refuses"))
            .hint("Nothing was changed. Either name a service that is not there yet:")
            .hint(format!("  dokku matrix:create {app} --service <name>"))
            .hint(format!("or make a right database in {service}, link it, and point the app to it:"))
            .hint(format!("  dokku postgres:connect {service} <<< \"CREATE DATABASE synapse TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\""));
        let then = [
            format!("  dokku postgres:link {service} {app} --no-restart"),
            format!(
                "  dokku config:set --no-restart {app} DATABASE_URL=<the same with /synapse instead of /{database}>"
            ),
            format!("  dokku matrix:create {app} --service {service}"),
        ];
        Ok(first.into_iter().chain(then).fold(error, Error::hint))
    }
}

/// Whether a service can be asked: in a dry run it may have to be started first.
pub fn runs(host: &Host, service: &ServiceName) -> Result<bool> {
    Ok(postgres::links(host, service).option()?.is_none()
        || postgres::status(host, service)? == "running")
}

/// Whether Synapse was ever told of the recorded service: until then another may take its place.
pub fn in_use(host: &Host, server: &Server) -> Result<bool> {
    let file = server.places(host.env()).homeserver_d().join(DATABASE_FILE);
    Ok(files::stat(&file)?.is_some())
}

/// The service that a `DATABASE_URL` leads to, if it is one of dokku-postgres.
fn service_in(url: &Secret) -> Option<&str> {
    let (_, host) = url.expose().rsplit_once('@')?;
    host.split([':', '/']).next()?.strip_prefix("dokku-postgres-")
}

/// The service is linked to the app, and the app's `DATABASE_URL` is its.
#[derive(Debug)]
pub struct Link(pub Wish);

impl Step for Link {
    fn id(&self) -> StepId {
        ("matrix", "link")
    }

    fn needs(&self) -> Vec<StepId> {
        // Each app has one chain: what sets its environment at the same time loses one of the two.
        vec![("matrix", "service"), ("matrix", "locations")]
    }

    fn title(&self) -> String {
        format!("Linking postgres service {} to {}", self.0.service, self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (service, app) = (self.0.service.clone(), self.0.app.clone());
        // A service that is not there yet (a dry run) is linked to nothing.
        let linked = postgres::linked(host, &service, &app)?;
        let url = config::get(host, &app, "DATABASE_URL").option()?;
        match (linked, url.is_some()) {
            (true, true) => Ok(State::Holds),
            // A destruction that was interrupted took the link away, and Dokku makes no second one.
            (false, true) => Err(Error::new(format!(
                "{app} has a DATABASE_URL, but {service} is not linked to it"
            ))
            .hint(format!("dokku config:unset --no-restart {app} DATABASE_URL"))
            .hint(format!("dokku matrix:create {app}"))),
            // Also where a link was interrupted before it had set the variable.
            (_, false) => {
                let says = format!("dokku postgres:link {service} {app} --no-restart");
                Ok(State::Missing(vec![Change::new(says, move |host| {
                    postgres::link(host, &service, &app)
                })]))
            }
        }
    }
}
