//! Deploys: what stops what, who may refuse, and how many processes run at one moment.

use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use stand_in::{Container, Image, Scene, Status};

use crate::{
    ELEMENT, SYNAPSE, deployed, mains, ok, plugin, refused, run, running, scene, stderr, stdout,
};

#[test]
fn checks_decide_whether_old_and_new_overlap() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku ps:restart m", "dokku ps:rebuild m", "dokku config:set m A=b"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (1, 1));
    ok(&scene, &["dokku checks:enable m web", "dokku ps:restart m"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (2, 1));
}

#[test]
fn scale_starts_more_and_unknown_processes_too() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku ps:scale m web=1"]);
    assert_eq!(mains(&scene), 1);
    ok(&scene, &["dokku ps:scale m worker=1"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (2, 2));
    ok(&scene, &["dokku ps:scale m worker=0"]);
    assert_eq!(running(&scene, "m").len(), 1);
}

#[test]
fn a_guard_refuses_before_anything_is_stopped() {
    let scene = scene();
    deployed(&scene, "m");
    let before = running(&scene, "m");
    plugin(&scene, &[("scheduler-deploy", "echo \"not $*\" >&2; exit 1")]);
    let output = refused(&scene, "dokku ps:scale m web=2");
    assert!(stdout(&output).contains("not docker-local m latest web"));
    assert_eq!(running(&scene, "m"), before);
    let scale = std::fs::read_to_string(scene.lib().join("config/ps/m/scale")).unwrap();
    assert_eq!(scale, "web=2\n");
    for line in ["dokku ps:restart m", "dokku ps:rebuild m", "dokku config:set m A=b"] {
        refused(&scene, line);
        assert_eq!(running(&scene, "m"), before);
    }
}

#[test]
fn a_guard_may_put_the_scale_back_from_inside() {
    let scene = scene();
    deployed(&scene, "m");
    plugin(
        &scene,
        &[(
            "scheduler-deploy",
            "dokku ps:scale --skip-deploy m web=1 && dokku checks:disable m web && exit 1",
        )],
    );
    refused(&scene, "dokku ps:scale m web=2");
    assert_eq!(scene.state().unwrap().apps["m"].quantity("web"), 1);
    let nested: Vec<bool> =
        scene.changes().unwrap().iter().rev().take(3).map(|record| record.nested).collect();
    assert_eq!(nested, [true, true, false]);
}

#[test]
fn the_second_index_is_too_late_to_refuse() {
    let scene = scene();
    deployed(&scene, "m");
    let before = running(&scene, "m");
    plugin(&scene, &[("docker-args-process-deploy", "[ \"$5\" != 2 ]")]);
    refused(&scene, "dokku ps:scale m web=2");
    let now = running(&scene, "m");
    assert_eq!(now.len(), 1);
    assert_ne!(now, before);
}

#[test]
fn a_failing_post_deploy_leaves_the_new_container_running() {
    let scene = scene();
    deployed(&scene, "m");
    let before = running(&scene, "m");
    plugin(&scene, &[("post-deploy", "exit 1")]);
    refused(&scene, "dokku ps:restart m");
    assert_eq!(running(&scene, "m").len(), 1);
    assert_ne!(running(&scene, "m"), before);
}

/// An image whose process ends at once, with that code.
fn dies(scene: &Scene, reference: &str, code: i32) {
    let dies = Image { on_host: true, starts: false, code, ..Image::default() };
    scene.update(|state| state.images.insert(reference.to_owned(), dies)).unwrap();
}

fn newest(scene: &Scene) -> Container {
    scene.state().unwrap().containers.pop().unwrap()
}

/// Nobody looks at a process that is not checked; Docker cannot rename its container in the pause.
#[test]
fn an_image_that_ends_at_once_is_deployed_without_checks() {
    let scene = scene();
    deployed(&scene, "m");
    dies(&scene, "m:2", 3);
    let said = |line: &str| {
        let output = run(&scene, line);
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    let told = said("dokku git:from-image m m:2");
    assert!(told.contains(" !     Failed to rename container m.web.1.upcoming-"));
    assert!(running(&scene, "m").is_empty());
    let first = newest(&scene);
    assert_eq!((first.image.as_str(), first.status), ("m:2", Status::Restarting));
    assert!(first.name.starts_with("m.web.1.upcoming-"), "{}", first.name);
    assert_eq!(said("dokku ps:report m --running"), "true\n");
    let listed = said("docker ps --filter label=com.dokku.app-name=m --format {{.ID}}");
    assert_eq!(listed, format!("{}\n", &first.id[..12]));
    let line = format!("docker exec {} true", first.id);
    let why = "is restarting, wait until the container is running";
    assert!(stderr(&refused(&scene, &line)).contains(why));
    // The next one is there instead of it.
    ok(&scene, &["dokku ps:restart m"]);
    let state = scene.state().unwrap();
    let old = state.containers.iter().find(|container| container.id == first.id).unwrap();
    assert_eq!((old.status, &old.name), (Status::Exited, &first.name));
    assert_eq!((mains(&scene), state.kept("m").count()), (1, 1));
    // When it is started the next time, it does not end.
    scene.update(|state| state.images.entry("m:2".to_owned()).or_default().starts = true).unwrap();
    let since = Instant::now();
    while running(&scene, "m").is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(50));
    }
    assert!(newest(&scene).restarts > 0);
}

