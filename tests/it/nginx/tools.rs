//! The real programs: sigil renders, nginx validates, openssl creates certificates.

use dokku_matrix::nginx::forms::{Form, http2_directive};
use dokku_matrix::nginx::scratch::scratch_conf;
use stand_in::Scratch;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// From `dev/install-sigil`, else from PATH.
fn sigil() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let own = target.join("tools/bin/sigil");
    if own.is_file() { own } else { installed("sigil") }
}

/// `DOKKU_MATRIX_NGINX` names another nginx than the installed one.
pub(crate) fn nginx_program() -> PathBuf {
    std::env::var_os("DOKKU_MATRIX_NGINX").map_or_else(|| installed("nginx"), PathBuf::from)
}

fn installed(program: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin";
    which::which_in(program, Some(path), ".").unwrap_or_else(|_| {
        panic!("`{program}` is not there, and the tests need it: run dev/setup")
    })
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn success(output: &Output) -> Result<(), String> {
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

/// Whether the nginx of this machine knows `http2 on`.
pub(crate) fn knows_http2_directive() -> bool {
    let version = output(Command::new(nginx_program()).arg("-v"));
    http2_directive(&String::from_utf8(version.stderr).unwrap())
}

/// Renders the app's `nginx.conf` as Dokku does: `sigil ... | cat -s`.
pub(crate) fn render(template: &str, form: &Form) -> Result<String, String> {
    let directory = Scratch::new().unwrap();
    let file = directory.path().join("nginx.conf.sigil");
    fs::write(&file, template).unwrap();
    let rendered = output(Command::new(sigil()).arg("-f").arg(&file).args(form.arguments()));
    success(&rendered)?;
    let mut text = String::from_utf8(rendered.stdout).unwrap();
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    Ok(text)
}

/// Validates a configuration with `nginx -t`.
pub(crate) fn validate(rendered: &str) -> Result<(), String> {
    let directory = Scratch::new().unwrap();
    let conf = directory.path().join("scratch.conf");
    let rendered = on_ports(rendered, |port| 20_000 + port);
    fs::write(&conf, scratch_conf(&rendered, directory.path().to_str().unwrap(), &account()))
        .unwrap();
    let result = output(Command::new(nginx_program()).arg("-t").arg("-c").arg(&conf));
    // `scratch_conf` guarantees that the current user can remove whatever nginx creates there.
    directory.close().unwrap();
    success(&result)
}

pub(crate) fn account() -> String {
    users::get_current_username().unwrap().into_string().unwrap()
}

/// The same configuration on ports that do not need root and are not in use.
pub(crate) fn on_ports(rendered: &str, other: impl Fn(u16) -> u16) -> String {
    let on_other_port = |line: &str| {
        let Some((indent, rest)) = line.split_once("listen ") else { return format!("{line}\n") };
        let end = rest.find([' ', ';']).unwrap();
        let (address, options) = rest.split_at(end);
        let start = address.rfind(':').map_or(0, |colon| colon + 1);
        let (host, port) = address.split_at(start);
        format!("{indent}listen {host}{}{options}\n", other(port.parse().unwrap()))
    };
    rendered.lines().map(on_other_port).collect()
}

/// Creates a directory with `server.crt` and `server.key` for these names.
pub(crate) fn certificate(names: &[&str]) -> Scratch {
    // A certificate in a static variable is never removed, so none is created in the system's
    // temporary directory.
    let directory = Scratch::below(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let names = names.iter().map(|name| format!("DNS:{name}")).collect::<Vec<_>>().join(",");
    let result = output(
        Command::new(installed("openssl"))
            .current_dir(directory.path())
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/CN=dokku-matrix test", "-days", "2"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext"])
            .arg(format!("subjectAltName={names}"))
            .args(["-keyout", "server.key", "-out", "server.crt"]),
    );
    success(&result).unwrap();
    directory
}
