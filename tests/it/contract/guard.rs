//! The deploy guard, on every path that deploys: never two main processes, never an outage by it.

use super::rig::Rig;
use crate::plugin_copy::Ran;
use stand_in::{Answer, Fault, Kind, State};
use std::fs;

const LOCAL: &str = "config/homeserver.d/90-local.yaml";
const DATABASE: &str = "config/homeserver.d/20-database.yaml";

/// A host with the homeserver `matrix`.
fn host() -> Rig {
    Rig::after("matrix:create matrix --tls off")
}

/// The containers of an app that run.
fn running(rig: &Rig, app: &str) -> Vec<String> {
    rig.state().running(app).map(|container| container.id.clone()).collect()
}

/// At no moment were there two main processes.
fn one_main(rig: &Rig) {
    assert_eq!(rig.state().max_mains.into_values().max(), Some(1));
}

/// What Dokku has recorded: a line for each process.
fn scale(rig: &Rig) -> String {
    fs::read_to_string(rig.lib("config/ps/matrix/scale")).unwrap()
}

fn record_scale(rig: &Rig, lines: &str) {
    fs::write(rig.lib("config/ps/matrix/scale"), lines).unwrap();
    let pairs: Vec<(String, u32)> = lines
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .map(|(kind, count)| (kind.to_owned(), count.parse().unwrap()))
        .collect();
    rig.scene.update(|state| state.apps.get_mut("matrix").unwrap().scale = pairs).unwrap();
}

/// The machine went down: nothing runs, and Dokku puts it up again.
fn boot(rig: &Rig) -> Ran {
    let stop = |state: &mut State| {
        state.containers.iter_mut().for_each(|c| c.status = stand_in::Status::Exited);
    };
    rig.scene.update(stop).unwrap();
    rig.dokku("ps:restore matrix")
}

fn guard(rig: &Rig) -> Ran {
    rig.trigger("scheduler-deploy", "docker-local matrix latest")
}

fn goes_on() -> Ran {
    Ran { code: Some(0), stdout: String::new(), stderr: String::new() }
}

fn refuses(says: &str) -> Ran {
    let stderr = says.lines().map(|line| format!(" !     {line}\n")).collect();
    Ran { code: Some(1), stderr, ..goes_on() }
}

fn warns(says: &str) -> Ran {
    Ran { code: Some(0), ..refuses(says) }
}

#[test]
fn other_numbers_of_processes_are_refused_and_not_left_recorded() {
    let two = "Two Synapse processes on one database corrupt it.";
    let back = "The scale was put back to web=1; what runs was not touched.";
    let rig = host();
    let before = running(&rig, "matrix");
    for (line, mends, why, what) in [
        ("ps:scale matrix web=2", "web=1", two, back),
        ("ps:scale matrix worker=1", "worker=0", two, back),
        ("ps:scale matrix web=3 worker=2 x=1", "web=1 worker=0 x=0", two, back),
        ("ps:scale matrix web=0", "web=1", "To stop it: dokku ps:stop matrix", back),
        ("ps:restart matrix worker", "", two, "What runs was not touched."),
    ] {
        let ran = rig.dokku(line);
        assert_eq!(ran.code, Some(1), "{line}");
        let says =
            refuses(&format!("matrix must have one web process and no other\n{why}\n{what}"));
        assert!((ran.stdout.clone() + &ran.stderr).ends_with(&says.stderr), "{line}: {ran:#?}");
        let mut changes = vec![format!("dokku {line}")];
        if !mends.is_empty() {
            changes.push(format!("dokku ps:scale --skip-deploy matrix {mends}"));
        }
        assert_eq!(rig.changes(), changes);
        assert_eq!(scale(&rig), "web=1\n", "{line}");
        assert_eq!(running(&rig, "matrix"), before, "{line}");
    }
    one_main(&rig);
}

#[test]
fn what_is_allowed_goes_through() {
    let rig = host();
    for line in [
        "ps:scale matrix web=1",
        "ps:restart matrix",
        "ps:restart matrix web",
        "ps:rebuild matrix",
        "ps:stop matrix",
        "ps:start matrix",
        "config:set matrix SYNAPSE_CACHE_FACTOR=1",
    ] {
        let ran = rig.dokku(line);
        assert_eq!(ran.code, Some(0), "{line}: {ran:#?}");
        assert_eq!(rig.changes(), [format!("dokku {line}")]);
    }
    assert_eq!(guard(&rig), goes_on());
    one_main(&rig);
}

