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
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use stand_in::{App, Scene, Scratch};
use std::fs;
use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

static CERTIFICATE: LazyLock<Scratch> =
    LazyLock::new(|| certificate(&["localhost", "site.test", "*.site.test", "other.test"]));

/// What an app serves whose certificate is for other names than the one that was asked.
static OTHER: LazyLock<Scratch> = LazyLock::new(|| certificate(&["certificate.test"]));

static TRUSTED: LazyLock<Scratch> = LazyLock::new(|| {
    let directory = Scratch::below(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let read = |from: &Scratch| fs::read_to_string(from.path().join("server.crt")).unwrap();
    fs::write(directory.path().join("trusted.crt"), read(&CERTIFICATE) + &read(&OTHER)).unwrap();
    directory
});

/// The file with the certificates that the plugin trusts in all tests.
pub(crate) fn trusted() -> PathBuf {
    TRUSTED.path().join("trusted.crt")
}

fn certified(directory: &Scratch) -> Arc<CertifiedKey> {
    let file = |name: &str| directory.path().join(name);
    let chain = vec![CertificateDer::from_pem_file(file("server.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let provider = ring::default_provider();
    Arc::new(CertifiedKey::from_der(chain, key, &provider).unwrap())
}

static KEYS: LazyLock<[Arc<CertifiedKey>; 2]> =
    LazyLock::new(|| [certified(&CERTIFICATE), certified(&OTHER)]);

/// Each app serves its own certificate.
#[derive(Debug)]
struct CertificateOfApp(Arc<Scene>);

impl ResolvesServerCert for CertificateOfApp {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let state = self.0.state().ok()?;
        let mut apps = state.apps.values().filter(|app| app.domains.iter().any(|one| one == name));
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let is_for = |names: &[String]| {
            names.iter().any(|one| one == name || Some(one) == wildcard.as_ref())
        };
        let wrong = apps.find_map(|app| app.cert.as_ref()).is_some_and(|c| !is_for(&c.hostnames));
        Some(Arc::clone(&KEYS[usize::from(wrong)]))
    }
}

fn tls(scene: &Arc<Scene>) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(CertificateOfApp(Arc::clone(scene))));
    Arc::new(config)
}

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

/// A response.
pub(crate) struct Response {
    status: u16,
    body: String,
    /// Lines of the head, each with its end.
    headers: String,
}

impl From<(u16, Value)> for Response {
    fn from((status, body): (u16, Value)) -> Self {
        Self { status, body: body.to_string(), headers: String::new() }
    }
}

/// A status and a body, or `None` to close the connection without a response.
pub(crate) type Answer = Option<(u16, Value)>;

/// A server on a free port. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start<R: Into<Response>>(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request) -> Option<R> + Send + Sync + 'static,
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
                if let Some(tls) = &tls {
                    let connection = ServerConnection::new(Arc::clone(tls)).unwrap();
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

fn serve<R: Into<Response>>(
    stream: impl Read + Write,
    to: IpAddr,
    answer: &impl Fn(&Request) -> Option<R>,
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
    let Response { status, body, headers } = answer(&request)?.into();
    let mut stream = reader.into_inner();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} So\r\nContent-Type: application/json\r\nConnection: close\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    stream.flush().ok()
}

/// What the plugin sees as the host's nginx: ports 80, 443 and 8448.
pub(crate) struct Nginx([(&'static str, Server); 3]);

impl Nginx {
    pub(crate) fn new(scene: &Arc<Scene>) -> Self {
        let tls = tls(scene);
        let on = |port: &'static str, tls: Option<&Arc<ServerConfig>>| {
            let scene = Arc::clone(scene);
            Server::start(tls.cloned(), move |request| answer(&scene, port, request))
        };
        Self([
            ("DOKKU_MATRIX_HTTP_PORT", on("80", None)),
            ("DOKKU_MATRIX_HTTPS_PORT", on("443", Some(&tls))),
            ("DOKKU_MATRIX_8448_PORT", on("8448", Some(&tls))),
        ])
    }

    /// The environment variables that tell the plugin the ports.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> {
        self.0.iter().map(|(name, server)| (*name, server.port))
    }
}

/// Only the app with this domain answers: on its mapped ports and its bound address, with TLS only
/// if it has a certificate, and only once it is deployed.
fn answer(scene: &Scene, port: &str, request: &Request) -> Option<Response> {
    let state = scene.state().ok()?;
    let has = |app: &App| app.domains.contains(&request.host);
    let Some((name, app)) = state.apps.iter().find(|(_, app)| has(app)) else {
        return included(&elsewhere(scene, &request.host), request);
    };
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
        return Some((301, json!({})).into());
    }
    let others = files_of_others(scene, name);
    let has = |directive: &str| others.iter().any(|text| text.contains(directive));
    // nginx looks at a `return` of the whole server first, then for a location of this very path,
    // then at a password and addresses, and at a location for every path.
    if let Some(status) = [401, 403, 503].iter().find(|s| has(&format!("\nreturn {s};"))) {
        return Some((*status, json!({})).into());
    }
    if let Some(answer) = included(&scene.root().join(name).join("nginx.conf.d"), request) {
        return Some(answer);
    }
    for (directive, status) in
        [("\nauth_basic \"", 401), ("\ndeny all;", 403), ("\nerror_page 533 =503 ", 503)]
    {
        if has(directive) {
            return Some((status, json!({})).into());
        }
    }
    let container = state.running(name).next()?;
    if let Some(file) = mounted_file(&container.mounts, &request.path) {
        let text = fs::read_to_string(file).ok()?;
        return Some((200, serde_json::from_str(&text).ok()?).into());
    }
    let silent = || Some((502, json!({})));
    homeserver::public(&state, container, &request.path).or_else(silent).map(Response::from)
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

/// The directory with what a web server elsewhere answers for a name, in nginx's words.
pub(crate) fn elsewhere(scene: &Scene, name: &str) -> PathBuf {
    scene.path().join("elsewhere").join(name)
}

/// The response of what is in the directory `nginx.conf.d` of a web server: an `if ($host = name)` of the server, which
/// nginx looks at before all locations, or a `location =`. Both return something at once.
fn included(directory: &Path, request: &Request) -> Option<Response> {
    let files = fs::read_dir(directory).ok()?;
    let texts: Vec<_> =
        files.flatten().map(|entry| fs::read_to_string(entry.path()).unwrap_or_default()).collect();
    let (host, path) = (&request.host, &request.path);
    for start in [format!("if ($host = {host}) {{"), format!("location = {path} {{")] {
        let found = texts.iter().find_map(|text| text.split_once(&start));
        let Some((_, rest)) = found else { continue };
        let block = rest.split("\n}").next()?;
        let code = block.split_once("return ")?.1;
        let end = if code.contains(" '") { "';" } else { ";" };
        let code = code.split_once(end)?.0;
        let (status, what) = code.split_once(' ').unwrap_or((code, ""));
        let added = block.lines().filter_map(|line| line.trim().strip_prefix("add_header "));
        let header = |line: &str| {
            let (name, value) = line.split_once(' ')?;
            let value = value.trim_end_matches(';').trim_end_matches(" always").trim_matches('"');
            Some(format!("{name}: {value}\r\n"))
        };
        let mut headers: String = added.filter_map(header).collect();
        if status.starts_with('3') {
            headers += &format!("Location: {}\r\n", what.replace("$request_uri", path));
        }
        let body = what.trim_start_matches('\'').to_owned();
        return Some(Response { status: status.parse().ok()?, body, headers });
    }
    None
}
