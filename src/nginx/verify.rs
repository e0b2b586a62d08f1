//! Verifies the template before Dokku may use it: one that nginx rejects stops nginx for every app
//! of the host.

use super::{forms, scratch, template, test};
use crate::{
    error::{Error, Result},
    host::{
        Host, clock,
        cmd::{Cmd, Output},
        files,
        random::hex,
        run::find,
    },
    state::{Spec, Status, Verification},
};
use camino::Utf8Path;
use sha2::{Digest, Sha256};

/// What nginx says of its version.
fn nginx_version(host: &Host) -> Result<String> {
    let nginx = find("nginx").ok_or_else(|| Error::new("there is no nginx on this host"))?;
    let cmd = Cmd::reads(&nginx).arg("-v");
    let ran = host.must(&cmd)?;
    if !ran.says("nginx version: ") {
        return Err(Error::new(format!(
            "`{cmd}` ended with exit code 0 and printed nothing of a version"
        )));
    }
    Ok(ran.lines.join("\n"))
}

/// What sigil says of its version: that takes a few milliseconds, as with nginx.
fn sigil_version(host: &Host) -> Result<String> {
    let cmd = Cmd::reads("sigil").arg("-v");
    let ran = host.must(&cmd)?;
    if ran.answer().is_empty() {
        return Err(Error::new(format!("`{cmd}` ended with exit code 0 and printed nothing")));
    }
    Ok(ran.lines.join("\n"))
}

/// The template that is on disk, and the sigil and the nginx that would read it, as one digest.
fn digest(host: &Host, spec: &Spec) -> Result<Option<String>> {
    let Some(text) = files::read(&spec.paths(host.env()).template())? else { return Ok(None) };
    let mut hash = Sha256::new();
    for version in [nginx_version(host)?, sigil_version(host)?] {
        hash.update(version);
        hash.update([0]);
    }
    hash.update(text);
    Ok(Some(hex(&hash.finalize())))
}

/// What is recorded of the template on disk with this very sigil and nginx; `None` if nothing is.
fn recorded(host: &Host, spec: &Spec) -> Result<Option<Verification>> {
    let Some(record) = Status::read(host.env(), &spec.server_name)?.template else {
        return Ok(None);
    };
    let is_current = digest(host, spec)?.is_some_and(|digest| digest == record.digest);
    Ok(is_current.then_some(record))
}

/// Whether the template on disk was verified with this very sigil and nginx, whatever came of it.
pub fn is_recorded(host: &Host, spec: &Spec) -> Result<bool> {
    Ok(recorded(host, spec)?.is_some())
}

/// Whether the template on disk was accepted by this very sigil and nginx.
pub fn is_verified(host: &Host, spec: &Spec) -> Result<bool> {
    Ok(recorded(host, spec)?.is_some_and(|record| record.refused.is_none()))
}

/// What this host's sigil and nginx still say against a template that they refused before; `None` if
/// they did not refuse this one, or accept it by now. Changes nothing.
pub fn still_refused(host: &Host, spec: &Spec) -> Result<Option<String>> {
    if recorded(host, spec)?.is_none_or(|record| record.refused.is_none()) {
        return Ok(None);
    }
    // The host may have been fixed since.
    test_all_forms(host, spec)
}

/// Renders every form with the host's sigil, has the host's nginx test each, and records the result.
/// A refusal is the answer, not an error: Dokku's built-in template then serves. It is recorded as
/// well: what Dokku has built from the template before is built again.
pub fn verify(host: &Host, spec: &Spec) -> Result<Option<String>> {
    let Some(digest) = digest(host, spec)? else {
        let path = spec.paths(host.env()).template();
        return Err(Error::new(format!("{path} is missing"))
            .hint(format!("dokku matrix:deploy {}", spec.app)));
    };
    let refused = test_all_forms(host, spec)?;
    let record = Verification { digest, at: clock::now(), refused: refused.clone() };
    Status::update(host, &spec.server_name, |status| status.template = Some(record))?;
    Ok(refused)
}

fn test_all_forms(host: &Host, spec: &Spec) -> Result<Option<String>> {
    let template = spec.paths(host.env()).template();
    let (_guard, directory) = files::scratch()?;
    certificate(host, &directory)?;
    let version = nginx_version(host)?;
    let lib_root = host.env().lib_root();
    let site = forms::Site {
        app: spec.app.as_str(),
        domain: spec.domain.as_str(),
        dokku_root: directory.as_str(),
        lib_root: lib_root.as_str(),
        tls_dir: directory.as_str(),
        http2_directive: forms::http2_directive(&version),
    };
    for form in forms::forms(&site) {
        let sigil = Cmd::reads("sigil").args(["-f", template.as_str()]).args(form.arguments());
        let rendered = host.run(&sigil)?;
        if rendered.code != 0 {
            return Ok(Some(refusal("sigil", form.name, &rendered)));
        }
        if !rendered.stdout.trim_end().ends_with(template::END) {
            return Err(Error::new(format!(
                "`sigil` ended with exit code 0 and printed nothing of the end of the form {:?}",
                form.name
            )));
        }
        let conf = directory.join("nginx.conf");
        let user = host.env().dokku_user();
        let text = scratch::scratch_conf(&rendered.stdout, directory.as_str(), user);
        files::write_scratch(&conf, &text)?;
        if let Some(output) = test::refused(host, Some(&conf))? {
            return Ok(Some(refusal("nginx", form.name, &output)));
        }
    }
    Ok(None)
}

fn refusal(program: &str, form: &str, ran: &Output) -> String {
    let line = ran.lines.iter().find(|line| line.contains("[emerg]")).or(ran.lines.last());
    let line = line.map_or("it says nothing", |line| line.trim());
    format!("{program} on the form {form:?}: {line}")
}

/// A certificate and a key for the test alone: nginx reads both.
fn certificate(host: &Host, directory: &Utf8Path) -> Result<()> {
    let (key, cert) = (directory.join("server.key"), directory.join("server.crt"));
    let cmd = Cmd::reads("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "1", "-subj", "/CN=verification"])
        .args(["-keyout", key.as_str(), "-out", cert.as_str()]);
    host.must(&cmd).map(drop).map_err(|error| {
        error.context("cannot make a certificate for the verification of the template")
    })
}
