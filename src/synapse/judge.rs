//! Has Synapse itself judge its configuration, in a container of the very image that is to run.

use super::config::{DIRECTORY, LOCAL_FILE, LOG_FILE};
use crate::{
    dokku::docker::{self, OneOff},
    error::{Error, Result},
    host::{Host, cmd::Output, files, owner::Owner, random::hex, scrub::Scrubber, secret::Secret},
    names::{AppName, ImageRef},
    server::{Places, Server},
};
use camino::Utf8Path;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The program in the image that judges.
pub const PROGRAM: &str = "python";
/// Its arguments.
pub const ARGS: [&str; 4] = ["-m", "synapse.config", "-c", DIRECTORY];

/// Has an image judge the configuration of a server; nothing that runs is touched.
///
/// # Errors
/// Synapse does not accept it, with its own words; or it could not be asked.
pub fn judge(host: &Host, server: &Server, image: &ImageRef, owner: Owner) -> Result<()> {
    let places = server.places(host.env());
    let daemon = |path: &Utf8Path| host.env().for_daemon(path);
    let run = OneOff {
        image,
        user: format!("{}:{}", owner.uid, owner.gid),
        mounts: vec![
            format!("{}:/config:ro", daemon(&places.config())),
            // It makes the folder of the media.
            format!("{}:/data", daemon(&places.data())),
        ],
        program: PROGRAM,
        args: &ARGS,
    };
    let config = places.config();
    let local = files::read(&places.homeserver_d().join(LOCAL_FILE))?.unwrap_or_default();
    learn_secrets(host.scrubber(), &config)?;
    let ran = docker::run_one_off(host, &run)?;
    let judged = Judged { app: &server.app, config: &config, local: &local };
    verdict(host.scrubber(), &judged, &ran)
}

/// What was judged, as its administrator knows it.
#[derive(Debug)]
pub struct Judged<'a> {
    /// The app.
    pub app: &'a AppName,
    /// The folder that the container sees as `/config`.
    pub config: &'a Utf8Path,
    /// The content of the administrator's file.
    pub local: &'a str,
}

/// What the judgement was, from the exit code and the output of [`PROGRAM`].
///
/// # Errors
/// See [`judge`].
pub fn verdict(scrubber: &Scrubber, judged: &Judged<'_>, ran: &Output) -> Result<()> {
    let outside = |path: &str| path.replace("/config/", &format!("{}/", judged.config));
    let directory = outside(DIRECTORY);
    let local = format!("{directory}/{LOCAL_FILE}");
    let again = format!("Mend it, then: dokku matrix:deploy {}", judged.app);
    if ran.code == 0 {
        // A file that is, say, a list is passed over.
        let ignored = |line: &String| line.contains(LOCAL_FILE) && line.ends_with("IGNORING.");
        if has_settings(judged.local) && ran.lines.iter().any(ignored) {
            let error = format!("Synapse ignores {local}: it does not consist of `key: value`");
            return Err(Error::new(error).hint(again));
        }
        return Ok(());
    }
    let lines = telling(&ran.lines).into_iter().map(|line| scrubber.scrub(&outside(line)));
    let lines: Vec<String> = lines.collect();
    // 125 to 127 are Docker's own, and what a signal ended is above that.
    if ran.code >= 125 {
        let (code, app) = (ran.code, judged.app);
        let image = matches!(code, 126 | 127).then_some(" (is that an image of Synapse?)");
        return Err(Error::new(format!(
            "Synapse could not be asked about its configuration: exit code {code}{}",
            image.unwrap_or_default()
        ))
        .shown(lines)
        .hint(format!("To go on, with the image that is recorded: dokku matrix:deploy {app}")));
    }
    // It names a file only where that is no YAML or cannot be read. A bad setting stands in the
    // administrator's, if there is a setting in that: the others are generated.
    let inside = format!("{}/", judged.config);
    let named = lines.iter().find_map(|line| {
        let from = &line[line.find(&inside)?..];
        Some(from[..from.find(['"', '\''])?].to_owned())
    });
    let place = named.or(has_settings(judged.local).then_some(local)).unwrap_or(directory);
    let error = Error::new(format!("Synapse does not accept its configuration: see {place}"));
    Err(error.shown(lines).hint(again))
}