/// The restart policy is `on-failure:10`.
#[test]
fn one_that_ends_well_is_not_started_again() {
    let scene = scene();
    deployed(&scene, "m");
    dies(&scene, "m:2", 0);
    ok(&scene, &["dokku git:from-image m m:2"]);
    let one = newest(&scene);
    assert_eq!((one.status, one.name.as_str(), one.restarts), (Status::Exited, "m.web.1", 0));
    ok(&scene, &["dokku ps:set m restart-policy unless-stopped", "dokku ps:restart m"]);
    assert_eq!(newest(&scene).status, Status::Restarting);
}

#[test]
fn with_checks_the_old_container_stays() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku checks:enable m web"]);
    let before = running(&scene, "m");
    for (code, says) in [
        (0, "Container state: exited"),
        (3, "Failure in name='default': container has restarted 7 times"),
    ] {
        let image = format!("m:{code}");
        dies(&scene, &image, code);
        let output = refused(&scene, &format!("dokku git:from-image m {image}"));
        assert!(stdout(&output).contains(says), "{output:?}");
        assert!(stdout(&output).contains("parallel: This job failed"));
        assert_eq!(running(&scene, "m"), before);
        assert_eq!(newest(&scene).status, Status::Exited);
        // The commit was taken back, so the same reference may be tried again.
        refused(&scene, &format!("dokku git:from-image m {image}"));
    }
    scene.update(|state| state.images.entry("m:3".to_owned()).or_default().starts = true).unwrap();
    ok(&scene, &["dokku git:from-image m m:3"]);
}

#[test]
fn what_is_mounted_decides_whether_it_starts() {
    let scene = scene();
    deployed(&scene, "m");
    let config = scene.lib().join("data/matrix/m/config");
    std::fs::create_dir_all(config.join("homeserver.d")).unwrap();
    std::fs::write(config.join("homeserver.d/90-local.yaml"), "BROKEN: 1\n").unwrap();
    ok(&scene, &[&format!("dokku storage:mount m {}:/config:ro", config.display())]);
    ok(&scene, &["dokku ps:restart m"]);
    assert!(running(&scene, "m").is_empty());
    let file = config.join("config.json");
    std::fs::write(&file, "{}").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    ok(
        &scene,
        &[
            "dokku apps:create chat",
            &format!("dokku storage:mount chat {}:/app/config.json:ro", file.display()),
        ],
    );
    refused(&scene, &format!("dokku git:from-image chat {ELEMENT}"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    ok(
        &scene,
        &[
            &format!("dokku git:from-image chat {ELEMENT}"),
            "dokku docker-options:add chat deploy --user 1001:1001",
        ],
    );
    refused(&scene, "dokku ps:restart chat");
}

#[test]
fn an_address_may_be_given_before_there_is_an_app() {
    let scene = scene();
    scene
        .update(|state| state.listeners.insert("m".to_owned(), "127.0.0.1:4711".to_owned()))
        .unwrap();
    let ask = || stdout(&run(&scene, "dokku network:report m --network-web-listeners"));
    ok(&scene, &["dokku apps:create m"]);
    assert_eq!(ask(), "\n");
    ok(&scene, &[&format!("dokku git:from-image m {SYNAPSE}")]);
    assert_eq!(ask(), "127.0.0.1:4711\n");
    scene.update(|state| state.listeners.clear()).unwrap();
    assert_eq!(ask(), "172.17.0.3:8008\n");
}

#[test]
fn a_build_that_fails_leaves_its_commit() {
    let scene = scene();
    ok(&scene, &["dokku apps:create m"]);
    scene
        .update(|state| state.images.entry(SYNAPSE.to_owned()).or_default().builds = false)
        .unwrap();
    refused(&scene, &format!("dokku git:from-image m {SYNAPSE}"));
    scene
        .update(|state| state.images.entry(SYNAPSE.to_owned()).or_default().builds = true)
        .unwrap();
    let output = refused(&scene, &format!("dokku git:from-image m {SYNAPSE}"));
    assert!(stdout(&output).contains("No changes detected"));
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku ps:rebuild m"]);
    assert_eq!(running(&scene, "m").len(), 1);
}

#[test]
fn a_variable_named_uid_breaks_the_build() {
    let scene = scene();
    ok(&scene, &["dokku apps:create m", "dokku config:set --no-restart m UID=991"]);
    let output = refused(&scene, &format!("dokku git:from-image m {SYNAPSE}"));
    assert!(stdout(&output).contains("UID: readonly variable"));
}

#[test]
fn what_was_stopped_is_not_restored_at_boot() {
    let scene = scene();
    deployed(&scene, "m");
    scene.reboot().unwrap();
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku ps:restore m"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (1, 1));
    ok(&scene, &["dokku ps:stop m"]);
    let listener = stdout(&run(&scene, "dokku network:report m --network-web-listeners"));
    assert_ne!(listener, "\n");
    ok(&scene, &["dokku ps:restore m"]);
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku ps:start m"]);
    assert_eq!(running(&scene, "m").len(), 1);
}

#[test]
fn docker_itself_starts_what_was_not_stopped() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku ps:set m restart-policy unless-stopped", "dokku ps:restart m"]);
    scene.reboot().unwrap();
    assert_eq!(running(&scene, "m").len(), 1);
}
