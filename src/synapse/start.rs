//! What the image's start script, `/start.py`, makes of a command line and of the environment.
//!
//! Owns which programs of the image are Synapse processes, and which may run beside one. Must not
//! ask the machine anything.

use super::config::DIRECTORY;
use std::collections::BTreeMap;

/// The module that is the main process; the other ones below it are workers.
const MAIN: &str = "synapse.app.homeserver";
/// A module below it that only reads the database, and may run beside the main process.
const EXPORT: &str = "synapse.app.admin_cmd";
/// The module that the start script runs in place of the main process.
const WORKER: &str = "SYNAPSE_WORKER";
/// The start script changes to this user, which only root may.
const USER: &str = "UID";

/// The variables that [`check`] asks for.
pub const VARIABLES: [&str; 3] = [USER, WORKER, "SYNAPSE_CONFIG_PATH"];

/// What a program does to a homeserver whose directories and database it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It may run beside the main process.
    None,
    /// It changes the database, which no process may use meanwhile.
    Database,
    /// It writes a configuration over the one that is there.
    Configuration,
    /// It is a Synapse process: the main one, or a worker.
    Process,
}

/// What a command line does, wherever in it a program is named: `sh -c`, `env`, and `timeout` run
/// what they are given.
pub fn effect(words: &[String]) -> Effect {
    // The arguments of the start script, which is the image's entry point.
    if let Some(effect) = words.first().and_then(|mode| effect_of_mode(mode)) {
        return effect;
    }
    let separators = |letter: char| letter.is_whitespace() || ";&|()'\"`=,".contains(letter);
    let words: Vec<&str> = words.iter().flat_map(|word| word.split(separators)).collect();
    words
        .iter()
        .enumerate()
        .map(|(at, word)| effect_of(word, words.get(at + 1)))
        .max()
        .unwrap_or(Effect::None)
}

/// What the start script does with this as its first argument; `None` if it knows no such mode, and
/// ends with an error.
pub fn effect_of_mode(mode: &str) -> Option<Effect> {
    match mode {
        "run" => Some(Effect::Process),
        "generate" | "migrate_config" => Some(Effect::Configuration),
        _ => None,
    }
}

fn effect_of(word: &str, next: Option<&&str>) -> Effect {
    match basename(word) {
        "start.py" => next.and_then(|mode| effect_of_mode(mode)).unwrap_or(Effect::Process),
        "synapse_homeserver" | "synapse_worker" | "synctl" => Effect::Process,
        "synapse_port_db"
        | "update_synapse_database"
        | "synapse._scripts.synapse_port_db"
        | "synapse._scripts.update_synapse_database" => Effect::Database,
        _ if word.ends_with(EXPORT) => Effect::None,
        // `-msynapse.app.homeserver` is one word.
        _ if word.contains("synapse.app.") || word.contains("synapse/app/") => Effect::Process,
        _ => Effect::None,
    }
}

fn basename(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// How a container of an image would be started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The program and its arguments: the entry point and the command.
    pub argv: Vec<String>,
    /// The environment that the start script sees.
    pub env: BTreeMap<String, String>,
}

/// Checks that a container would run this homeserver's main process.
///
/// # Errors
/// It would not, and why.
pub fn check(start: &Start) -> Result<(), String> {
    let line = start.argv.join(" ");
    let script = start.argv.iter().position(|word| basename(word) == "start.py");
    let (args, default) = match script {
        Some(at) => {
            check_script(start)?;
            match &start.argv[at + 1..] {
                [] => (&[][..], Some(DIRECTORY)),
                [mode, args @ ..] if mode == "run" => (args, Some(DIRECTORY)),
                _ => return Err(format!("it starts `{line}`, which does not run Synapse")),
            }
        }
        None => (&start.argv[..], None),
    };
    let module = args.iter().position(|word| word == "-m").map(|at| args.get(at + 1));
    let is_main = match module {
        Some(module) => module.is_some_and(|module| module == MAIN),
        None => script.is_some() || args.iter().any(|word| basename(word) == "synapse_homeserver"),
    };
    if !is_main {
        return Err(format!("it starts `{line}`, which is not the main process of Synapse"));
    }
    let given = configurations(args);
    let fits = match &given[..] {
        [] => default.is_some(),
        given => given.iter().all(|path| path.trim_end_matches('/') == DIRECTORY),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("it starts `{line}`, with a configuration other than {DIRECTORY}"))
    }
}

/// What the start script itself reads of the environment.
fn check_script(start: &Start) -> Result<(), String> {
    let value = |name: &str| start.env.get(name).map(String::as_str);
    if start.env.contains_key(USER) {
        return Err(format!("the variable {USER} makes it change its user, which only root may"));
    }
    if value(WORKER).is_some_and(|module| module != MAIN) {
        return Err(format!("the variable {WORKER} makes it something else than the main process"));
    }
    match value("SYNAPSE_CONFIG_PATH") {
        Some(DIRECTORY) => Ok(()),
        _ => Err(format!("the variable SYNAPSE_CONFIG_PATH is not {DIRECTORY}")),
    }
}

