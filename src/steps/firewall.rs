//! Port 8448: who answers there for unknown names, and the way through the firewall.

use super::Wish;
use crate::{
    dokku::nginx as words,
    error::Result,
    host::{
        Host,
        cmd::{Cmd, Ran},
        env::Env,
        files, lock,
        run::find,
        secret::Secret,
    },
    names::ServerName,
    nginx::{self, proof},
    plan::{Change, State, Step, StepId},
    server::{self, Server, Tls},
};
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
    let marked = crate::marker::server_of(host.env(), &server.app)?;
    Ok(wants_8448(&server) && marked.as_ref() == Some(name))
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
        "Choosing the default homeserver on port 8448".to_owned()
    }

    fn check(&self, host: &Host) -> Result<State> {
        let name = self.0.server_name.clone();
        let now = default_8448(host.env())?;
        let ours = now.as_ref() == Some(&name);
        if wants_8448(&self.0) {
            let taken = match &now {
                Some(other) if !ours => alive(host, other)?,
                _ => ours,
            };
            if taken {
                return Ok(State::Holds);
            }
            return Ok(State::Missing(vec![Change::new(format!("choose {name}"), move |host| {
                let _lock = lock::shared(&server::host_lock(host.env()))?;
                if let Some(before) = &now {
                    give_up(host, before)?;
                }
                let path = server::default_8448(host.env());
                files::write(host, &path, &format!("{name}\n"), files::PUBLIC)
            })]));
        }
        if !ours {
            return Ok(State::Holds);
        }
        Ok(State::Missing(vec![Change::new("pass it on to another homeserver", move |host| {
            pass_on(host, &name).map(drop)
        })]))
    }
}

/// Has the nginx configuration of a server that is still there forget that it is the default one:
/// two at a time would stop nginx for every app.
fn give_up(host: &Host, name: &ServerName) -> Result<()> {
    let Some(server) = Server::read(host.env(), name)? else { return Ok(()) };
    let marked = crate::marker::server_of(host.env(), &server.app)?;
    let conf = host.env().dokku_root().join(server.app.as_str()).join("nginx.conf");
    if marked.as_ref() != Some(name) || files::stat(&conf)?.is_none() {
        return Ok(());
    }
    let template = server.places(host.env()).template();
    files::write(host, &template, &nginx::template(false), files::PUBLIC)?;
    proof::prove(host, &server)?;
    words::build(host, server.app.as_str())
}

/// Takes the default on 8448 from a server and gives it to another one that wants it; names the
/// app that has it now.
pub fn pass_on(host: &Host, from: &ServerName) -> Result<Option<Wish>> {
    let _lock = lock::shared(&server::host_lock(host.env()))?;
    if default_8448(host.env())?.as_ref() != Some(from) {
        return Ok(None);
    }
    give_up(host, from)?;
    let path = server::default_8448(host.env());
    for next in Server::all(host.env())? {
        if next.server_name == *from || !alive(host, &next.server_name)? {
            continue;
        }
        let next = Arc::new(next);
        files::write(host, &path, &format!("{}\n", next.server_name), files::PUBLIC)?;
        let places = next.places(host.env());
        let text = Secret::new(nginx::template(true));
        files::write(host, &places.template(), text.expose(), files::PUBLIC)?;
        if proof::prove(host, &next)?.is_none() {
            words::build(host, next.app.as_str())?;
        }
        return Ok(Some(next));
    }
    files::remove(host, &path)?;
    Ok(None)
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
    let ran: Ran = host.run(&ufw(&["status"], false))?;
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
    for server in Server::all(host.env())? {
        if alive(host, &server.server_name)? {
            return Ok(false);
        }
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
        vec![("matrix", "ready"), ("matrix", "certificate"), ("element", "certificate")]
    }

    fn title(&self) -> String {
        let word = if wants_8448(&self.wish) { "Opening" } else { "Closing" };
        format!("{word} port 8448 in the firewall")
    }

    fn check(&self, host: &Host) -> Result<State> {
        if let Some(what) = &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(State::Attention(what.clone()));
        }
        let mut wanted = wants_8448(&self.wish);
        for server in Server::all(host.env())? {
            wanted |=
                server.server_name != self.wish.server_name && alive(host, &server.server_name)?;
        }
        let (says, args): (_, &[&str]) = match (wanted, look(host)?) {
            (true, Ufw::Active { open: false }) => ("ufw allow 8448/tcp", &["allow", "8448/tcp"]),
            (false, Ufw::Active { open: true }) => {
                ("ufw delete allow 8448/tcp", &["delete", "allow", "8448/tcp"])
            }
            (true, Ufw::Forbidden) => {
                return Ok(State::Attention(
                    "ufw is on this host, and dokku may not ask it. If it is active:\nsudo ufw allow 8448/tcp".to_owned(),
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
