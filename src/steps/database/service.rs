//! The service exists, runs, is no other app's, and its database is UTF8, C, C.

use crate::{
    component::Homeserver,
    database::{self, Database},
    dokku::{apps, config, postgres},
    error::{Create, Error, Result},
    host::{Host, files, secret::Secret},
    names::ServiceName,
    plan::{Change, State, Step, StepId},
    state::{Marker, Paths, Spec, Status, marker},
    synapse::{config::DATABASE_FILE, database::database_yaml},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The postgres service of a homeserver.
#[derive(Debug)]
pub struct Service {
    spec: Arc<Spec>,
    paths: Paths,
    /// Whether this run has created it.
    created: Arc<AtomicBool>,
}

impl Step for Service {
    fn id(&self) -> StepId {
        ("server", "service")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("server", "spec")]
    }

    fn title(&self) -> String {
        format!("Creating postgres service {}", self.spec.service)
    }

    fn check(&self, host: &Host) -> Result<State> {
        let service = &self.spec.service;
        let url = config::get(host, &self.spec.app, "DATABASE_URL").option()?;
        self.refuse_another_service(url.as_ref())?;
        let status = Status::read(host.env(), &self.spec.server_name)?;
        let interrupted = status.creating_service.as_ref() == Some(service);
        // A database that Synapse was told to use was checked before: PostgreSQL answers slowly.
        if !interrupted
            && self.is_configured(url.as_ref())?
            && postgres::container_runs(host, service)?
        {
            return Ok(State::Satisfied);
        }
        let Some(links) = postgres::links(host, service).option()? else {
            if !interrupted && is_in_use(host, &self.spec)? {
                return Err(self.gone());
            }
            return Ok(State::Missing(vec![self.create()]));
        };
        let server = database::of(&self.spec);
        let name = self.database_name(url.as_ref());
        let locale = match server.locale(host, &name).option() {
            Ok(locale) => locale,
            Err(error) if postgres::is_running(host, service)? => return Err(error),
            Err(_) if interrupted && postgres::holds_nothing(host, service)? => {
                return Ok(self.create_again());
            }
            Err(_) => return Ok(start(service.clone())),
        };
        match locale {
            Some(locale) if locale.is_right() => {
                self.refuse_other_apps(host, &links)?;
                // Only the service's own database can be asked; one that was made just now is empty.
                let is_new = interrupted || self.created.load(Ordering::Relaxed);
                if !is_new && name == postgres::database_name(service) {
                    self.refuse_other_tables(&server.tables_of_others(host)?)?;
                }
                Ok(if interrupted { self.forget() } else { State::Satisfied })
            }
            _ if interrupted && server.tables(host)? == 0 => Ok(self.create_again()),
            None => Err(self.missing_database(&name)),
            Some(locale) => {
                let is = format!("{}, {}, {}", locale.encoding, locale.collate, locale.ctype);
                let why = format!("has the database {name} with {is} instead of UTF8, C, C");
                Err(self.refusal(host, &why, &name)?)
            }
        }
    }
}

fn start(service: ServiceName) -> State {
    let description = format!("dokku postgres:start {service}");
    State::missing(description, move |host| postgres::start(host, &service))
}

impl Service {
    /// That of this homeserver.
    pub fn of(homeserver: &Homeserver) -> Self {
        let (spec, paths) = (homeserver.spec.clone(), homeserver.paths.clone());
        Self { spec, paths, created: Arc::default() }
    }

    fn create(&self) -> Change {
        let (name, service) = (self.spec.server_name.clone(), self.spec.service.clone());
        let created = self.created.clone();
        let description =
            format!("dokku postgres:create {service} --custom-env {:?}", postgres::RIGHT_ENV);
        Change::new(description, move |host| {
            let journal = Some(service.clone());
            Status::update(host, &name, |status| status.creating_service = journal)?;
            postgres::create(host, &service)?;
            created.store(true, Ordering::Relaxed);
            Status::update(host, &name, |status| status.creating_service = None)
        })
    }

    /// An interrupted run left the service unfinished, with nothing in it.
    fn create_again(&self) -> State {
        let service = self.spec.service.clone();
        let description = format!("dokku postgres:destroy {service} (unfinished, without a table)");
        let destroy = Change::new(description, move |host| postgres::destroy(host, &service));
        State::Missing(vec![destroy, self.create()])
    }

    /// The run that created the service was interrupted before it could say so.
    fn forget(&self) -> State {
        let name = self.spec.server_name.clone();
        State::missing(format!("write {}", self.paths.status()), move |host| {
            Status::update(host, &name, |status| status.creating_service = None)
        })
    }

    /// Whether Synapse is configured for this very database with this very password: one that was
    /// created again has another.
    fn is_configured(&self, url: Option<&Secret>) -> Result<bool> {
        let Some(url) = url else { return Ok(false) };
        let file = self.paths.homeserver_d().join(DATABASE_FILE);
        let Some(text) = files::read(&file)? else { return Ok(false) };
        Ok(text == database_yaml(url)?.expose())
    }

    /// An empty database in its place would be an empty server under the old name and key.
    fn gone(&self) -> Error {
        let (service, app, name) = (&self.spec.service, &self.spec.app, &self.spec.server_name);
        let file = self.paths.homeserver_d().join(DATABASE_FILE);
        Error::new(format!(
            "the postgres service {service} is gone, with all users and rooms of {name}"
        ))
        .hint("Nothing was changed. To restore it from a backup:")
        .hint(format!("  dokku postgres:create {service} --custom-env {:?}", postgres::RIGHT_ENV))
        .hint(format!("  dokku postgres:import {service} < <backup>"))
        .hint_create("  ", Create::app(app).with("--server-name", name))
        .hint(format!("To begin with an empty database: sudo rm {file}"))
    }

