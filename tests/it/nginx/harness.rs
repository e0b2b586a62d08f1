//! A real nginx on free ports, with apps whose configuration is rendered as Dokku would do it.

use super::http::{Response, connect, connect_tls, exchange};
use super::tools::{account, certificate, nginx_program, on_ports, render};
use dokku_matrix::nginx::forms::{Form, Site, forms};
use stand_in::Scratch;
use std::collections::HashMap;
use std::fs;
use std::iter;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One app on the host: its configuration, its upstream and its `nginx.conf.d`.
pub(crate) struct App<'a> {
    pub(crate) name: &'a str,
    pub(crate) template: &'a str,
    pub(crate) form: &'a str,
    pub(crate) changes: &'a [(&'static str, &'a str)],
    pub(crate) upstream: u16,
    pub(crate) files: &'a [(&'a str, &'a str)],
}

impl Default for App<'_> {
    fn default() -> Self {
        let form = "https and 8448";
        Self { name: "matrix", template: "", form, changes: &[], upstream: 9, files: &[] }
    }
}

impl App<'_> {
    fn domain(&self) -> String {
        format!("{}.test", self.name)
    }

    fn form(&self, dokku_root: &str, tls_dir: &str) -> Form {
        let site = Site {
            app: self.name,
            domain: &self.domain(),
            dokku_root,
            lib_root: "/nonexistent",
            tls_dir,
            http2_directive: super::tools::knows_http2_directive(),
        };
        let mut form = forms(&site).into_iter().find(|form| form.name == self.form).unwrap();
        for (_, value) in &mut form.variables {
            *value = value.replace("8008", &self.upstream.to_string());
        }
        form.with(self.changes)
    }
}

/// A running nginx. It stops when it is dropped.
pub(crate) struct NginxServer {
    nginx: Child,
    ports: HashMap<u16, u16>,
    certificates: HashMap<String, Scratch>,
    _directory: Scratch,
}

impl Drop for NginxServer {
    fn drop(&mut self) {
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
    }
}

impl NginxServer {
    pub(crate) fn start(apps: &[App<'_>]) -> Self {
        let directory = Scratch::new().unwrap();
        let root = directory.path().to_str().unwrap();
        let mut certificates = HashMap::new();
        let mut rendered = String::new();
        for app in apps {
            let tls_dir = certificate(&[&app.domain(), "stranger.test"]);
            let form = app.form(root, tls_dir.path().to_str().unwrap());
            rendered += &render(app.template, &form).unwrap();
            let conf_d = directory.path().join(app.name).join("nginx.conf.d");
            fs::create_dir_all(&conf_d).unwrap();
            for (name, text) in app.files {
                fs::write(conf_d.join(name), text).unwrap();
            }
            certificates.insert(app.domain(), tls_dir);
        }
        // Another program may take a free port before nginx does, so this is retried.
        let mut error = String::new();
        for _ in 0..5 {
            let ports = free_ports();
            let conf = main_conf(&on_ports(&rendered, |port| ports[&port]), root);
            match run(&conf, directory.path()) {
                Ok(nginx) => return Self { nginx, ports, certificates, _directory: directory },
                Err(stderr) => error = stderr,
            }
        }
        panic!("nginx does not start: {error}");
    }

    pub(crate) fn port(&self, port: u16) -> u16 {
        self.ports[&port]
    }

    pub(crate) fn tls_dir(&self, name: &str) -> &Path {
        self.certificates[name].path()
    }

    /// Sends these bytes and returns the response. Port 80 is plain; on other ports the server must
    /// have a certificate for `name`.
    pub(crate) fn send(&self, port: u16, name: &str, request: &[u8]) -> Response {
        if port == 80 {
            return exchange(connect(self.port(80)), request);
        }
        let stream = connect_tls(self.port(port), name, self.tls_dir(name), b"http/1.1").unwrap();
        exchange(stream, request)
    }

    pub(crate) fn get(&self, port: u16, name: &str, target: &str) -> Response {
        self.get_with(port, name, target, "")
    }

    /// Sends a GET request with these additional header lines.
    pub(crate) fn get_with(&self, port: u16, name: &str, target: &str, headers: &str) -> Response {
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: {name}\r\n{headers}Connection: close\r\n\r\n");
        self.send(port, name, request.as_bytes())
    }
}

/// Ports below those that the system uses for outgoing connections, never the same ones twice.
fn free_ports() -> HashMap<u16, u16> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let mut free = iter::repeat_with(|| {
        let next =
            std::process::id().wrapping_mul(97).wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        10_000 + u16::try_from(next % 10_000).unwrap()
    })
    .filter(|&port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok());
    [80, 443, 8448].map(|port| (port, free.next().unwrap())).into()
}

fn main_conf(rendered: &str, directory: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary =
        temporary.map(|name| format!("{name}_temp_path {directory}/temporary_{name};\n"));
    format!(
        "user {};\ndaemon off;\nmaster_process off;\npid {directory}/nginx.pid;\nerror_log stderr;\n\
         events {{ }}\nhttp {{\naccess_log off;\n{}\n{rendered}\n}}\n",
        account(),
        temporary.concat()
    )
}

/// nginx writes its pid once it listens. (A connection to one of its ports might reach another
/// nginx.)
fn run(conf: &str, directory: &Path) -> Result<Child, String> {
    let file = directory.join("main.conf");
    fs::write(&file, conf).unwrap();
    let stderr = directory.join("stderr");
    let mut command = Command::new(nginx_program());
    command.arg("-c").arg(&file).stdin(Stdio::null()).stderr(fs::File::create(&stderr).unwrap());
    let mut nginx = command.spawn().expect("nginx is started");
    let start = Instant::now();
    while nginx.try_wait().unwrap().is_none() {
        if fs::metadata(directory.join("nginx.pid")).is_ok_and(|file| file.len() > 0) {
            return Ok(nginx);
        }
        assert!(start.elapsed() < Duration::from_secs(30), "nginx does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    Err(fs::read_to_string(&stderr).unwrap())
}
