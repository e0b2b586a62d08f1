//! The deploy guard looks at how an image starts before it lets anything be stopped.

use super::guard::{allows, boot, create_host, guard, refuses, running, warns};
use super::harness::{SYNAPSE, TestHost};
use stand_in::Image;

const OTHER: &str = "local/synapse:1";

/// Makes the other image one that starts like this.
fn give_image(host: &TestHost, change: impl FnOnce(&mut Image)) {
    let mut image = Image { on_host: true, ..Image::default() };
    change(&mut image);
    host.scene.update(|state| state.images.insert(OTHER.to_owned(), image)).unwrap();
}

fn message(why: &str) -> String {
    format!(
        "the image for matrix would not run this homeserver: {why}
To go back to the recorded image: dokku matrix:deploy matrix"
    )
}

/// A change of the image, and what the guard says.
type Case = (fn(&mut Image), &'static str);

const CASES: [Case; 6] = [
    (
        // The Dockerfile of an old guide: `ENV UID 1000`.
        |image| drop(image.env.insert("UID".into(), "1000".into())),
        "the variable UID makes it change its user, which only root may",
    ),
    (
        |image| {
            drop(image.env.insert("SYNAPSE_WORKER".into(), "synapse.app.generic_worker".into()));
        },
        "the variable SYNAPSE_WORKER makes it something else than the main process",
    ),
    (
        |image| image.cmd = vec!["generate".into()],
        "it starts `/start.py generate`, which does not run Synapse",
    ),
    (
        |image| image.entrypoint = Some(vec!["nginx".into()]),
        "it starts `nginx`, which is not the main process of Synapse",
    ),
    (
        |image| drop(image.procfile.insert("web".into(), "migrate_config".into())),
        "it starts `/start.py migrate_config`, which does not run Synapse",
    ),
    (
        |image| drop(image.procfile.insert("worker".into(), "run".into())),
        "its Procfile has no web process",
    ),
];

#[test]
fn an_image_that_does_not_run_synapse_stops_no_server() {
    for (change, why) in CASES {
        let host = create_host();
        let before = running(&host, "matrix");
        give_image(&host, change);
        let output = host.dokku(&format!("git:from-image matrix {OTHER}"));
        assert_eq!(output.code, Some(1), "{why}: {output:#?}");
        let expected =
            refuses(&format!("{}\nNothing was stopped: the old server runs on.", message(why)));
        assert!(output.stdout.contains(&expected.stderr), "{why}: {output:#?}");
        assert_eq!(running(&host, "matrix"), before, "{why}");
        // At boot nothing is running that could be protected.
        let output = boot(&host);
        assert!(output.stdout.contains(&warns(&message(why)).stderr), "{output:#?}");
    }
}

/// Dokku has built it already, and starts it next, also at boot.
#[test]
fn deploy_replaces_an_image_that_was_refused() {
    let host = create_host();
    give_image(&host, CASES[0].0);
    assert_eq!(host.dokku(&format!("git:from-image matrix {OTHER}")).code, Some(1));
    host.changes();
    host.ok("matrix:deploy matrix");
    assert!(host.changes().contains(&format!("dokku git:from-image matrix {SYNAPSE}")));
    assert_eq!(guard(&host), allows());
    assert_eq!(boot(&host).code, Some(0));
    assert_eq!(host.state().running("matrix").next().unwrap().image, SYNAPSE);
    host.changes();
    host.ok("matrix:deploy matrix");
    assert_eq!(host.changes(), <[String; 0]>::default());
}

#[test]
fn an_own_image_that_runs_synapse_is_allowed() {
    let cases: [fn(&mut Image); 4] = [
        |_| {},
        |image| drop(image.env.insert("GID".into(), "1000".into())),
        |image| {
            drop(image.env.insert("SYNAPSE_CONFIG_PATH".into(), "/data/homeserver.yaml".into()));
        },
        |image| drop(image.procfile.insert("web".into(), "run".into())),
    ];
    for change in cases {
        let host = create_host();
        give_image(&host, change);
        let output = host.dokku(&format!("git:from-image matrix {OTHER}"));
        assert_eq!(output.code, Some(0), "{output:#?}");
        assert_eq!(running(&host, "matrix").len(), 1);
        assert_eq!(guard(&host), allows());
    }
}

/// What the administrator sets for the app counts as well.
#[test]
fn settings_that_run_another_program_stop_no_server() {
    for (change, why) in [
        (
            "config:set --no-restart matrix SYNAPSE_WORKER=synapse.app.generic_worker",
            "the variable SYNAPSE_WORKER makes it something else than the main process",
        ),
        (
            "ps:set matrix dockerfile-start-cmd generate",
            "it starts `/start.py generate`, which does not run Synapse",
        ),
        (
            "docker-options:add --process web matrix deploy --entrypoint=nginx",
            "it starts `nginx`, which is not the main process of Synapse",
        ),
    ] {
        let host = create_host();
        host.setup(&[change]);
        let expected =
            refuses(&format!("{}\nNothing was stopped: the old server runs on.", message(why)));
        assert_eq!(guard(&host), expected, "{change}");
    }
}

/// Docker starts another entry point without the command of the image.
#[test]
fn an_entry_point_replaces_the_command_of_the_image() {
    let host = create_host();
    let image = Image { on_host: true, cmd: vec!["generate".into()], ..Image::default() };
    host.scene.update(|state| state.images.insert(SYNAPSE.to_owned(), image)).unwrap();
    assert_eq!(guard(&host).code, Some(1));
    host.setup(&["docker-options:add matrix deploy --entrypoint=/start.py"]);
    assert_eq!(guard(&host), allows());
}

/// Dokku names the tag that it is about to run.
#[test]
fn checks_the_tag_that_is_deployed() {
    let host = TestHost::after("matrix:create matrix --tls off");
    let output = host.trigger("scheduler-deploy", "docker-local matrix v2");
    let expected = " !     the image dokku/matrix:v2 is not on this host
 !     Nothing was stopped: the old server runs on.\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(1), expected));
}
