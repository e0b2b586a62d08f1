//! Port 8448: who answers there for unknown names, and the way through the firewall.

use super::Wish;
use crate::{
    dokku::nginx as words,
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Output},
        env::Env,
        files, lock,
        run::find,
    },
    marker,
    names::ServerName,
    nginx::{self, proof},
    plan::{Change, State, Step, StepId},
    server::{self, Server, Tls},
};
use camino::Utf8Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The homeserver that is nginx's default one on port 8448; two would break nginx for every app.
pub fn default_8448(env: &Env) -> Result<Option<ServerName>> {
    let text = files::read(&server::default_8448(env))?;
    Ok(text.and_then(|text| text.trim().parse().ok()))
}

fn wants_8448(server: &Server) -> bool {
    server.port_8448 && server.tls != Tls::Off
}

/// Whether that server still is one that can be the default: its app and its intent are there.
fn alive(host: &Host, name: &ServerName) -> Result<bool> {
    let Some(server) = Server::read(host.env(), name)? else { return Ok(false) };
    let marked = marker::server_of(host.env(), &server.app)?;
    let folder = host.env().dokku_root().join(server.app.as_str());
    Ok(wants_8448(&server) && marked.as_ref() == Some(name) && files::stat(&folder)?.is_some())
}

/// Whether a homeserver other than this one wants 8448; `None` where one that cannot be read may.
fn wanted_by_others(host: &Host, but: Option<&ServerName>) -> Result<Option<bool>> {
    let mut wanted = Some(false);
    for (name, server) in Server::each(host.env())? {
        if but == Some(&name) {
            continue;
        }
        if server.is_err() {
            wanted = None;
        } else if alive(host, &name)? {
            return Ok(Some(true));
        }
    }
    Ok(wanted)
}

/// The default server, if it still is one that can be: also one whose app is only being made, and
/// one whose intent cannot be read.
fn standing_default(host: &Host) -> Result<Option<ServerName>> {
    let Some(name) = default_8448(host.env())? else { return Ok(None) };
    let server = match Server::read(host.env(), &name) {
        Ok(None) => return Ok(None),
        Ok(Some(server)) => server,
        Err(_) => return Ok(Some(name)),
    };
    let folder = host.env().dokku_root().join(server.app.as_str());
    let coming = wants_8448(&server) && files::stat(&folder)?.is_none();
    Ok((coming || alive(host, &name)?).then_some(name))
}

/// One homeserver of the host is the default one on 8448.
#[derive(Debug)]
pub struct Default8448(pub Wish);

impl Step for Default8448 {
    fn id(&self) -> StepId {
        ("host", "default-8448")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("matrix", "intent")]
    }

    fn title(&self) -> String {
        let word = if wants_8448(&self.0) { "Choosing" } else { "Giving up being" };
        format!("{word} the default homeserver on port 8448")
    }

    fn check(&self, host: &Host) -> Result<State> {
        let name = self.0.server_name.clone();
        let ours = default_8448(host.env())?.as_ref() == Some(&name);
        if !wants_8448(&self.0) {
            if !ours {
                return Ok(State::Holds);
            }
            let says = "leave it to another homeserver";
            return Ok(State::Missing(vec![Change::new(says, move |host| release(host, &name))]));
        }
        if ours || standing_default(host)?.is_some() {
            return Ok(State::Holds);
        }
        Ok(State::Missing(vec![Change::new(format!("choose {name}"), move |host| {
            let _lock = lock::shared(&server::host_lock(host.env()))?;
            // Another run may have been quicker.
            if standing_default(host)?.is_some() {
                return Ok(());
            }
            take_back(host, &name)?;
            let path = server::default_8448(host.env());
            files::write(host, &path, &format!("{name}\n"), files::PUBLIC)
        })]))
    }
}

/// Whether nginx has this app as its default on 8448.
fn is_default(host: &Host, app: &str) -> Result<bool> {
    let text = files::read(&host.env().dokku_root().join(app).join("nginx.conf"))?;
    let default = |line: &str| line.contains("8448") && line.contains("default_server");
    Ok(text.unwrap_or_default().lines().any(default))
}

