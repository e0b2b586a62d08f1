//! `matrix:register-user`.

use super::harness::TestHost;
use super::homeserver::User;

const CREATE: &str = "matrix:create matrix --tls off --domain localhost";

fn create_host() -> TestHost {
    let host = TestHost::new();
    host.ok(CREATE);
    host.changes();
    host
}

/// Runs a registration and returns its exit code and both streams.
fn register(host: &TestHost, arguments: &str, stdin: &[u8]) -> (Option<i32>, String, String) {
    let output = host.dokku_with(&format!("matrix:register-user {arguments}"), stdin);
    (output.code, output.stdout, output.stderr)
}

#[test]
fn reads_the_password_from_standard_input() {
    let host = create_host();
    let long = "é".repeat(512);
    for (name, flags, stdin, password) in [
        ("alice", " --admin", "hunter2hunter2\n", "hunter2hunter2"),
        ("bob", "", "no line end", "no line end"),
        ("carol", "", "windows\r\n", "windows"),
        (
            "dave",
            "",
            " it's \"quoted\" $HOME `id` \\n %s \n",
            " it's \"quoted\" $HOME `id` \\n %s ",
        ),
        ("eve", "", "пароль 🔑\n", "пароль 🔑"),
        ("frank.f/x+y=z-0_", "", &long, &long),
    ] {
        let kind = if flags.is_empty() { "user" } else { "admin" };
        let title = format!("=====> Registered {kind} @{name}:localhost\n");
        let result = register(&host, &format!("matrix {name}{flags}"), stdin.as_bytes());
        assert_eq!(result, (Some(0), title, String::new()));
        let user = User { password: password.to_owned(), admin: !flags.is_empty() };
        assert_eq!(host.synapse.users()[&format!("@{name}:localhost")], user);
        host.must_not_leak(password);
    }
    assert_eq!(host.synapse.users().len(), 6);
    assert_eq!(host.changes(), [""; 0]);
}

#[test]
fn refuses_invalid_passwords() {
    let host = create_host();
    let too_long = "a".repeat(513);
    let longer_than_all = vec![b'a'; 100_000];
    for (stdin, code, error) in [
        (&b""[..], 2, "the password cannot be used: it is empty"),
        (b"\n", 2, "the password cannot be used: it is empty"),
        (b"\r\n", 2, "the password cannot be used: it is empty"),
        (b"one\ntwo\n", 2, "standard input must be a single line, the password"),
        (b"one\n\n", 2, "standard input must be a single line, the password"),
        (b"a\0b\n", 2, "standard input contains a NUL"),
        (b"a\rb\n", 2, "the password cannot be used: it has more than one line"),
        (b"\xff\xfe\n", 2, "standard input is not UTF-8"),
        (too_long.as_bytes(), 2, "the password cannot be used: it is longer than 512 characters"),
        (&longer_than_all, 2, "the password cannot be used: it is longer than 512 characters"),
    ] {
        let result = register(&host, "matrix alice", stdin);
        assert_eq!(result, (Some(code), String::new(), format!(" !     {error}\n")));
    }
    assert!(host.synapse.users().is_empty());
}

#[test]
fn refuses_invalid_names() {
    let host = create_host();
    let only = "only a-z, 0-9, and . _ = - / + are allowed";
    let long = "a".repeat(246);
    let too_long = format!("@{long}:localhost is longer than 255 characters");
    let bad = |name: &str, why: &str| {
        format!("invalid value '{name}' for '<USER>': \"{name}\" is not a valid user name: {why}")
    };
    for (name, error) in [
        ("Alice", bad("Alice", "it must be lower case; type alice")),
        (
            "@alice:localhost",
            bad("@alice:localhost", "only the part between '@' and ':' is allowed; type alice"),
        ),
        ("_alice", bad("_alice", "it must not start with '_'")),
        ("123", bad("123", "a name of digits only is reserved for guests")),
        ("al!ce", bad("al!ce", only)),
        ("älice", bad("älice", only)),
        (&long, too_long),
    ] {
        let result = register(&host, &format!("matrix {name}"), b"hunter2hunter2\n");
        assert_eq!(result, (Some(2), String::new(), format!(" !     {error}\n")), "{name}");
    }
    assert!(host.synapse.users().is_empty());
}

