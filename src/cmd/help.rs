//! `dokku matrix`, `dokku matrix:help`, and the lines of `dokku help`.

use crate::{component::Catalog, error::Exit, host::env, ui::Ui};

const HEAD: &str = "Usage: dokku matrix[:COMMAND]

Run a Matrix homeserver: Synapse, PostgreSQL, certificates, federation, and Element Web.

Additional commands:
";

/// For each command what is typed, and what it does.
fn lines(catalog: Catalog) -> Vec<(String, String)> {
    let subcommands = super::subcommands(catalog).into_iter();
    let typed = |name: &str, usage: &str| format!("matrix:{name} {usage}").trim_end().to_owned();
    let help =
        (typed("help", "[<subcommand>]"), "Show this help or that of a subcommand".to_owned());
    let mut lines: Vec<_> =
        subcommands.map(|one| (typed(&one.name, &one.usage), one.about)).collect();
    lines.push(help);
    lines.sort();
    lines
}

/// `dokku matrix` and `dokku matrix:help`.
pub fn text(catalog: Catalog) -> String {
    let lines = lines(catalog);
    let width = lines.iter().map(|(left, _)| left.len()).max().unwrap_or_default();
    let line = |(left, right): &(String, String)| format!("    {left:<width$}  {right}");
    format!("{HEAD}{}", lines.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// What the file `commands` was asked: Dokku's help, or a command that no plugin has.
pub fn commands(ui: &Ui, catalog: Catalog, args: &[String]) -> Exit {
    match args.first().map(String::as_str) {
        Some("help") if wants_all() => {
            for (left, right) in lines(catalog) {
                ui.answer(&format!("    {left}, {right}"));
            }
            Exit::Done
        }
        Some("help") => {
            ui.answer("    matrix, Manage Matrix homeservers");
            Exit::Done
        }
        Some("matrix" | "matrix:help") => {
            ui.answer(text(catalog).trim_end());
            Exit::Done
        }
        _ => Exit::NotImplemented,
    }
}

/// Whether it is `dokku help --all`: only Dokku's own command line says so.
fn wants_all() -> bool {
    env::caller().iter().any(|word| word == "--all")
}