/// At boot a refusal would be an outage.
#[test]
fn at_boot_it_mends_and_lets_it_start() {
    let rig = host();
    for (lines, mends) in [("web=2\n", "web=1"), ("web=1\nworker=1\n", "worker=0"), ("", "web=1")] {
        record_scale(&rig, lines);
        rig.changes();
        let ran = boot(&rig);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let says = " !     matrix must have one web process and no other; put back to web=1\n-----> Deploying";
        assert!(ran.stdout.contains(says), "{ran:#?}");
        let mended = format!("dokku ps:scale --skip-deploy matrix {mends}");
        assert_eq!(rig.changes(), ["dokku ps:restore matrix", &mended]);
        assert_eq!(running(&rig, "matrix").len(), 1);
    }
    one_main(&rig);
}

/// `apps:rename` and `checks:enable` lose it: then the old process would run beside the new one.
#[test]
fn a_lost_checks_setting_is_put_back() {
    let rig = host();
    for line in ["ps:restart matrix", "ps:rebuild matrix"] {
        rig.setup(&["checks:enable matrix web"]);
        assert_eq!(rig.dokku(line).code, Some(0));
        assert_eq!(
            rig.changes(),
            [format!("dokku {line}"), "dokku checks:disable matrix web".into()]
        );
    }
    one_main(&rig);
}

#[test]
fn a_new_password_of_the_database_is_written_before_the_start() {
    let rig = host();
    let url = rig.state().apps["matrix"].config["DATABASE_URL"].clone();
    let (head, tail) = (url.find("://postgres:").unwrap() + 12, url.find('@').unwrap());
    let new = format!("{}n3w-p'w%40rd{}", &url[..head], &url[tail..]);
    rig.setup(&[&format!("config:set --no-restart matrix DATABASE_URL={new}")]);
    assert_eq!(rig.dokku("ps:restart matrix").code, Some(0));
    assert!(rig.read(DATABASE).contains("n3w-p'w@rd"), "{}", rig.read(DATABASE));
    assert_eq!(rig.changes(), ["dokku ps:restart matrix"]);
    // Written before the container started: there is nothing left for a deploy.
    rig.ok("matrix:deploy matrix");
    assert_eq!(rig.changes(), [""; 0]);
    // Without a database at all the old one runs on.
    rig.setup(&["config:unset --no-restart matrix DATABASE_URL"]);
    assert_eq!(
        guard(&rig),
        refuses(
            "matrix has no DATABASE_URL
dokku postgres:link matrix-db matrix
Nothing was stopped: the old server runs on."
        )
    );
}

/// Every way that deploys is refused with these words, and stops nothing.
fn runs_on(rig: &Rig, why: &str) {
    let before = running(rig, "matrix");
    let says = refuses(&format!("{why}\nNothing was stopped: the old server runs on."));
    assert_eq!(guard(rig), says);
    for line in ["ps:restart matrix", "ps:rebuild matrix", "config:set matrix A=b"] {
        let ran = rig.dokku(line);
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stdout.contains(&says.stderr), "{line}: {ran:#?}");
        assert_eq!(running(rig, "matrix"), before, "{line}");
    }
}

#[test]
fn a_bad_configuration_never_takes_a_server_down() {
    const BAD: &str = "Synapse does not accept its configuration: see <host>/lib/data/matrix/matrix.site.test/config/homeserver.d/90-local.yaml
  | Error in configuration at 'BROKEN':
  |   synapse.config._base.ConfigError: stand-in: 90-local.yaml is broken
Mend it, then: dokku matrix:deploy matrix";
    let rig = host();
    let good = rig.read(LOCAL);
    fs::write(rig.file(LOCAL), "BROKEN: 1\n").unwrap();
    runs_on(&rig, BAD);
    rig.changes();
    let ran = rig.dokku("matrix:deploy matrix");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.stderr, refuses(BAD).stderr);
    assert_eq!(rig.changes(), [""; 0]);
    // At boot it is told, and what Synapse makes of it is seen then.
    let ran = boot(&rig);
    assert!(ran.stdout.contains(&warns(BAD).stderr), "{ran:#?}");
    assert!(ran.stdout.contains("-----> Deploying web (count=1)"), "{ran:#?}");
    // Mended: up again.
    fs::write(rig.file(LOCAL), good).unwrap();
    rig.ok("matrix:deploy matrix");
    assert_eq!(running(&rig, "matrix").len(), 1);
    one_main(&rig);
}

