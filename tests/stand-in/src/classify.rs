//! Classifies calls: which change state, which only read it, and which only forward another call.

use crate::call::Call;

/// Verbs of `dokku <area>:<verb>` that only read state.
const READING: [&str; 20] = [
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

/// Whether a call changes state, judging by its arguments.
pub(crate) fn changes(program: &str, args: &[String]) -> bool {
    let line: Vec<&str> = args.iter().map(String::as_str).collect();
    match program {
        "dokku" => dokku(&line),
        "docker" => matches!(
            line.as_slice(),
            ["pull" | "rmi" | "rm" | "stop" | "start" | "restart" | "kill" | "build", ..]
                | ["image", "pull" | "rm" | "build" | "tag", ..]
                | ["container", "start" | "stop" | "restart" | "rm" | "kill", ..]
        ),
        "ufw" => !matches!(line.as_slice(), ["status", ..]),
        "sudo" => {
            let inner = line.iter().position(|word| !word.starts_with('-'));
            inner.is_some_and(|at| changes(crate::programs::basename(line[at]), &args[at + 1..]))
        }
        _ => false,
    }
}

fn dokku(line: &[&str]) -> bool {
    let line = match line {
        ["--quiet" | "--force" | "--trace", rest @ ..] | ["--app", _, rest @ ..] => {
            return dokku(rest);
        }
        line => line,
    };
    match line {
        [] | ["version" | "--version" | "help" | "enter" | "logs" | "run" | "report", ..] => false,
        ["ps:scale", rest @ ..] => rest.iter().any(|word| word.contains('=')),
        ["letsencrypt:cron-job", rest @ ..] => !rest.is_empty(),
        [command, ..] => match command.split_once(':') {
            Some(("matrix", _)) | None => false,
            Some((_, verb)) => !READING.contains(&verb),
        },
    }
}

/// Whether a call only forwards another call, which is logged itself.
pub(crate) fn forwards(program: &str, args: &[String]) -> bool {
    match program {
        "sudo" => true,
        "dokku" => {
            command(args).is_some_and(|word| word == "matrix" || word.starts_with("matrix:"))
        }
        _ => false,
    }
}

/// The command after Dokku's global flags. An app may be called `matrix`, too.
fn command(args: &[String]) -> Option<&str> {
    let mut line = args.iter().map(String::as_str);
    loop {
        match line.next()? {
            "--quiet" | "--force" | "--trace" => {}
            "--app" => drop(line.next()),
            word => return Some(word),
        }
    }
}

/// Whether standard input is read before the call is classified.
pub(crate) fn reads_stdin(program: &str, args: &[String]) -> bool {
    program == "dokku" && args.iter().any(|word| word == "postgres:connect")
}

/// Whether `postgres:connect` received SQL that changes something.
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
    fn forwards_only_plugin_commands() {
        for (line, want) in [
            ("matrix:create matrix", true),
            ("--quiet --app matrix matrix:report", true),
            ("matrix", true),
            ("apps:create matrix", false),
            ("--force apps:destroy matrix", false),
            ("--app matrix config:export", false),
        ] {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(forwards("dokku", &args), want, "{line}");
        }
    }
}
