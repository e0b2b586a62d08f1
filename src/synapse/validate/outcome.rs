//! What came of a validation, as the user is told.

use super::{notes, owned, said::Said};
use crate::{
    error::{Error, Result},
    host::{cmd::Output, env::Env, files, scrub::Scrubber},
    state::{Settings, Spec},
    synapse::config::{DIRECTORY, LOCAL_FILE},
};
use camino::Utf8PathBuf;
use std::fmt;

/// What is validated, for the messages. The content of a file is not printed.
pub struct Subject<'a> {
    /// The homeserver.
    pub spec: &'a Spec,
    /// The directory that is mounted at `/config`.
    pub config: Utf8PathBuf,
    /// The directory that is mounted at `/data`.
    pub data: Utf8PathBuf,
    /// The content of [`LOCAL_FILE`].
    pub local: String,
}

impl<'a> Subject<'a> {
    /// The files of a homeserver.
    ///
    /// # Errors
    /// The administrator's file cannot be read.
    pub fn of(env: &Env, spec: &'a Spec) -> Result<Self> {
        let paths = spec.paths(env);
        let local = files::read(&paths.homeserver_d().join(LOCAL_FILE))?.unwrap_or_default();
        Ok(Self { spec, config: paths.config(), data: paths.data(), local })
    }

    /// A line with the paths of the host in place of those in the container.
    fn on_host(&self, line: &str) -> String {
        let data = format!("{}/", self.data);
        line.replace("'/data/", &format!("'{data}"))
            .replace("\"/data/", &format!("\"{data}"))
            .replace("/config/", &format!("{}/", self.config))
    }

    /// The directory of the settings.
    fn settings(&self) -> Utf8PathBuf {
        self.config.join(DIRECTORY.trim_start_matches("/config/"))
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({}, {})", self.spec.app, self.config)
    }
}

/// The outcome of a validation, from the exit code and the output of the script.
///
/// # Errors
/// See [`validate`](super::validate). Exit code 0 alone proves nothing: another program may have run.
pub fn outcome(scrubber: &Scrubber, subject: &Subject<'_>, output: &Output) -> Result<Settings> {
    let app = &subject.spec.app;
    let directory = subject.settings();
    let fix = format!("Fix it, then: dokku matrix:deploy {app}");
    let said = Said::parse(&output.stdout);
    // First, because these explain what Synapse itself would only reject.
    let mistakes = said.as_ref().map(|said| owned::mistakes(subject.spec, &subject.config, said));
    let mistakes = mistakes.unwrap_or_default();
    if !mistakes.is_empty() {
        let error = Error::new(format!("{directory} has settings that this homeserver cannot use"));
        let lines = mistakes.iter().flat_map(|mistake| mistake.lines());
        return Err(lines.fold(error, Error::hint).hint(fix));
    }
    if output.code != 0 {
        return Err(rejected(scrubber, subject, output, said.as_ref()));
    }
    // Synapse accepts a file that is, for example, a list, and ignores it.
    let ignored = |line: &String| line.contains(LOCAL_FILE) && line.ends_with("IGNORING.");
    if has_settings(&subject.local) && output.lines.iter().any(ignored) {
        let local = directory.join(LOCAL_FILE);
        let error = format!("Synapse ignores {local}: it must consist of `key: value` pairs");
        return Err(Error::new(error).hint(fix));
    }
    said.as_ref().and_then(settings).ok_or_else(|| {
        Error::new(
            "the configuration could not be validated: Synapse ended with exit code 0 and printed nothing of what it read",
        )
        .hint(format!("To try again: dokku matrix:deploy {app}"))
    })
}

/// What an accepted configuration says; `None` if the answer is not whole.
fn settings(said: &Said) -> Option<Settings> {
    let facts = said.settings.as_ref().filter(|_| said.error.is_none())?;
    Some(Settings {
        max_upload_size: facts.max_upload_size,
        registration: facts.registration,
        email: facts.email,
        federates: owned::federates(said),
        well_known_client: facts.well_known_client.clone(),
        notes: notes::of(said),
    })
}

