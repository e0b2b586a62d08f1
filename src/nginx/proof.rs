//! Proves a template before Dokku may use it: one that nginx rejects breaks every app of the host.

use super::{forms, scratch};
use crate::{
    error::{Error, Result},
    host::{
        Host,
        cmd::{Cmd, Output},
        files,
        random::hex,
        run::find,
    },
    server::{Places, Server},
};
use camino::Utf8Path;
use sha2::{Digest, Sha256};

/// How the record of a template that was refused begins; its digest and why follow.
const REFUSED: &str = "refused ";

/// What nginx says of its version.
fn nginx_version(host: &Host) -> Result<String> {
    let nginx = find("nginx").ok_or_else(|| Error::new("there is no nginx on this host"))?;
    let ran = host.must(&Cmd::reads(&nginx).arg("-v"))?;
    Ok(ran.lines.join("\n"))
}

/// The template that is on disk and the nginx that would read it, as one digest.
fn digest(host: &Host, places: &Places) -> Result<Option<String>> {
    let Some(text) = files::read(&places.template())? else { return Ok(None) };
    let mut hash = Sha256::new();
    hash.update(nginx_version(host)?);
    hash.update([0]);
    hash.update(text);
    Ok(Some(hex(&hash.finalize())))
}

/// Whether the template on disk was proved with this very nginx.
pub fn holds(host: &Host, places: &Places) -> Result<bool> {
    let Some(record) = files::read(&places.proof())? else { return Ok(false) };
    Ok(digest(host, places)?.is_some_and(|digest| digest == record.trim()))
}

/// What this host's sigil and nginx still say against a template that they refused before; `None`
/// if it is not this template, or they take it by now. Changes nothing.
pub fn refused(host: &Host, server: &Server) -> Result<Option<String>> {
    let places = server.places(host.env());
    let Some(record) = files::read(&places.proof())? else { return Ok(None) };
    let Some(refused) = record.lines().next().and_then(|line| line.strip_prefix(REFUSED)) else {
        return Ok(None);
    };
    if digest(host, &places)?.is_none_or(|digest| digest != refused) {
        return Ok(None);
    }
    // The host may have been mended since: what it says is asked anew.
    judge(host, server, &places.template())
}

/// Renders every form with the host's sigil and has the host's nginx judge each, and records it.
/// What it refuses is the answer; then Dokku's built-in template serves. That is recorded as well:
/// what Dokku has built by then is older than the record, and must be built anew.
pub fn prove(host: &Host, server: &Server) -> Result<Option<String>> {
    let places = server.places(host.env());
    let Some(digest) = digest(host, &places)? else {
        return Err(Error::new(format!("{} is missing", places.template())));
    };
    let why = judge(host, server, &places.template())?;
    let record = match &why {
        Some(why) => format!("{REFUSED}{digest}\n{why}\n"),
        None => format!("{digest}\n"),
    };
    files::write(host, &places.proof(), &record, files::PUBLIC)?;
    Ok(why)
}

fn judge(host: &Host, server: &Server, template: &Utf8Path) -> Result<Option<String>> {
    let (_guard, folder) = files::scratch()?;
    certificate(host, &folder)?;
    let version = nginx_version(host)?;
    let lib_root = host.env().lib_root();
    let site = forms::Site {
        app: server.app.as_str(),
        domain: server.domain.as_str(),
        dokku_root: folder.as_str(),
        lib_root: lib_root.as_str(),
        tls_dir: folder.as_str(),
        http2_directive: forms::http2_directive(&version),
    };
    for form in forms::forms(&site) {
        let sigil = Cmd::reads("sigil").args(["-f", template.as_str()]).args(form.arguments());
        let rendered = host.run(&sigil)?;
        if rendered.code != 0 {
            return Ok(Some(refusal("sigil", form.name, &rendered)));
        }
        let conf = folder.join("nginx.conf");
        let user = host.env().dokku_user();
        let text = scratch::scratch_conf(&rendered.stdout, folder.as_str(), user);
        files::write_scratch(&conf, &text)?;
        let ran = host.run(&Cmd::reads("sudo").args(["-n", "nginx", "-t", "-c", conf.as_str()]))?;
        if ran.code != 0 {
            return Ok(Some(refusal("nginx", form.name, &ran)));
        }
    }
    Ok(None)
}

fn refusal(program: &str, form: &str, ran: &Output) -> String {
    let line = ran.lines.iter().find(|line| line.contains("[emerg]")).or(ran.lines.last());
    let line = line.map_or("it says nothing", |line| line.trim());
    format!("{program} on the form {form:?}: {line}")
}

/// A pair for the proof alone, gone after it: nginx reads certificate and key.
fn certificate(host: &Host, folder: &Utf8Path) -> Result<()> {
    let (key, cert) = (folder.join("server.key"), folder.join("server.crt"));
    let cmd = Cmd::reads("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "1", "-subj", "/CN=proof"])
        .args(["-keyout", key.as_str(), "-out", cert.as_str()]);
    host.must(&cmd)
        .map(drop)
        .map_err(|error| error.context("cannot make a certificate for the proof of the template"))
}