#[test]
fn refuses_a_taken_name() {
    let host = create_host();
    assert_eq!(register(&host, "matrix alice", b"hunter2hunter2\n").0, Some(0));
    let error = " !     @alice:localhost is registered already\n".to_owned();
    let result = register(&host, "matrix alice --admin", b"another\n");
    assert_eq!(result, (Some(1), String::new(), error));
    let user = User { password: "hunter2hunter2".to_owned(), admin: false };
    assert_eq!(host.synapse.users()["@alice:localhost"], user);
}

/// This is checked before the password is read.
#[test]
fn needs_a_running_server() {
    let host = create_host();
    let does_not_run = " !     matrix does not run\n !     dokku matrix:deploy matrix\n";
    host.setup(&["ps:stop matrix"]);
    let result = register(&host, "matrix alice", b"hunter2hunter2\n");
    assert_eq!(result, (Some(1), String::new(), does_not_run.to_owned()));
    host.ok("matrix:deploy matrix");
    host.setup(&["postgres:stop matrix-db"]);
    let result = register(&host, "matrix alice", b"hunter2hunter2\n");
    let no_database =
        does_not_run.replace("does not run", "runs, but it does not reach its database");
    assert_eq!(result, (Some(1), String::new(), no_database));
    let result = register(&host, "nobody alice", b"hunter2hunter2\n");
    assert_eq!(result, (Some(20), String::new(), " !     App nobody does not exist\n".to_owned()));
}

/// If Synapse has another secret, its own error message is shown.
#[test]
fn reports_a_wrong_shared_secret() {
    let host = create_host();
    let path = host.lib("data/matrix/localhost/config/secrets/registration_shared_secret");
    let secret = std::fs::read_to_string(&path).unwrap();
    host.scene.update(|state| state.containers[0].read.clear()).unwrap();
    let error = " !     Synapse refuses to register alice: HMAC incorrect\n".to_owned();
    let result = register(&host, "matrix alice", b"hunter2hunter2\n");
    assert_eq!(result, (Some(1), String::new(), error));
    std::fs::remove_file(&path).unwrap();
    let error = " !     <host>/lib/data/matrix/localhost/config/secrets/registration_shared_secret is missing\n !     dokku matrix:deploy matrix\n";
    let result = register(&host, "matrix alice", b"hunter2hunter2\n");
    assert_eq!(result, (Some(1), String::new(), error.to_owned()));
    host.must_not_leak(&secret);
}

/// On a terminal the user types the password twice, and it is never shown.
#[test]
fn prompts_for_the_password_on_a_terminal() {
    let host = create_host();
    let asked = "Password for @alice:localhost: \nRepeat the password: \n";
    for (again, code, stdout, stderr) in [
        ("hunter3hunter3", 1, "", " !     the two passwords differ; nothing was registered\n"),
        ("hunter2hunter2", 0, "=====> Registered user @alice:localhost\n", ""),
    ] {
        let line = "matrix:register-user matrix alice";
        let (output, echo) = host.on_terminal(line, &["hunter2hunter2", again]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), stdout));
        assert_eq!(output.stderr, format!("{asked}{stderr}"));
        assert_eq!(echo.trim(), "");
        host.must_not_leak(again);
    }
    assert_eq!(host.synapse.users()["@alice:localhost"].password, "hunter2hunter2");
}

/// A signal ends or stops the command as usual, and the terminal shows what is typed afterwards.
#[test]
fn signals_leave_the_terminal_as_it_was() {
    use nix::sys::signal::{Signal, killpg};
    use std::os::unix::process::ExitStatusExt;
    let host = create_host();
    let start = || host.start_on_terminal("matrix:register-user matrix alice");
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut terminal = start();
        terminal.wait_for_prompt();
        assert!(!terminal.echoes());
        killpg(terminal.group(), signal).unwrap();
        let status = terminal.wait();
        assert_eq!(status.signal(), Some(signal as i32));
        assert!(terminal.echoes(), "{signal}");
    }
    let mut terminal = start();
    terminal.wait_for_prompt();
    killpg(terminal.group(), Signal::SIGTSTP).unwrap();
    terminal.wait_until_stopped();
    assert!(terminal.echoes());
    killpg(terminal.group(), Signal::SIGCONT).unwrap();
    for _ in 0..2 {
        terminal.wait_for_prompt();
        assert!(!terminal.echoes());
        terminal.answer("hunter2hunter2");
    }
    assert!(terminal.wait().success());
    assert!(terminal.echoes());
    assert_eq!(host.synapse.users()["@alice:localhost"].password, "hunter2hunter2");
}
