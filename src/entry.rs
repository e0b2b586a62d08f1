//! How the program was called: as a subcommand, as a trigger, or for Dokku's help.
//!
//! One binary has many names. `report` is a subcommand and a trigger, so the directory counts as
//! well as the name.

use std::path::Path;

/// The triggers, by the names of their links at the plugin's root.
pub const TRIGGERS: [&str; 12] = [
    "nginx-app-template-source",
    "nginx-pre-reload",
    "post-app-clone-setup",
    "post-app-rename",
    "post-app-rename-setup",
    "post-delete",
    "post-deploy",
    "pre-delete",
    "report",
    "scheduler-deploy",
    "scheduler-enter",
    "scheduler-run",
];

/// How the program was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `dokku help`, or a command that no plugin has.
    Commands,
    /// `dokku matrix:<name>`: the first argument says it again.
    Subcommand,
    /// A trigger of Dokku's.
    Trigger(&'static str),
    /// The binary itself, by its own name: `dokku-matrix <command> ...`.
    Direct,
}

/// Tells from the path under which the program was called; `None` for a name that it does not have.
pub fn of(path: &str) -> Option<Entry> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let directory = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    if directory == Some("subcommands") {
        return Some(Entry::Subcommand);
    }
    match name {
        "commands" => Some(Entry::Commands),
        "dokku-matrix" => Some(Entry::Direct),
        _ => TRIGGERS.into_iter().find(|known| *known == name).map(Entry::Trigger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_tells_subcommands_from_triggers() {
        for (path, wanted) in [
            ("/p/matrix/subcommands/report", Some(Entry::Subcommand)),
            ("/p/matrix/report", Some(Entry::Trigger("report"))),
            ("report", Some(Entry::Trigger("report"))),
            ("/p/matrix/subcommands/default", Some(Entry::Subcommand)),
            ("/p/matrix/commands", Some(Entry::Commands)),
            ("/p/matrix/bin/dokku-matrix", Some(Entry::Direct)),
            ("/p/matrix/post-nothing", None),
            ("/p/matrix/subcommands/", None),
            ("", None),
        ] {
            assert_eq!(of(path), wanted, "{path}");
        }
    }
}