#[test]
fn a_lost_key_takes_no_server_down_and_no_new_one_is_made() {
    const KEY: &str = "config/secrets/signing.key";
    const LOST: &str = "the signing key <host>/lib/data/matrix/matrix.site.test/config/secrets/signing.key is missing
Put it back from a backup: with another key this is another server.
Nothing was changed.";
    let rig = host();
    let key = rig.read(KEY);
    fs::remove_file(rig.file(KEY)).unwrap();
    runs_on(&rig, LOST);
    assert!(boot(&rig).stdout.contains(&warns(LOST).stderr));
    assert!(!rig.file(KEY).exists());
    fs::write(rig.file(KEY), key).unwrap();
    rig.ok("matrix:deploy matrix");
    // The other secrets are of this host alone: new ones harm nobody, and without them Synapse does
    // not start.
    let other = "config/secrets/form_secret";
    fs::remove_file(rig.file(other)).unwrap();
    assert_eq!(rig.dokku("ps:restart matrix").code, Some(0));
    assert!(rig.read(other).len() > 20);
    one_main(&rig);
}

/// The image that is about to run judges, not the one that runs.
#[test]
fn a_new_image_judges_for_itself() {
    let rig = host();
    let before = running(&rig, "matrix");
    let other = "matrixdotorg/synapse:v9";
    let answer = Answer {
        contains: "dokku/matrix:latest".into(),
        rc: 1,
        stderr: "Error in configuration: no such setting\n".into(),
        ..Answer::default()
    };
    let change = |state: &mut State| {
        state.pullable.insert(other.into());
        state.exec.push(answer);
    };
    rig.scene.update(change).unwrap();
    // What was accepted is not asked again: the same files and the same image.
    assert_eq!(guard(&rig), goes_on());
    let ran = rig.dokku(&format!("git:from-image matrix {other}"));
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let says = refuses(
        "Synapse does not accept its configuration: see <host>/lib/data/matrix/matrix.site.test/config/homeserver.d
  | Error in configuration: no such setting
Mend it, then: dokku matrix:deploy matrix
Nothing was stopped: the old server runs on.",
    );
    assert!(ran.stdout.contains(&says.stderr), "{ran:#?}");
    assert_eq!(running(&rig, "matrix"), before);
}

#[test]
fn nginx_was_upgraded() {
    let rig = host();
    rig.scene.update(|state| state.nginx_version = "1.28.0".into()).unwrap();
    let asks = || rig.trigger("nginx-app-template-source", "matrix app-config").stdout;
    assert_eq!(asks(), "");
    assert_eq!(guard(&rig), goes_on());
    assert_eq!(asks(), "<host>/lib/data/matrix/matrix.site.test/nginx/nginx.conf.sigil\n");
    rig.changes();
    assert_eq!(rig.dokku("ps:restart matrix").code, Some(0));
    assert_eq!(rig.changes(), ["dokku ps:restart matrix"]);
}

/// Another app with a homeserver's configuration would be a second main process, marked or not.
#[test]
fn whoever_holds_the_configuration_is_refused() {
    let rig = host();
    rig.setup(&["apps:create other"]);
    let config = rig.file("config").display().to_string();
    let data = rig.file("data").display().to_string();
    let ask = || rig.trigger("scheduler-deploy", "docker-local other latest");
    let clone = refuses(
        "other is a clone of a homeserver's app and must not run
Two Synapse processes on one database corrupt it.
dokku apps:destroy other",
    );
    for (mount, says) in [
        (format!("{data}:/data:ro"), goes_on()),
        (format!("{config}:/backup:ro"), goes_on()),
        (format!("{config}/secrets:/config:ro"), goes_on()),
        (format!("{config}:/config:ro"), clone.clone()),
        (format!("{config}:/config"), clone.clone()),
    ] {
        rig.setup(&[&format!("storage:mount other {mount}")]);
        assert_eq!(ask(), says, "{mount}");
        rig.setup(&[&format!("storage:unmount other {mount}")]);
        assert_eq!(ask(), goes_on());
    }
    // Even while the intent cannot be read, for then nobody knows whose it is.
    rig.setup(&[&format!("storage:mount other {config}:/config:ro")]);
    let intent = rig.read("server.json");
    fs::write(rig.file("server.json"), "").unwrap();
    assert_eq!(ask(), clone);
    fs::write(rig.file("server.json"), intent).unwrap();
    // The homeserver's own app without its marker is still the homeserver's own app.
    fs::remove_file(rig.lib("data/matrix/.apps/matrix")).unwrap();
    assert_eq!(guard(&rig), goes_on());
    assert_eq!(rig.dokku("ps:scale matrix web=2").code, Some(1));
    rig.changes();
    rig.ok("matrix:create matrix");
    assert_eq!(rig.changes(), [""; 0]);
    assert_eq!(
        fs::read_to_string(rig.lib("data/matrix/.apps/matrix")).unwrap(),
        "synapse matrix.site.test\n"
    );
    one_main(&rig);
}