    /// The database that the app uses, or will use once it is linked.
    fn database_name(&self, url: Option<&Secret>) -> String {
        let ours = url.filter(|url| service_in(url).is_some_and(|name| name == self.name_in_url()));
        let named = ours.and_then(|url| {
            let path = url.expose().rsplit('/').next()?;
            let name = path.split('?').next()?;
            (!name.is_empty()).then(|| name.to_owned())
        });
        named.unwrap_or_else(|| postgres::database_name(&self.spec.service))
    }

    fn name_in_url(&self) -> String {
        self.spec.service.as_str().replace(['_', '.'], "-")
    }

    /// Another service that is linked to the app is the one that Synapse uses.
    fn refuse_another_service(&self, url: Option<&Secret>) -> Result<()> {
        let (service, app) = (&self.spec.service, &self.spec.app);
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
                    .hint_create(
                        &format!("To go on with {other}: "),
                        Create::app(app).with("--service", other),
                    ))
            }
        }
    }

    fn refuse_other_apps(&self, host: &Host, links: &[String]) -> Result<()> {
        // A service that is linked to our app already may have other users: a clone, a backup.
        if links.iter().any(|app| app == self.spec.app.as_str()) {
            return Ok(());
        }
        let Some(other) = links.iter().find(|app| *app != "-") else { return Ok(()) };
        let (service, app) = (&self.spec.service, &self.spec.app);
        let error =
            Error::new(format!("the postgres service {service} is used by the app {other}"));
        Err(if marker::read(host.env(), other)? == Some(Marker::Clone) {
            error.hint(format!(
                "{other} is a clone of a homeserver's app: dokku apps:destroy {other}"
            ))
        } else if is_in_use(host, &self.spec)? {
            error.hint(format!(
                "It holds the database of {}; to free it: dokku postgres:unlink {service} {other}",
                self.spec.server_name
            ))
        } else {
            error.hint_create("Name another one: ", Create::app(app).with("--service", "<name>"))
        })
    }

    /// Synapse would put its tables among them, and one of the two would read the other's.
    fn refuse_other_tables(&self, tables: &[String]) -> Result<()> {
        const SHOWN: usize = 5;
        if tables.is_empty() {
            return Ok(());
        }
        let (service, app) = (&self.spec.service, &self.spec.app);
        let mut names = tables[..tables.len().min(SHOWN)].join(", ");
        if let Some(more) = tables.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            names += &format!(", and {more} more");
        }
        Err(Error::new(format!(
            "the postgres service {service} holds tables that are not Synapse's: {names}"
        ))
        .hint("Nothing was changed. Name a service that does not exist yet:")
        .hint_create("  ", Create::app(app).with("--service", "<name>")))
    }

    /// Of a service without its own database only that one can be asked, so that is to be made.
    fn missing_database(&self, database: &str) -> Error {
        let (service, app) = (&self.spec.service, &self.spec.app);
        Error::new(format!(
            "the postgres service {service} has no database {database}, which Synapse refuses"
        ))
        .hint("Nothing was changed. Either name a service that does not exist yet:")
        .hint_create("  ", Create::app(app).with("--service", "<name>"))
        .hint("or create the database:")
        .hint(format!("  {}", create_database(service, database)))
        .hint_create("  ", Create::app(app).with("--service", service))
    }

    fn refusal(&self, host: &Host, why: &str, database: &str) -> Result<Error> {
        let (service, app) = (&self.spec.service, &self.spec.app);
        let first = (!apps::exists(host, app)?).then(|| format!("  dokku apps:create {app}"));
        let error =
            Error::new(format!("the postgres service {service} {why}, which Synapse refuses"))
                .hint("Nothing was changed. Either name a service that does not exist yet:")
                .hint_create("  ", Create::app(app).with("--service", "<name>"))
                .hint(format!(
                    "or create a right database in {service}, link it, and point the app to it:"
                ))
                .hint(format!("  {}", create_database(service, "synapse")));
        let then = [
            format!("  dokku postgres:link {service} {app} --no-restart"),
            format!(
                "  dokku config:set --no-restart {app} DATABASE_URL=<the same with /synapse instead of /{database}>"
            ),
        ];
        let error = first.into_iter().chain(then).fold(error, Error::hint);
        Ok(error.hint_create("  ", Create::app(app).with("--service", service)))
    }
}

/// The command that creates a right database. `postgres:connect` cannot: it connects to the
/// service's own database, which may be the one that is missing.
fn create_database(service: &ServiceName, database: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c == '_';
    let is_plain =
        database.starts_with(plain) && database.chars().all(|c| plain(c) || c.is_ascii_digit());
    let name = if is_plain { database.to_owned() } else { format!("\\\"{database}\\\"") };
    format!(
        "dokku postgres:enter {service} psql -U postgres -c \"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'\""
    )
}

/// Whether Synapse was ever configured for the recorded service: until then another may take its
/// place.
pub fn is_in_use(host: &Host, spec: &Spec) -> Result<bool> {
    let file = spec.paths(host.env()).homeserver_d().join(DATABASE_FILE);
    Ok(files::stat(&file)?.is_some())
}

/// The service that a `DATABASE_URL` leads to, if it is one of dokku-postgres.
fn service_in(url: &Secret) -> Option<&str> {
    let (_, host) = url.expose().rsplit_once('@')?;
    host.split([':', '/']).next()?.strip_prefix("dokku-postgres-")
}