/// Has nginx forget every default on 8448 but this server's: a run that was killed may have left
/// one behind, and two at a time stop nginx for every app.
fn take_back(host: &Host, keeper: &ServerName) -> Result<()> {
    for (name, server) in Server::each(host.env())? {
        if name == *keeper {
            continue;
        }
        let app = match &server {
            Ok(server) => Some(server.app.to_string()),
            Err(_) => marker::app_of(host.env(), &name)?,
        };
        if !app.map_or(Ok(false), |app| is_default(host, &app))? {
            continue;
        }
        let server = server?;
        let template = server.places(host.env()).template();
        files::write(host, &template, &nginx::template(false), files::PUBLIC)?;
        proof::prove(host, &server)?;
        words::build(host, server.app.as_str())?;
    }
    Ok(())
}

/// Takes the default on 8448 from a server that has it.
pub fn release(host: &Host, name: &ServerName) -> Result<()> {
    let _lock = lock::shared(&server::host_lock(host.env()))?;
    if default_8448(host.env())?.as_ref() == Some(name) {
        files::remove(host, &server::default_8448(host.env()))?;
    }
    Ok(())
}

/// Whether a run that was killed chose this server and came no further: its template, the proof of
/// that, and what Dokku builds follow one another. What was never built is its own run's to bring.
fn half_made(host: &Host, server: &Server) -> Result<bool> {
    let changed = |path: &Utf8Path| Ok::<_, Error>(files::stat(path)?.map(|stat| stat.changed));
    let places = server.places(host.env());
    let conf = host.env().dokku_root().join(server.app.as_str()).join("nginx.conf");
    let (Some(built), Some(text)) = (changed(&conf)?, files::read(&places.template())?) else {
        return Ok(false);
    };
    let (template, proof) = (changed(&places.template())?, changed(&places.proof())?);
    Ok(!nginx::is_default(&text) || proof < template || Some(built) < proof)
}

