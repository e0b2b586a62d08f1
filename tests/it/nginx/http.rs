//! A client that sends requests byte by byte as they are written, and a server that echoes
//! requests.

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// All values of a header, joined, so that duplicates are visible.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        joined(&self.headers, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let values = headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    values.map(ToOwned::to_owned).reduce(|all, value| all + " | " + &value)
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// A TLS connection after its handshake. It trusts only the certificate in `tls_dir`.
pub(crate) fn connect_tls(
    port: u16,
    name: &str,
    tls_dir: &Path,
    protocol: &[u8],
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls_dir.join("server.crt")).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(port));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Sends the request unchanged and reads the response, up to its length or the end of the stream.
pub(crate) fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Response {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let mut response = BufReader::new(stream);
    let (first, headers) = read_head(&mut response).expect("an answer");
    // nginx delays the close of the connection after it has refused a body.
    let length =
        joined(&headers, "content-length").map_or(u64::MAX, |length| length.parse().unwrap());
    let mut body = Vec::new();
    response.take(length).read_to_end(&mut body).unwrap();
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, headers, body: String::from_utf8_lossy(&body).into() }
}

pub(crate) fn read_head(reader: &mut impl BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let first = lines.remove(0);
    let headers = lines.iter().filter_map(|line| line.split_once(": "));
    Some((
        first,
        headers.map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned())).collect(),
    ))
}

/// Starts a stand-in for Synapse and returns its port. It responds with the request line, the
/// relevant headers, the size of the body and the client's port; to `/status/<code>` with that
/// status, and to `/slow` after two seconds.
pub(crate) fn echo_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || echo(&stream.unwrap()));
        }
    });
    port
}

fn echo(mut stream: &TcpStream) -> Option<()> {
    let from = stream.peer_addr().ok()?.port();
    let mut reader = BufReader::new(stream);
    loop {
        let (line, headers) = read_head(&mut reader)?;
        let length = joined(&headers, "content-length").map_or(0, |length| length.parse().unwrap());
        let body = io::copy(&mut reader.by_ref().take(length), &mut io::sink()).ok()?;
        let target = line.split(' ').nth(1)?;
        if target == "/slow" {
            thread::sleep(Duration::from_secs(2));
        }
        let status = target.strip_prefix("/status/").unwrap_or("200");
        let seen =
            ["host", "connection", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];
        let seen = seen.map(|name| (name.to_owned(), json!(joined(&headers, name))));
        let seen = serde_json::Map::from_iter(seen);
        let response =
            json!({ "line": line, "headers": seen, "body": body, "from": from }).to_string();
        let head = format!("HTTP/1.1 {status} Said By Upstream\r\nContent-Type: application/json");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{response}", response.len()).ok()?;
    }
}
