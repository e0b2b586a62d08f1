//! The database: a service whose database Synapse accepts, linked to the app.

use super::Wish;
use crate::{
    dokku::{config, postgres},
    error::{Error, Result},
    host::{Host, files},
    plan::{Change, State, Step, StepId},
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
        let half_made = files::read(&journal)?.is_some_and(|text| text.trim() == service.as_str());
        if !postgres::exists(host, service)? {
            return Ok(self.create(journal));
        }
        if postgres::status(host, service)? != "running" {
            if half_made {
                return Ok(self.make_again(journal));
            }
            let service = service.clone();
            let says = format!("dokku postgres:start {service}");
            return Ok(State::Missing(vec![Change::new(says, move |host| {
                postgres::start(host, &service)
            })]));
        }
        let database = self.database(host)?;
        match postgres::locale(host, service, &database)? {
            Some(locale) if locale.is_right() => self
                .only_ours(host)
                .map(|()| if half_made { self.forget(journal) } else { State::Holds }),
            _ if half_made && postgres::tables(host, service)? == 0 => Ok(self.make_again(journal)),
            None => Err(self.none(&database)),
            Some(locale) => {
                let is = format!("{}, {}, {}", locale.encoding, locale.collate, locale.ctype);
                let why = format!("has the database {database} with {is} instead of UTF8, C, C");
                Err(self.refusal(&why, &database))
            }
        }
    }
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

    /// The database that the app uses, or will use once it is linked.
    fn database(&self, host: &Host) -> Result<String> {
        let url = config::get(host, &self.0.app, "DATABASE_URL")?;
        let host_part =
            format!("@dokku-postgres-{}:", self.0.service.as_str().replace(['_', '.'], "-"));
        let ours = url.filter(|url| url.expose().contains(&host_part));
        let named = ours.and_then(|url| {
            let path = url.expose().rsplit('/').next()?;
            let name = path.split('?').next()?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        Ok(named.unwrap_or_else(|| postgres::database_name(&self.0.service)))
    }

    fn only_ours(&self, host: &Host) -> Result<()> {
        let links = postgres::links(host, &self.0.service)?;
        let other = links.iter().find(|app| *app != self.0.app.as_str() && *app != "-");
        match other {
            None => Ok(()),
            Some(app) => Err(Error::new(format!(
                "the postgres service {} is used by the app {app}",
                self.0.service
            ))
            .hint(format!(
                "Name another one: dokku matrix:create {} --service <name>",
                self.0.app
            ))),
        }
    }

    fn none(&self, database: &str) -> Error {
        let (service, app) = (&self.0.service, &self.0.app);
        Error::new(format!("the postgres service {service} has no database {database}"))
            .hint(
                "LC_ALL=C leaves it so. Nothing was changed; name a service that is not there yet:",
            )
            .hint(format!("  dokku matrix:create {app} --service <name>"))
            .hint(format!("or, where nothing is in it: dokku postgres:destroy {service}"))
    }

    fn refusal(&self, why: &str, database: &str) -> Error {
        let (service, app) = (&self.0.service, &self.0.app);
        Error::new(format!("the postgres service {service} {why}, which Synapse refuses"))
            .hint("Nothing was changed. Either name a service that is not there yet:")
            .hint(format!("  dokku matrix:create {app} --service <name>"))
            .hint(format!("or make a right database in {service}, link it, and point the app to it:"))
            .hint(format!("  dokku postgres:connect {service} <<< \"CREATE DATABASE synapse TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\""))
            .hint(format!("  dokku postgres:link {service} {app} --no-restart"))
            .hint(format!("  dokku config:set --no-restart {app} DATABASE_URL=<the same with /synapse instead of /{database}>"))
    }
}

/// The service is linked to the app, and the app's `DATABASE_URL` is its.
#[derive(Debug)]
pub struct Link(pub Wish);

impl Step for Link {
    fn id(&self) -> StepId {
        ("matrix", "link")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "service"), ("matrix", "app")]
    }

    fn title(&self) -> String {
        format!("Linking postgres service {} to {}", self.0.service, self.0.app)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let (service, app) = (self.0.service.clone(), self.0.app.clone());
        // A service that is not there yet (a dry run) is linked to nothing.
        let linked = postgres::exists(host, &service)? && postgres::linked(host, &service, &app)?;
        let says = format!("dokku postgres:link {service} {app} --no-restart");
        let link = move |host: &Host| postgres::link(host, &service, &app);
        if !linked {
            return Ok(State::Missing(vec![Change::new(says, link)]));
        }
        if config::get(host, &self.0.app, "DATABASE_URL")?.is_some() {
            return Ok(State::Holds);
        }
        let (service, app) = (&self.0.service, &self.0.app);
        Err(Error::new(format!("{service} is linked to {app}, but {app} has no DATABASE_URL"))
            .hint(format!("dokku postgres:unlink {service} {app} --no-restart"))
            .hint(format!("dokku matrix:create {app}")))
    }
}