#[test]
fn a_damaged_intent_stops_nothing_that_runs_and_nothing_that_boots() {
    let path = "<host>/lib/data/matrix/matrix.site.test/server.json";
    let rig = host();
    let good = rig.read("server.json");
    let newer = good.replace("\"version\": 1", "\"version\": 2");
    let cases: [(&str, String); 4] = [
        ("{}", format!("{path} is damaged: missing field `version`\nPut it back from a backup.")),
        (
            "",
            format!(
                "{path} is damaged: EOF while parsing a value at line 1 column 0\nPut it back from a backup."
            ),
        ),
        (
            &newer,
            format!(
                "{path} was written by a newer version of this plugin\nsudo dokku plugin:update matrix"
            ),
        ),
        ("-", format!("{path} is missing\nPut it back from a backup.")),
    ];
    for (text, says) in cases {
        match text {
            "-" => fs::remove_file(rig.file("server.json")).unwrap(),
            text => fs::write(rig.file("server.json"), text).unwrap(),
        }
        let before = running(&rig, "matrix");
        assert_eq!(
            guard(&rig),
            refuses(&format!("{says}\nNothing was stopped: the old server runs on."))
        );
        assert_eq!(rig.dokku("ps:restart matrix").code, Some(1));
        assert_eq!(running(&rig, "matrix"), before);
        let ran = rig.dokku("matrix:deploy matrix");
        assert_eq!((ran.code, ran.stderr), (Some(1), refuses(&says).stderr));
        let ran = boot(&rig);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        assert!(ran.stdout.contains(&warns(&says).stderr), "{ran:#?}");
        assert_eq!(running(&rig, "matrix").len(), 1);
        // Not even then are there two.
        assert_eq!(rig.dokku("ps:scale matrix web=2").code, Some(1));
        assert_eq!(scale(&rig), "web=1\n");
        fs::write(rig.file("server.json"), &good).unwrap();
    }
    rig.ok("matrix:deploy matrix");
    one_main(&rig);
}

/// Each question that the guard asks Dokku fails once: the old server runs on, or the boot goes on;
/// only what could start a second one is never let pass.
#[test]
fn questions_without_an_answer() {
    // What fails, the state before, and whether the guard lets it pass.
    let cases: [(&[&str], &str, bool, bool); 9] = [
        (&["docker", "ps"], "web=1\n", true, false),
        (&["dokku", "checks:report"], "web=1\n", true, false),
        (&["dokku", "checks:report"], "web=1\n", false, true),
        (&["dokku", "config:export"], "web=1\n", true, false),
        (&["dokku", "config:export"], "web=1\n", false, true),
        (&["docker", "image", "inspect"], "web=1\n", true, false),
        (&["docker", "image", "inspect"], "web=1\n", false, true),
        (&["dokku", "ps:scale"], "web=2\n", true, false),
        (&["dokku", "ps:scale"], "web=2\n", false, false),
    ];
    let rig = host();
    for (prefix, lines, runs, passes) in cases {
        let change = |state: &mut State| {
            let status = if runs { stand_in::Status::Running } else { stand_in::Status::Exited };
            state.containers.iter_mut().for_each(|c| c.status = status);
        };
        rig.scene.update(change).unwrap();
        record_scale(&rig, lines);
        let fault = Fault {
            argv_prefix: Some(prefix.iter().map(|&word| word.to_owned()).collect()),
            nested: true,
            kind: Kind::Fail,
            ..Fault::default()
        };
        rig.scene.set_fault(&fault).unwrap();
        let ran = guard(&rig);
        assert_eq!(ran.code, Some(i32::from(!passes)), "{prefix:?} {runs}: {ran:#?}");
        assert!(ran.stderr.contains("ended with exit code 1"), "{prefix:?}: {ran:#?}");
        assert_eq!(
            ran.stderr.contains("the old server runs on"),
            runs && !matches!(prefix[1], "ps" | "ps:scale"),
            "{prefix:?}: {ran:#?}"
        );
    }
    one_main(&rig);
}

/// Element Web may have as many processes as one likes.
#[test]
fn element_is_not_guarded() {
    let rig = Rig::after("matrix:create matrix --tls off --element");
    rig.setup(&["ps:scale chat web=2", "ps:restart chat"]);
    assert_eq!(running(&rig, "chat").len(), 2);
}
