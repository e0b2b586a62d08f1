//! Which calls change something, which only ask, and which only pass another call on.

use crate::call::Call;

/// Verbs of `dokku <area>:<verb>` that only ask.
const ASKING: [&str; 20] = [
    "active",
    "app-links",
    "connect",
    "exists",
    "exists-app",
    "export",
    "get",
    "info",
    "inspect",
    "installed",
    "keys",
    "linked",
    "links",
    "list",
    "list-entries",
    "locked",
    "logs",
    "report",
    "show",
    "validate-config",
];

/// Whether a call is of the changing kind, as far as its arguments tell.
pub(crate) fn changes(program: &str, argv: &[String]) -> bool {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match program {
        "dokku" => dokku(&words),
        "docker" => matches!(
            words.as_slice(),
            ["pull" | "rmi" | "rm" | "stop" | "start" | "restart" | "kill" | "build", ..]
                | ["image", "pull" | "rm" | "build" | "tag", ..]
                | ["container", "start" | "stop" | "restart" | "rm" | "kill", ..]
        ),
        "ufw" => !matches!(words.as_slice(), ["status", ..]),
        "sudo" => {
            let inner = words.iter().position(|word| !word.starts_with('-'));
            inner.is_some_and(|at| changes(crate::host::basename(words[at]), &argv[at + 1..]))
        }
        _ => false,
    }
}

fn dokku(words: &[&str]) -> bool {
    let words = match words {
        ["--quiet" | "--force" | "--trace", rest @ ..] | ["--app", _, rest @ ..] => {
            return dokku(rest);
        }
        words => words,
    };
    match words {
        [] | ["version" | "--version" | "help" | "enter" | "logs" | "run" | "report", ..] => false,
        ["ps:scale", rest @ ..] => rest.iter().any(|word| word.contains('=')),
        ["letsencrypt:cron-job", rest @ ..] => !rest.is_empty(),
        [command, ..] => match command.split_once(':') {
            Some(("matrix", _)) | None => false,
            Some((_, verb)) => !ASKING.contains(&verb),
        },
    }
}

/// Whether a call only passes another one on, which is logged itself.
pub(crate) fn forwards(program: &str, argv: &[String]) -> bool {
    match program {
        "sudo" => true,
        "dokku" => {
            command(argv).is_some_and(|word| word == "matrix" || word.starts_with("matrix:"))
        }
        _ => false,
    }
}

/// The command behind Dokku's global flags; an app may be called `matrix`, too.
fn command(argv: &[String]) -> Option<&str> {
    let mut words = argv.iter().map(String::as_str);
    loop {
        match words.next()? {
            "--quiet" | "--force" | "--trace" => {}
            "--app" => drop(words.next()),
            word => return Some(word),
        }
    }
}

/// Whether a call is to be fed with standard input before anything is known of it.
pub(crate) fn reads_stdin(program: &str, argv: &[String]) -> bool {
    program == "dokku" && argv.iter().any(|word| word == "postgres:connect")
}

/// Whether `postgres:connect` was given SQL that changes something.
pub(crate) fn changing_sql(call: &Call) -> bool {
    call.stdin.borrow().as_deref().is_some_and(|sql| {
        let sql = sql.to_ascii_uppercase();
        ["CREATE ", "DROP ", "ALTER ", "INSERT ", "UPDATE ", "DELETE "]
            .iter()
            .any(|word| sql.contains(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_commands_of_the_plugin_are_passed_on() {
        for (line, want) in [
            ("matrix:create matrix", true),
            ("--quiet --app matrix matrix:report", true),
            ("matrix", true),
            ("apps:create matrix", false),
            ("--force apps:destroy matrix", false),
            ("--app matrix config:export", false),
        ] {
            let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(forwards("dokku", &argv), want, "{line}");
        }
    }
}
