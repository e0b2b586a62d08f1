//! `dokku matrix`, `dokku matrix:help`, and the lines of `dokku help`.

use crate::{error::Exit, host::env, ui::Ui};

const HEAD: &str = "Usage: dokku matrix[:COMMAND]

Run a Matrix homeserver: Synapse, PostgreSQL, certificates, federation, and Element Web.

Additional commands:
";

/// One line for each command: what is typed, and what it does. Dokku parts them at the comma.
const LINES: [&str; 9] = [
    "matrix:create <app> [--server-name NAME] [--domain HOST] [--email ADDRESS] [...], Create a homeserver or bring it to what is wished",
    "matrix:deploy <app> [--image REF] [--dry-run] [--verbose], Bring a homeserver to what is recorded and make sure that it runs",
    "matrix:disable-element <app>, Take Element Web away again",
    "matrix:email <app> --smtp-host HOST [--smtp-port N] [--smtp-user NAME] --from SENDER | --off [--verbose], Set the mail server that Synapse sends through",
    "matrix:enable-element <app> [--app NAME] [--domain HOST] [--image REF] [--dry-run] [--verbose], Serve Element Web beside a homeserver",
    "matrix:help [<subcommand>], Show this help or that of a subcommand",
    "matrix:list, List the homeservers",
    "matrix:register-user <app> <localpart> [--admin], Register a user with a password from a prompt or standard input",
    "matrix:report [<app>] [--<flag>] [--format json], Report on one homeserver or on all",
];

/// `dokku matrix` and `dokku matrix:help`.
pub fn text() -> String {
    let pairs = || LINES.iter().filter_map(|line| line.split_once(", "));
    let width = pairs().map(|(left, _)| left.len()).max().unwrap_or_default();
    let line = |(left, right)| format!("    {left:<width$}  {right}");
    let lines: Vec<String> = pairs().map(line).collect();
    format!("{HEAD}{}", lines.join("\n"))
}

/// What the file `commands` was asked: Dokku's help, or a command that no plugin has.
pub fn commands(ui: &Ui, args: &[String]) -> Exit {
    match args.first().map(String::as_str) {
        Some("help") if wants_all() => {
            for line in LINES {
                ui.answer(&format!("    {line}"));
            }
            Exit::Done
        }
        Some("help") => {
            ui.answer("    matrix, Manage Matrix homeservers");
            Exit::Done
        }
        Some("matrix" | "matrix:help") => {
            ui.answer(text().trim_end());
            Exit::Done
        }
        _ => Exit::NotImplemented,
    }
}

/// `dokku help --all`: Dokku tells its plugins by its own command line alone.
fn wants_all() -> bool {
    env::caller().iter().any(|word| word == "--all")
}