/// The values of `-c` and `--config-path`.
fn configurations(args: &[String]) -> Vec<&str> {
    let mut paths = vec![];
    for (at, word) in args.iter().enumerate() {
        let inline = ["--config-path=", "-c="].iter().find_map(|flag| word.strip_prefix(flag));
        if let Some(path) = inline {
            paths.push(path);
        } else if matches!(word.as_str(), "--config-path" | "-c") {
            paths.push(args.get(at + 1).map_or("", String::as_str));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn tells_what_may_run_beside_the_main_process() {
        for (line, wanted) in [
            ("run", Effect::Process),
            ("run -m synapse.app.generic_worker", Effect::Process),
            ("generate", Effect::Configuration),
            ("migrate_config", Effect::Configuration),
            ("/start.py", Effect::Process),
            ("./start.py run", Effect::Process),
            ("python /start.py migrate_config", Effect::Configuration),
            ("python -m synapse.app.homeserver -c /config/homeserver.d", Effect::Process),
            ("python -msynapse.app.homeserver", Effect::Process),
            ("python -Imsynapse.app.homeserver", Effect::Process),
            ("python3 -m synapse.app.generic_worker", Effect::Process),
            (
                "python /usr/local/lib/python3.13/site-packages/synapse/app/homeserver.py",
                Effect::Process,
            ),
            ("synapse_homeserver -c x", Effect::Process),
            ("/usr/local/bin/synapse_worker", Effect::Process),
            ("synctl start", Effect::Process),
            ("bash -c cd /;exec /start.py", Effect::Process),
            ("sh -c (/start.py run)&", Effect::Process),
            ("env UID=1 timeout 5 python -m synapse.app.homeserver", Effect::Process),
            ("bash -c A=/start.py;$A", Effect::Process),
            ("update_synapse_database --run-background-updates", Effect::Database),
            ("python -m synapse._scripts.synapse_port_db", Effect::Database),
            ("bash", Effect::None),
            ("bash -l", Effect::None),
            ("", Effect::None),
            ("python", Effect::None),
            ("python -m synapse.config -c /config/homeserver.d", Effect::None),
            ("python -m synapse.app.admin_cmd export-data @a:b", Effect::None),
            ("hash_password -p x", Effect::None),
            ("register_new_matrix_user http://localhost:8008", Effect::None),
            ("echo run generate", Effect::None),
            ("ls /data/start.pyc", Effect::None),
        ] {
            assert_eq!(effect(&words(line)), wanted, "{line}");
        }
    }

    #[test]
    fn tells_whether_an_image_runs_the_main_process() {
        const PATH: &str = "SYNAPSE_CONFIG_PATH=/config/homeserver.d";
        for (argv, env, wanted) in [
            ("/start.py", PATH, None),
            ("/start.py run", PATH, None),
            ("/start.py run --config-path=/config/homeserver.d/", PATH, None),
            ("/usr/bin/tini -- /start.py run", PATH, None),
            ("/start.py", "SYNAPSE_CONFIG_PATH=/config/homeserver.d GID=5 A=b", None),
            ("python -m synapse.app.homeserver -c /config/homeserver.d", "UID=1", None),
            ("synapse_homeserver -c /config/homeserver.d", "", None),
            (
                "/start.py",
                "SYNAPSE_CONFIG_PATH=/config/homeserver.d UID=1000",
                Some("the variable UID makes it change its user, which only root may"),
            ),
            (
                "/start.py",
                "SYNAPSE_CONFIG_PATH=/config/homeserver.d SYNAPSE_WORKER=synapse.app.generic_worker",
                Some("the variable SYNAPSE_WORKER makes it something else than the main process"),
            ),
            (
                "/start.py",
                "SYNAPSE_CONFIG_PATH=/config/homeserver.d SYNAPSE_WORKER=synapse.app.homeserver",
                None,
            ),
            ("/start.py", "", Some("the variable SYNAPSE_CONFIG_PATH is not /config/homeserver.d")),
            (
                "/start.py generate",
                PATH,
                Some("it starts `/start.py generate`, which does not run Synapse"),
            ),
            (
                "/start.py bash",
                PATH,
                Some("it starts `/start.py bash`, which does not run Synapse"),
            ),
            (
                "/start.py run -m synapse.app.generic_worker",
                PATH,
                Some(
                    "it starts `/start.py run -m synapse.app.generic_worker`, which is not the main process of Synapse",
                ),
            ),
            (
                "/start.py run -c /data/homeserver.yaml",
                PATH,
                Some(
                    "it starts `/start.py run -c /data/homeserver.yaml`, with a configuration other than /config/homeserver.d",
                ),
            ),
            (
                "python -m synapse.app.homeserver",
                PATH,
                Some(
                    "it starts `python -m synapse.app.homeserver`, with a configuration other than /config/homeserver.d",
                ),
            ),
            (
                "nginx -g daemon off;",
                PATH,
                Some("it starts `nginx -g daemon off;`, which is not the main process of Synapse"),
            ),
            ("", PATH, Some("it starts ``, which is not the main process of Synapse")),
        ] {
            let env = env.split(' ').filter_map(|pair| pair.split_once('='));
            let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let result = check(&Start { argv: words(argv), env });
            assert_eq!(result.err().as_deref(), wanted, "{argv}");
        }
    }
}
