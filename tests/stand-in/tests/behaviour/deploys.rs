//! Deploys: what stops what, who may refuse, and how many processes run at one moment.

use std::os::unix::fs::PermissionsExt;

use stand_in::{Image, Status};

use crate::{ELEMENT, SYNAPSE, deployed, mains, ok, plugin, refused, run, running, scene, stdout};

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

#[test]
fn an_image_that_ends_at_once_takes_the_old_container_with_it() {
    let scene = scene();
    deployed(&scene, "m");
    let dies = Image { on_host: true, starts: false, ..Image::default() };
    scene.update(|state| state.images.insert("m:2".to_owned(), dies)).unwrap();
    let output = refused(&scene, "dokku git:from-image m m:2");
    assert!(stdout(&output).contains("parallel: This job failed"));
    assert!(running(&scene, "m").is_empty());
    let last = scene.state().unwrap().containers.pop().unwrap();
    assert_eq!((last.image.as_str(), last.status), ("m:2", Status::Exited));
    // The commit was taken back, so the same reference may be tried again.
    scene.update(|state| state.images.entry("m:2".to_owned()).or_default().starts = true).unwrap();
    ok(&scene, &["dokku git:from-image m m:2"]);
}

#[test]
fn what_is_mounted_decides_whether_it_starts() {
    let scene = scene();
    deployed(&scene, "m");
    let config = scene.lib().join("data/matrix/m/config");
    std::fs::create_dir_all(config.join("homeserver.d")).unwrap();
    std::fs::write(config.join("homeserver.d/90-local.yaml"), "BROKEN: 1\n").unwrap();
    ok(&scene, &[&format!("dokku storage:mount m {}:/config:ro", config.display())]);
    refused(&scene, "dokku ps:restart m");
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