/// The server that is to be the default on 8448: where none is, one that wants it; else the one
/// that was chosen and of which nginx has not heard.
fn heir(host: &Host) -> Result<Option<Server>> {
    if let Some(name) = standing_default(host)? {
        let Ok(Some(chosen)) = Server::read(host.env(), &name) else { return Ok(None) };
        return Ok(half_made(host, &chosen)?.then_some(chosen));
    }
    for (name, next) in Server::each(host.env())? {
        if let Ok(next) = next
            && alive(host, &name)?
        {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// The new default on 8448.
#[derive(Debug)]
pub struct Chosen {
    /// Its name.
    pub name: ServerName,
    /// What is to be told where this host refuses its template: then it is the default by name.
    pub refused: Option<String>,
}

/// Gives the default on 8448 to a server that wants it, where none has it; names that server.
/// The one that had it must be out of nginx by then.
pub fn succeed(host: &Host) -> Result<Option<Chosen>> {
    let _lock = lock::shared(&server::host_lock(host.env()))?;
    let Some(next) = heir(host)? else { return Ok(None) };
    let name = next.server_name.clone();
    take_back(host, &name)?;
    let path = server::default_8448(host.env());
    files::write(host, &path, &format!("{name}\n"), files::PUBLIC)?;
    let places = next.places(host.env());
    files::write(host, &places.template(), &nginx::template(true), files::PUBLIC)?;
    let why = proof::prove(host, &next)?;
    // Where it was refused, Dokku's own template takes the place of what was built before.
    words::build(host, next.app.as_str())?;
    let refused = why.map(|why| {
        format!("No homeserver is the default one on port 8448: this host refuses the nginx template of {name}: {why}")
    });
    Ok(Some(Chosen { name, refused }))
}

/// Some homeserver that wants 8448 is the default one there.
#[derive(Debug)]
pub struct Successor {
    wish: Wish,
    refused: Arc<Mutex<Option<String>>>,
}

impl Successor {
    /// Of this homeserver.
    pub fn new(wish: Wish) -> Self {
        Self { wish, refused: Arc::default() }
    }
}

impl Step for Successor {
    fn id(&self) -> StepId {
        ("host", "successor")
    }

    fn needs(&self) -> Vec<StepId> {
        // When ours has left nginx's configuration.
        vec![("matrix", "built"), ("matrix", "certificate"), ("element", "certificate")]
    }

    fn title(&self) -> String {
        "Passing the default on port 8448 on".to_owned()
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(what) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(State::Attention(what.clone()));
        }
        // Ours is brought there by steps of its own.
        let ours = |next: &Server| next.server_name == self.wish.server_name;
        let Some(next) = heir(host)?.filter(|next| !ours(next)) else { return Ok(State::Holds) };
        let says = format!("choose {}", next.server_name);
        let refused = self.refused.clone();
        Ok(State::Missing(vec![Change::new(says, move |host| {
            let chosen = succeed(host)?;
            *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                chosen.and_then(|chosen| chosen.refused);
            Ok(())
        })]))
    }
}

/// The firewall lets 8448 through exactly where a homeserver of this host wants it.
#[derive(Debug)]
pub struct Firewall {
    wish: Wish,
    refused: Arc<Mutex<Option<String>>>,
}

impl Firewall {
    /// For this homeserver.
    pub fn new(wish: Wish) -> Self {
        Self { wish, refused: Arc::default() }
    }
}

enum Ufw {
    Absent,
    Forbidden,
    Inactive,
    Active { open: bool },
}

fn ufw(args: &[&str], changes: bool) -> Cmd {
    let cmd = if changes { Cmd::changes("sudo") } else { Cmd::reads("sudo") };
    cmd.args(["-n", "ufw"]).args(args)
}

fn look(host: &Host) -> Result<Ufw> {
    if find("ufw").is_none() {
        return Ok(Ufw::Absent);
    }
    let ran: Output = host.run(&ufw(&["status"], false))?;
    if ran.code != 0 {
        return Ok(Ufw::Forbidden);
    }
    if !ran.says("Status: active") {
        return Ok(Ufw::Inactive);
    }
    let open = |line: &str| {
        let mut words = line.split_whitespace();
        let port = matches!(words.next(), Some("8448/tcp" | "8448"));
        port && words.any(|word| word == "ALLOW")
    };
    Ok(Ufw::Active { open: ran.stdout.lines().any(open) })
}

/// What the user should know of the way to 8448, where no ufw of this host guards it.
pub fn advice(host: &Host) -> Result<Option<&'static str>> {
    Ok(match look(host)? {
        Ufw::Absent | Ufw::Inactive => {
            Some("ufw is not active here; let 8448/tcp through where it is filtered elsewhere")
        }
        Ufw::Forbidden | Ufw::Active { .. } => None,
    })
}

/// Closes 8448 where no homeserver of the host wants it any more; silent where that cannot be.
pub fn close_if_unused(host: &Host) -> Result<bool> {
    if wanted_by_others(host, None)? != Some(false) {
        return Ok(false);
    }
    if let Ufw::Active { open: true } = look(host)? {
        host.must(&ufw(&["delete", "allow", "8448/tcp"], true))?;
        return Ok(true);
    }
    Ok(false)
}

impl Step for Firewall {
    fn id(&self) -> StepId {
        ("host", "firewall")
    }

    fn needs(&self) -> Vec<StepId> {
        vec![("host", "successor"), ("matrix", "certificate"), ("element", "certificate")]
    }

    fn title(&self) -> String {
        let word = if wants_8448(&self.wish) { "Opening" } else { "Closing" };
        format!("{word} port 8448 in the firewall")
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(what) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(State::Attention(what.clone()));
        }
        let wanted = if wants_8448(&self.wish) {
            Some(true)
        } else {
            wanted_by_others(host, Some(&self.wish.server_name))?
        };
        let (says, args): (_, &[&str]) = match (wanted, look(host)?) {
            (Some(true), Ufw::Active { open: false }) => {
                ("ufw allow 8448/tcp", &["allow", "8448/tcp"])
            }
            (Some(false), Ufw::Active { open: true }) => {
                ("ufw delete allow 8448/tcp", &["delete", "allow", "8448/tcp"])
            }
            (Some(true), Ufw::Forbidden) => {
                return Ok(State::Attention(
                    "ufw is on this host, and does not answer dokku. If it is active:\nsudo ufw allow 8448/tcp".to_owned(),
                ));
            }
            _ => return Ok(State::Holds),
        };
        let refused = self.refused.clone();
        Ok(State::Missing(vec![Change::new(says, move |host| {
            let _lock = lock::shared(&server::host_lock(host.env()))?;
            let cmd = ufw(args, true);
            let ran = host.run(&cmd)?;
            if ran.code != 0 {
                *refused.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("The firewall could not be set.\nsudo {says}"));
            }
            Ok(())
        })]))
    }
}
