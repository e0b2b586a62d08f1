//! Validates the configuration with Synapse itself, in a container of the image that is to run.
//!
//! Owns how Synapse's output becomes an error. Must not touch what is running.

use super::{
    config::{DIRECTORY, LOCAL_FILE},
    inputs,
};
use crate::{
    dokku::docker::{self, OneOff},
    error::{Error, Result},
    host::{
        Host, cmd::Output, digest::Digest, env::Env, files, owner::Owner, scrub::Scrubber,
        secret::Secret,
    },
    names::{AppName, ImageRef},
    state::Spec,
};
use camino::Utf8Path;
use serde_json::Value;
use std::fmt;

/// The program in the image that validates the configuration.
pub const PROGRAM: &str = "python";
/// Its arguments.
pub const ARGS: [&str; 4] = ["-m", "synapse.config", "-c", DIRECTORY];

/// What Synapse prints of a configuration that it accepts.
const ACCEPTED: &str = "Config parses OK!";

/// Validates the configuration of a server with an image.
///
/// # Errors
/// Synapse rejects it: then with Synapse's own output. Or the validation could not run.
pub fn validate(
    host: &Host,
    spec: &Spec,
    image: &ImageRef,
    owner: Owner,
    isolation: &[&str],
) -> Result<()> {
    let paths = spec.paths(host.env());
    let daemon = |path: &Utf8Path| host.env().for_daemon(path);
    let run = OneOff {
        image,
        user: format!("{}:{}", owner.uid, owner.gid),
        flags: isolation,
        mounts: vec![
            format!("{}:/config:ro", daemon(&paths.config())),
            // Synapse creates the directory of the media store.
            format!("{}:/data", daemon(&paths.data())),
        ],
        program: PROGRAM,
        args: &ARGS,
    };
    let config = paths.config();
    let local = files::read(&paths.homeserver_d().join(LOCAL_FILE))?.unwrap_or_default();
    learn_secrets(host.scrubber(), &config)?;
    let output = docker::run_one_off(host, &run)?;
    let subject = Subject { app: &spec.app, config: &config, local: &local };
    outcome(host.scrubber(), &subject, &output)
}

/// What is validated, for the messages. The content of a file is not printed.
pub struct Subject<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The directory that is mounted at `/config`.
    pub config: &'a Utf8Path,
    /// The content of [`LOCAL_FILE`].
    pub local: &'a str,
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}, {})", self.app, self.config)
    }
}

/// The outcome of a validation, from the exit code and the output of [`PROGRAM`].
///
/// # Errors
/// See [`validate`]. Exit code 0 alone proves nothing: another program may have run.
pub fn outcome(scrubber: &Scrubber, subject: &Subject<'_>, output: &Output) -> Result<()> {
    let on_host = |path: &str| path.replace("/config/", &format!("{}/", subject.config));
    let directory = on_host(DIRECTORY);
    let local = format!("{directory}/{LOCAL_FILE}");
    let fix = format!("Fix it, then: dokku matrix:deploy {}", subject.app);
    if output.code == 0 {
        // Synapse accepts a file that is, for example, a list, and ignores it.
        let ignored = |line: &String| line.contains(LOCAL_FILE) && line.ends_with("IGNORING.");
        if has_settings(subject.local) && output.lines.iter().any(ignored) {
            let error = format!("Synapse ignores {local}: it must consist of `key: value` pairs");
            return Err(Error::new(error).hint(fix));
        }
        if !output.says(ACCEPTED) {
            return Err(Error::new(format!(
                "the configuration could not be validated: Synapse ended with exit code 0 and printed nothing of {ACCEPTED:?}"
            ))
            .hint(format!("To try again: dokku matrix:deploy {}", subject.app)));
        }
        return Ok(());
    }
    let lines = relevant_lines(&output.lines);
    let lines = lines.into_iter().map(|line| scrubber.scrub(&on_host(line)));
    let lines: Vec<String> = lines.collect();
    // Exit codes 125 to 127 are Docker's; those above are signals.
    if output.code >= 125 {
        let (code, app) = (output.code, subject.app);
        let image = matches!(code, 126 | 127).then_some(" (is this a Synapse image?)");
        return Err(Error::new(format!(
            "the configuration could not be validated: exit code {code}{}",
            image.unwrap_or_default()
        ))
        .shown(lines)
        .hint(format!("To continue with the recorded image: dokku matrix:deploy {app}")));
    }
    // Synapse names a file only if that is no YAML or cannot be read. Any other mistake must be in
    // the administrator's file, if that has settings, because the others are generated.
    let prefix = format!("{}/", subject.config);
    let named = lines.iter().find_map(|line| {
        let from = &line[line.find(&prefix)?..];
        Some(from[..from.find(['"', '\''])?].to_owned())
    });
    let place = named.or(has_settings(subject.local).then_some(local)).unwrap_or(directory);
    let error = Error::new(format!("Synapse does not accept its configuration: see {place}"));
    Err(error.shown(lines).hint(fix))
}