fn rejected(
    scrubber: &Scrubber,
    subject: &Subject<'_>,
    output: &Output,
    said: Option<&Said>,
) -> Error {
    let (app, directory) = (&subject.spec.app, subject.settings());
    let answer = said.and(output.stdout.trim_end().lines().last());
    let lines = relevant_lines(&output.lines).into_iter().filter(|line| Some(*line) != answer);
    let lines: Vec<String> = lines.map(|line| scrubber.scrub(&subject.on_host(line))).collect();
    // Exit codes 125 to 127 are Docker's; those above are signals.
    if output.code >= 125 {
        let code = output.code;
        let image = matches!(code, 126 | 127).then_some(" (is this a Synapse image?)");
        return Error::new(format!(
            "the configuration could not be validated: exit code {code}{}",
            image.unwrap_or_default()
        ))
        .shown(lines)
        .hint(format!("To continue with the recorded image: dokku matrix:deploy {app}"));
    }
    // Synapse names a file only if that is no YAML or cannot be read. Else it may name the setting. Any
    // other mistake must be in the administrator's file, if that has settings.
    let prefix = format!("{}/", subject.config);
    let named = lines.iter().find_map(|line| {
        let from = &line[line.find(&prefix)?..];
        Some(from[..from.find(['"', '\'', ')'])?].to_owned())
    });
    let setting = said.and_then(|said| {
        let path = said.error.as_deref()?;
        let place = said.place(path.first()?)?;
        Some(format!("{directory}/{}: {}", place.words(), path.join(".")))
    });
    let local = has_settings(&subject.local).then(|| directory.join(LOCAL_FILE).to_string());
    let place = named.or(setting).or(local).unwrap_or_else(|| directory.to_string());
    let mut error = Error::new(format!("Synapse does not accept its configuration: see {place}"));
    if said.is_some() && lines.iter().any(|line| line.contains("No module named")) {
        let image = &subject.spec.image;
        error = error.hint(format!(
            "The image does not have that module. Build one FROM {image} that has it, then: dokku matrix:deploy {app} --image <image>"
        ));
    }
    error.shown(lines).hint(format!("Fix it, then: dokku matrix:deploy {app}"))
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
    let lines = yaml.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.into_iter().any(|line| !["", "---", "..."].contains(&line) && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{host::secret::Secret, synapse::sample};

    const ACCEPTED: &str = r#"{"settings": {"max_upload_size": 1, "registration": true, "email": false, "well_known_client": {}}}"#;

    fn result(code: i32, output: &str, local: &str) -> Result<Settings> {
        let scrubber = Scrubber::default();
        scrubber.learn(&Secret::new("hidden"));
        let lines = output.lines().map(str::to_owned).collect();
        let spec = sample::spec();
        let (config, data, local) = ("/c".into(), "/d".into(), local.to_owned());
        let subject = Subject { spec: &spec, config, data, local };
        let output = Output { code, stdout: output.to_owned(), lines };
        outcome(&scrubber, &subject, &output)
    }

    #[test]
    fn answers_what_the_configuration_says() {
        let settings = result(0, &format!("a line\n{ACCEPTED}\n"), "a: b").unwrap();
        assert_eq!((settings.max_upload_size, settings.registration), (1, true));
        assert!(settings.federates && settings.notes.is_empty());
    }

    #[test]
    fn explains_each_rejection() {
        const FIX: &str = "Fix it, then: dokku matrix:deploy matrix";
        const SILENT: [&str; 2] = [
            "the configuration could not be validated: Synapse ended with exit code 0 and printed nothing of what it read",
            "To try again: dokku matrix:deploy matrix",
        ];
        let rejected =
            |place: &str| format!("Synapse does not accept its configuration: see {place}");
        let ignored = format!(
            "File '/config/homeserver.d/90-local.yaml' is empty or doesn't parse into a key-value map. IGNORING.\n{ACCEPTED}"
        );
        let local = |line: &str| rejected(&format!("/c/homeserver.d/90-local.yaml{line}"));
        let shown = |text: &str| format!("  | {text}");
        let cases: [(i32, &str, &str, Vec<String>); 9] = [
            (0, "", "a: b", SILENT.map(str::to_owned).to_vec()),
            (0, "{\"error\": []}", "a: b", SILENT.map(str::to_owned).to_vec()),
            // Cut off.
            (0, &ACCEPTED[..40], "a: b", SILENT.map(str::to_owned).to_vec()),
            (
                0,
                &ignored,
                "- a\n",
                vec![
                    "Synapse ignores /c/homeserver.d/90-local.yaml: it must consist of `key: value` pairs".to_owned(),
                    FIX.to_owned(),
                ],
            ),
            (
                1,
                "\n\nEmail is bad\n{\"places\": {\"email\": {\"file\": \"90-local.yaml\", \"lines\": [3]}}, \"error\": [\"email\", \"x\"]}",
                "email: 5",
                vec![local(", line 3: email.x"), shown("Email is bad"), FIX.to_owned()],
            ),
            (
                1,
                "No database config provided\n{\"error\": []}",
                "#\n",
                vec![rejected("/c/homeserver.d"), shown("No database config provided"), FIX.to_owned()],
            ),
            (
                1,
                "yaml.scanner.ScannerError: no\n  in \"/config/homeserver.d/20-database.yaml\", line 1, hidden\n{\"error\": []}",
                "a: b",
                vec![
                    rejected("/c/homeserver.d/20-database.yaml"),
                    shown("yaml.scanner.ScannerError: no"),
                    shown("  in \"/c/homeserver.d/20-database.yaml\", line 1, ***"),
                    FIX.to_owned(),
                ],
            ),
            (
                1,
                "Traceback (most recent call last):\n  File \"x.py\", line 1, in y\nModuleNotFoundError: No module named 'yaml'",
                "a: b",
                vec![local(""), shown("ModuleNotFoundError: No module named 'yaml'"), FIX.to_owned()],
            ),
            (
                127,
                "docker: \"python\": executable file not found in $PATH",
                "a: b",
                vec![
                    "the configuration could not be validated: exit code 127 (is this a Synapse image?)".to_owned(),
                    shown("docker: \"python\": executable file not found in $PATH"),
                    "To continue with the recorded image: dokku matrix:deploy matrix".to_owned(),
                ],
            ),
        ];
        for (code, output, local, want) in cases {
            let lines = result(code, output, local).unwrap_err().lines();
            assert_eq!(lines, want, "{output}");
        }
    }

    #[test]
    fn hides_the_local_file() {
        let spec = sample::spec();
        let (config, data, local) = ("/c".into(), "/d".into(), "token: hidden".to_owned());
        let subject = Subject { spec: &spec, config, data, local };
        assert_eq!(format!("{subject:?}"), "Subject(matrix, /c)");
    }
}
