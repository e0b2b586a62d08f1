//! `commands`, the script that Dokku runs for help and for commands without a subcommand file.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::plugin_copy::{PluginCopy, run};
use crate::support::Output;

/// Uses bash as the binary: for a missing script, its error contains the name and the argument with
/// which it was called.
fn with_bash_as_binary() -> PluginCopy {
    let copy = PluginCopy::new();
    fs::create_dir(copy.root().join("bin")).unwrap();
    symlink(which::which("bash").unwrap(), copy.root().join("bin/dokku-matrix")).unwrap();
    copy
}

#[test]
fn passes_name_and_arguments_to_the_binary() {
    let copy = with_bash_as_binary();
    let name = copy.root().join("commands").display().to_string();
    for argument in ["help", "matrix", "matrix:help", "matrix:no such"] {
        let output = copy.run("commands", &[argument]);
        assert_eq!(output.code, Some(127), "the exit code is the binary's");
        assert!(output.stderr.starts_with(&format!("{name}: {argument}: ")), "{}", output.stderr);
    }
    copy.write("matrix:two", "echo \"$0,$#,$1,$2\"");
    let script = copy.root().join("matrix:two").display().to_string();
    let output = run(Command::new(copy.root().join("commands"))
        .args(["matrix:two", "a b", "--force"])
        .current_dir(copy.root()));
    assert_eq!(output.stdout, "matrix:two,2,a b,--force\n", "{script}: {}", output.stderr);
}

#[test]
fn does_not_implement_other_commands() {
    let refused = Output { code: Some(10), stdout: String::new(), stderr: String::new() };
    for copy in [PluginCopy::new(), with_bash_as_binary()] {
        for args in [&["postgres:create", "x"][..], &["matrix-bridge:help"], &["helper"], &[]] {
            assert_eq!(copy.run("commands", args), refused, "{args:?}");
        }
    }
    let other_code = PluginCopy::new().env("DOKKU_NOT_IMPLEMENTED_EXIT", "17");
    assert_eq!(other_code.run("commands", &["apps:list"]).code, Some(17));
}

#[test]
fn explains_how_to_get_a_missing_binary() {
    let output = PluginCopy::new().run("commands", &["matrix:create", "m"]);
    assert_eq!(output.code, Some(10));
    assert!(output.stderr.ends_with("sudo dokku plugin:install\n"), "{}", output.stderr);
}

/// `dokku help` runs the script of each plugin in a loop that stops at the first failure.
#[test]
fn dokku_help_works_without_a_binary() {
    let broken = PluginCopy::new();
    broken.write("bin/dokku-matrix", "\x7fELF of another machine\0");
    fs::set_permissions(broken.root().join("bin/dokku-matrix"), fs::Permissions::from_mode(0o755))
        .unwrap();
    for copy in [PluginCopy::new(), broken] {
        let plugin = copy.root().join("commands").display().to_string();
        let output = run(Command::new("bash").args([
            "-c",
            "export LC_ALL=C; set -eo pipefail; for c in \"$0\" echo; do $c help; done | sort; echo end",
            &plugin,
        ]));
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert_eq!(output.stdout, "    matrix, Manage Matrix homeservers\nhelp\nend\n");
    }
}