/// The lines that say what is wrong: without the notes about files, and only the end of a Python
/// traceback.
fn relevant_lines(lines: &[String]) -> Vec<&str> {
    let traceback = lines.iter().rposition(|line| line.starts_with("Traceback (most recent call"));
    let lines = lines[traceback.map_or(0, |at| at + 1)..].iter().map(String::as_str);
    lines
        .skip_while(|line| traceback.is_some() && line.starts_with(' '))
        .filter(|line| !line.trim().is_empty() && !line.ends_with("IGNORING."))
        .collect()
}

fn has_settings(yaml: &str) -> bool {
    yaml.lines().map(str::trim).any(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The name and content of each file that Synapse reads: it ignores files of other types.
fn sources(config: &Utf8Path) -> Result<Vec<(String, String)>> {
    let directory = config.join(DIRECTORY.trim_start_matches("/config/"));
    let mut sources = vec![];
    for name in files::list(&directory)? {
        if Utf8Path::new(&name).extension() == Some("yaml") {
            let text = files::read(&directory.join(&name))?.unwrap_or_default();
            sources.push((name, text));
        }
    }
    Ok(sources)
}

/// Lets the scrubber know the secrets in the configuration: Synapse prints the whole setting that
/// it rejects.
fn learn_secrets(scrubber: &Scrubber, config: &Utf8Path) -> Result<()> {
    for (_, text) in sources(config)? {
        // Of a file that is no YAML, Synapse prints only where the mistake is.
        if let Ok(content) = serde_yaml::from_str::<Value>(&text) {
            learn(scrubber, &content, false);
        }
    }
    Ok(())
}

fn learn(scrubber: &Scrubber, content: &Value, secret: bool) {
    const NAMES: [&str; 5] = ["secret", "pass", "password", "token", "_key"];
    match content {
        Value::String(text) if secret => scrubber.learn(&Secret::new(text)),
        Value::Array(items) => items.iter().for_each(|item| learn(scrubber, item, secret)),
        Value::Object(fields) => {
            for (name, value) in fields {
                learn(scrubber, value, NAMES.iter().any(|end| name.ends_with(end)));
            }
        }
        _ => {}
    }
}

/// The digest of everything that the outcome depends on, the image's layers included: a
/// configuration with the digest of an accepted one need not be validated again.
pub fn digest(env: &Env, spec: &Spec, layers: &str) -> Result<String> {
    let mut digest = Digest::default();
    digest.text(layers);
    inputs::add_to(&mut digest, env, spec)?;
    Ok(digest.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(code: i32, output: &str, local: &str) -> Vec<String> {
        let scrubber = Scrubber::default();
        learn(&scrubber, &serde_json::json!({"oidc": [{"client_secret": "hidden"}]}), false);
        let lines = output.lines().map(str::to_owned).collect();
        let app = "matrix".parse().unwrap();
        let subject = Subject { app: &app, config: "/c".into(), local };
        let output = Output { code, stdout: String::new(), lines };
        outcome(&scrubber, &subject, &output).map_or_else(|error| error.lines(), |()| vec![])
    }

    #[test]
    fn explains_each_outcome() {
        const FIX: &str = "Fix it, then: dokku matrix:deploy matrix";
        const IGNORED: &str = "File '/config/homeserver.d/90-local.yaml' is empty or doesn't parse into a key-value map. IGNORING.";
        let accepted = format!("{IGNORED}\n{ACCEPTED}");
        let traceback = format!(
            "{IGNORED}\nTraceback (most recent call last):\n  File \"x.py\", line 1, in y\n    z()\n{}\n{}",
            "yaml.scanner.ScannerError: mapping values are not allowed here",
            "  in \"/config/homeserver.d/20-database.yaml\", line 1, column 5"
        );
        for (code, output, local, want) in [
            (0, "Config parses OK!", "a: b", vec![]),
            (0, &accepted, "# a: b\n", vec![]),
            (
                0,
                "",
                "a: b",
                vec![
                    "the configuration could not be validated: Synapse ended with exit code 0 and printed nothing of \"Config parses OK!\"",
                    "To try again: dokku matrix:deploy matrix",
                ],
            ),
            (
                0,
                &accepted,
                "- a\n",
                vec![
                    "Synapse ignores /c/homeserver.d/90-local.yaml: it must consist of `key: value` pairs",
                    FIX,
                ],
            ),
            (
                1,
                "\n\nEmail is bad\n\n",
                "email: 5",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d/90-local.yaml",
                    "  | Email is bad",
                    FIX,
                ],
            ),
            (
                1,
                &format!("{IGNORED}\nNo database config provided"),
                "#\n",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d",
                    "  | No database config provided",
                    FIX,
                ],
            ),
            (
                1,
                &traceback,
                "a: b",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d/20-database.yaml",
                    "  | yaml.scanner.ScannerError: mapping values are not allowed here",
                    "  |   in \"/c/homeserver.d/20-database.yaml\", line 1, column 5",
                    FIX,
                ],
            ),
            (
                1,
                "(\"[{'idp_id': 'a', 'client_secret': 'hidden'}] is not valid\", ['oidc'])",
                "a: b",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d/90-local.yaml",
                    "  | (\"[{'idp_id': 'a', 'client_secret': '***'}] is not valid\", ['oidc'])",
                    FIX,
                ],
            ),
            (
                125,
                "docker: no such image",
                "a: b",
                vec![
                    "the configuration could not be validated: exit code 125",
                    "  | docker: no such image",
                    "To continue with the recorded image: dokku matrix:deploy matrix",
                ],
            ),
            (
                127,
                "docker: \"python\": executable file not found in $PATH",
                "a: b",
                vec![
                    "the configuration could not be validated: exit code 127 (is this a Synapse image?)",
                    "  | docker: \"python\": executable file not found in $PATH",
                    "To continue with the recorded image: dokku matrix:deploy matrix",
                ],
            ),
        ] {
            assert_eq!(lines_of(code, output, local), want, "{output}");
        }
    }

    #[test]
    fn hides_the_local_file() {
        let app = "matrix".parse().unwrap();
        let subject = Subject { app: &app, config: "/c".into(), local: "token: hidden" };
        assert_eq!(format!("{subject:?}"), "Subject(matrix, /c)");
    }

    #[test]
    fn learns_secrets_by_their_names() {
        let scrubber = Scrubber::default();
        let yaml = "turn_shared_secret: s3cret1\ntrusted_key_servers: [{server_name: matrix.org}]\n\
            email: {smtp_pass: s3cret2}\nrecaptcha_private_key: s3cret3\nmax_upload_size: 50Megabytes\n";
        learn(&scrubber, &serde_yaml::from_str(yaml).unwrap(), false);
        let line = "s3cret1 s3cret2 s3cret3 matrix.org 50Megabytes";
        assert_eq!(scrubber.scrub(line), "*** *** *** matrix.org 50Megabytes");
    }
}
