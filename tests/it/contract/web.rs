//! A stand-in for the host's nginx: it listens on free ports, plain and with TLS, and answers from
//! the current state of the stand-in host.

use super::homeserver;
use crate::nginx::{
    http::{joined, read_head},
    tools::certificate,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use stand_in::{App, Scene, Scratch};
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

static CERTIFICATE: LazyLock<Scratch> =
    LazyLock::new(|| certificate(&["localhost", "site.test", "*.site.test", "other.test"]));

/// The file with the certificate that all hosts serve and that the plugin trusts in all tests.
pub(crate) fn trusted() -> PathBuf {
    CERTIFICATE.path().join("server.crt")
}

static TLS: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let chain = vec![CertificateDer::from_pem_file(trusted()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(CERTIFICATE.path().join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
});

/// The parts of a request that the response depends on.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) body: Value,
    /// The local address.
    to: IpAddr,
}

/// A status and a body, or `None` to close the connection without a response.
pub(crate) type Answer = Option<(u16, Value)>;

/// A server on a free port. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(
        tls: bool,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(Duration::from_secs(20))).ok();
                let Ok(to) = stream.local_addr() else { continue };
                if tls {
                    let connection = ServerConnection::new(Arc::clone(&TLS)).unwrap();
                    serve(StreamOwned::new(connection, stream), to.ip(), &answer);
                } else {
                    serve(stream, to.ip(), &answer);
                }
            }
        });
        Self { port, over }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok();
    }
}

fn serve(
    stream: impl Read + Write,
    to: IpAddr,
    answer: &impl Fn(&Request) -> Answer,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (line, headers) = read_head(&mut reader)?;
    let length = joined(&headers, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut parts = line.split(' ').map(str::to_owned);
    let request = Request {
        method: parts.next()?,
        path: parts.next()?,
        host: joined(&headers, "host")?.split(':').next()?.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        to,
    };
    let (status, answer) = answer(&request)?;
    let location = answer["location"].as_str().filter(|_| status == 301);
    let location = location.map(|url| format!("\r\nLocation: {url}")).unwrap_or_default();
    let answer = answer.to_string();
    let mut stream = reader.into_inner();
    let head =
        format!("HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nConnection: close");
    write!(stream, "{head}{location}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).ok()?;
    stream.flush().ok()
}

/// What the plugin sees as the host's nginx: ports 80, 443 and 8448.
pub(crate) struct Nginx([(&'static str, Server); 3]);

impl Nginx {
    pub(crate) fn new(scene: &Arc<Scene>) -> Self {
        let on = |port: &'static str, tls: bool| {
            let scene = Arc::clone(scene);
            Server::start(tls, move |request| answer(&scene, port, request))
        };
        Self([
            ("DOKKU_MATRIX_HTTP_PORT", on("80", false)),
            ("DOKKU_MATRIX_HTTPS_PORT", on("443", true)),
            ("DOKKU_MATRIX_8448_PORT", on("8448", true)),
        ])
    }

    /// The environment variables that tell the plugin the ports.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> {
        self.0.iter().map(|(name, server)| (*name, server.port))
    }
}

/// Only the app with this domain answers: on its mapped ports and its bound address, with TLS only
/// if it has a certificate, and only once it is deployed.
fn answer(scene: &Scene, port: &str, request: &Request) -> Answer {
    let state = scene.state().ok()?;
    let has = |app: &App| app.domains.contains(&request.host);
    let (name, app) = state.apps.iter().find(|(_, app)| has(app))?;
    // An app without a port map has ports 80 and 443.
    let mapped = (app.ports.is_empty() && port != "8448")
        || app.ports.iter().any(|map| map.split(':').nth(1) == Some(port));
    let bound = app.nginx.get("bind-address-ipv4").and_then(|address| address.parse().ok());
    if bound.is_some_and(|bound: IpAddr| !bound.is_unspecified() && bound != request.to) {
        return None;
    }
    if !mapped || !app.deployed || (port != "80" && app.cert.is_none()) {
        return None;
    }
    if port == "80" && app.cert.is_some() {
        return Some((301, json!({})));
    }
    let others = files_of_others(scene, name);
    let has = |directive: &str| others.iter().any(|text| text.contains(directive));
    // nginx looks at a `return` of the whole server first, then for a location of this very path,
    // then at a password and addresses, and at a location for every path.
    if let Some(status) = [401, 403, 503].iter().find(|s| has(&format!("\nreturn {s};"))) {
        return Some((*status, json!({})));
    }
    if let Some(answer) = location(scene, name, &request.path) {
        return Some(answer);
    }
    for (directive, status) in
        [("\nauth_basic \"", 401), ("\ndeny all;", 403), ("\nerror_page 533 =503 ", 503)]
    {
        if has(directive) {
            return Some((status, json!({})));
        }
    }
    let container = state.running(name).next()?;
    if let Some(file) = mounted_file(&container.mounts, &request.path) {
        return Some((200, serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?));
    }
    let silent = || Some((502, json!({})));
    homeserver::public(&state, container, &request.path).or_else(silent)
}

/// What others have put into the app's `nginx.conf.d`, each text after an empty line.
fn files_of_others(scene: &Scene, app: &str) -> Vec<String> {
    let files = fs::read_dir(scene.root().join(app).join("nginx.conf.d")).into_iter().flatten();
    let paths = files.flatten().map(|entry| entry.path());
    let is_read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.extension().is_some_and(|end| end == "conf") && !name.starts_with("matrix")
    };
    let text = |path| format!("\n{}", fs::read_to_string(path).unwrap_or_default());
    paths.filter(is_read).map(text).collect()
}

/// The file of the host that a static page has mounted, by its name: `/config.json`.
fn mounted_file<'a>(mounts: &'a [String], path: &str) -> Option<&'a str> {
    mounts.iter().find_map(|mount| {
        let (file, container) = mount.split_once(':')?;
        let inside = container.split(':').next()?;
        (path.len() > 1 && inside.ends_with(path)).then_some(file)
    })
}

/// The response of a location in the app's `nginx.conf.d`.
fn location(scene: &Scene, app: &str, path: &str) -> Answer {
    for entry in fs::read_dir(scene.root().join(app).join("nginx.conf.d")).ok()?.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let Some((_, rest)) = text.split_once(&format!("location = {path} {{")) else { continue };
        let code = rest.split_once("return ")?.1;
        if let Some(url) = code.strip_prefix("301 ") {
            return Some((301, json!({ "location": url.split(';').next()? })));
        }
        let (_, rest) = code.split_once("200 '")?;
        return Some((200, serde_json::from_str(rest.split("';").next()?).ok()?));
    }
    None
}