/// The lines that say what is wrong: no notes on files, and of a traceback of Python the end.
fn telling(lines: &[String]) -> Vec<&str> {
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

/// The files that Synapse reads, and the names of others it passes over.
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

/// Synapse shows the whole setting that it does not accept, with what is secret in it.
fn learn_secrets(scrubber: &Scrubber, config: &Utf8Path) -> Result<()> {
    for (_, text) in sources(config)? {
        // Of what is no YAML it shows the place alone.
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

/// The digest of all that a judgement depends on: what was judged need not be judged again.
pub fn digest(places: &Places, image: &str) -> Result<String> {
    digest_of(&places.config(), image)
}

fn digest_of(config: &Utf8Path, image: &str) -> Result<String> {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        // Each with its length, so that no two lists of texts look alike.
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text);
    };
    add(image);
    add(&files::read(&config.join(LOG_FILE))?.unwrap_or_default());
    for (name, text) in sources(config)? {
        add(&name);
        add(&text);
    }
    Ok(hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: i32, output: &str, local: &str) -> Vec<String> {
        let scrubber = Scrubber::default();
        learn(&scrubber, &serde_json::json!({"oidc": [{"client_secret": "hidden"}]}), false);
        let lines = output.lines().map(str::to_owned).collect();
        let app = "matrix".parse().unwrap();
        let judged = Judged { app: &app, config: "/c".into(), local };
        let ran = Output { code, stdout: String::new(), lines };
        verdict(&scrubber, &judged, &ran).map_or_else(|error| error.lines(), |()| vec![])
    }

    #[test]
    fn verdicts() {
        const AGAIN: &str = "Mend it, then: dokku matrix:deploy matrix";
        const IGNORED: &str = "File '/config/homeserver.d/90-local.yaml' is empty or doesn't parse into a key-value map. IGNORING.";
        let traceback = format!(
            "{IGNORED}\nTraceback (most recent call last):\n  File \"x.py\", line 1, in y\n    z()\n{}\n{}",
            "yaml.scanner.ScannerError: mapping values are not allowed here",
            "  in \"/config/homeserver.d/20-database.yaml\", line 1, column 5"
        );
        for (code, output, local, want) in [
            (0, "Config parses OK!", "a: b", vec![]),
            (0, IGNORED, "# a: b\n", vec![]),
            (
                0,
                IGNORED,
                "- a\n",
                vec![
                    "Synapse ignores /c/homeserver.d/90-local.yaml: it does not consist of `key: value`",
                    AGAIN,
                ],
            ),
            (
                1,
                "\n\nEmail is bad\n\n",
                "email: 5",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d/90-local.yaml",
                    "  | Email is bad",
                    AGAIN,
                ],
            ),
            (
                1,
                &format!("{IGNORED}\nNo database config provided"),
                "#\n",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d",
                    "  | No database config provided",
                    AGAIN,
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
                    AGAIN,
                ],
            ),
            (
                1,
                "(\"[{'idp_id': 'a', 'client_secret': 'hidden'}] is not valid\", ['oidc'])",
                "a: b",
                vec![
                    "Synapse does not accept its configuration: see /c/homeserver.d/90-local.yaml",
                    "  | (\"[{'idp_id': 'a', 'client_secret': '***'}] is not valid\", ['oidc'])",
                    AGAIN,
                ],
            ),
            (
                125,
                "docker: no such image",
                "a: b",
                vec![
                    "Synapse could not be asked about its configuration: exit code 125",
                    "  | docker: no such image",
                    "To go on, with the image that is recorded: dokku matrix:deploy matrix",
                ],
            ),
            (
                127,
                "docker: \"python\": executable file not found in $PATH",
                "a: b",
                vec![
                    "Synapse could not be asked about its configuration: exit code 127 (is that an image of Synapse?)",
                    "  | docker: \"python\": executable file not found in $PATH",
                    "To go on, with the image that is recorded: dokku matrix:deploy matrix",
                ],
            ),
        ] {
            assert_eq!(told(code, output, local), want, "{output}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        let scrubber = Scrubber::default();
        let yaml = "turn_shared_secret: s3cret1\ntrusted_key_servers: [{server_name: matrix.org}]\n\
            email: {smtp_pass: s3cret2}\nrecaptcha_private_key: s3cret3\nmax_upload_size: 50Megabytes\n";
        learn(&scrubber, &serde_yaml::from_str(yaml).unwrap(), false);
        let line = "s3cret1 s3cret2 s3cret3 matrix.org 50Megabytes";
        assert_eq!(scrubber.scrub(line), "*** *** *** matrix.org 50Megabytes");
    }

    #[test]
    fn the_digest_follows_what_is_judged() {
        let (_folder, config) = files::scratch().unwrap();
        let directory = config.join("homeserver.d");
        std::fs::create_dir(&directory).unwrap();
        let put = |name: &str, text: &str| {
            #[expect(clippy::disallowed_methods, reason = "a test has no host to write with")]
            std::fs::write(directory.join(name), text).unwrap();
        };
        let (image, other) = ("a", "b");
        let mut seen = std::collections::BTreeSet::new();
        let mut differs = |image| seen.insert(digest_of(&config, image).unwrap());
        assert!(differs(image) && differs(other));
        put("10-a.yaml", "x");
        assert!(differs(image) && !differs(image));
        put("10-a.yaml", "y");
        assert!(differs(image));
        put("20-b.yaml", "");
        assert!(differs(image));
        // Synapse does not read it.
        put("20-b.yaml~", "");
        assert!(!differs(image));
        put("../log.config", "x");
        assert!(differs(image));
    }
}
