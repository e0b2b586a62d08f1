//! Who was called: a subcommand, a trigger, or help.
//!
//! One binary has many names. `report` is a subcommand and a trigger, so the folder counts as
//! well as the name.

use std::path::Path;

/// The subcommands, by the names of their links in `subcommands/`.
pub const SUBCOMMANDS: [&str; 10] = [
    "create",
    "default",
    "deploy",
    "disable-element",
    "email",
    "enable-element",
    "help",
    "list",
    "register-user",
    "report",
];

/// The triggers, by the names of their links at the plugin's root.
pub const TRIGGERS: [&str; 9] = [
    "nginx-app-template-source",
    "post-app-clone-setup",
    "post-app-rename",
    "post-app-rename-setup",
    "post-delete",
    "post-deploy",
    "pre-delete",
    "report",
    "scheduler-deploy",
];

/// Who was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `dokku help`, or a command that no plugin has.
    Commands,
    /// `dokku matrix:<name>`.
    Subcommand(&'static str),
    /// A trigger of Dokku's.
    Trigger(&'static str),
    /// The binary itself, by its own name: `dokku-matrix <command> ...`.
    Direct,
}

/// Tells from the path under which the program was called; `None` for a name it does not have.
pub fn of(path: &str) -> Option<Entry> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let known = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
    if folder == Some("subcommands") {
        return known(&SUBCOMMANDS).map(Entry::Subcommand);
    }
    match name {
        "commands" => Some(Entry::Commands),
        "dokku-matrix" => Some(Entry::Direct),
        _ => known(&TRIGGERS).map(Entry::Trigger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_tells_subcommands_from_triggers() {
        for (path, want) in [
            ("/p/matrix/subcommands/report", Some(Entry::Subcommand("report"))),
            ("/p/matrix/report", Some(Entry::Trigger("report"))),
            ("report", Some(Entry::Trigger("report"))),
            ("/p/matrix/subcommands/default", Some(Entry::Subcommand("default"))),
            ("/p/matrix/commands", Some(Entry::Commands)),
            ("/p/matrix/bin/dokku-matrix", Some(Entry::Direct)),
            ("/p/matrix/subcommands/nothing", None),
            ("/p/matrix/post-nothing", None),
            ("/p/matrix/subcommands/", None),
            ("", None),
        ] {
            assert_eq!(of(path), want, "{path}");
        }
    }
}
