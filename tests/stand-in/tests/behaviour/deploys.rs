//! Deploys: what stops which container, which triggers may refuse, and how many processes run at
//! the same time.

use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use stand_in::{Container, Image, Scene, Status};

use crate::{
    ELEMENT, SYNAPSE, deployed, mains, ok, plugin, refused, run, running, scene, stderr, stdout,
};

#[test]
fn checks_make_old_and_new_containers_overlap() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku ps:restart m", "dokku ps:rebuild m", "dokku config:set m A=b"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (1, 1));
    ok(&scene, &["dokku checks:enable m web", "dokku ps:restart m"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (2, 1));
}

#[test]
fn scale_starts_any_process_type() {
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
fn scheduler_deploy_can_refuse_before_anything_stops() {
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
fn scheduler_deploy_can_reset_the_scale() {
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
fn refusing_the_second_container_is_too_late() {
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

/// Adds an image whose process exits at once with that code.
fn crashing_image(scene: &Scene, reference: &str, code: i32) {
    let crashing_image = Image { on_host: true, starts: false, code, ..Image::default() };
    scene.update(|state| state.images.insert(reference.to_owned(), crashing_image)).unwrap();
}

fn newest(scene: &Scene) -> Container {
    scene.state().unwrap().containers.pop().unwrap()
}

/// Without checks Dokku does not look at the process, and Docker cannot rename a container during a
/// restart back-off.
#[test]
fn deploys_a_crashing_image_without_checks() {
    let scene = scene();
    deployed(&scene, "m");
    crashing_image(&scene, "m:2", 3);
    let run_ok = |line: &str| {
        let output = run(&scene, line);
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    let output = run_ok("dokku git:from-image m m:2");
    assert!(output.contains(" !     Failed to rename container m.web.1.upcoming-"));
    assert!(running(&scene, "m").is_empty());
    let first = newest(&scene);
    assert_eq!((first.image.as_str(), first.status), ("m:2", Status::Restarting));
    assert!(first.name.starts_with("m.web.1.upcoming-"), "{}", first.name);
    assert_eq!(run_ok("dokku ps:report m --running"), "true\n");
    let listed = run_ok("docker ps --filter label=com.dokku.app-name=m --format {{.ID}}");
    assert_eq!(listed, format!("{}\n", &first.id[..12]));
    let line = format!("docker exec {} true", first.id);
    let why = "is restarting, wait until the container is running";
    assert!(stderr(&refused(&scene, &line)).contains(why));
    // The next deploy replaces it.
    ok(&scene, &["dokku ps:restart m"]);
    let state = scene.state().unwrap();
    let old = state.containers.iter().find(|container| container.id == first.id).unwrap();
    assert_eq!((old.status, &old.name), (Status::Exited, &first.name));
    assert_eq!((mains(&scene), state.up("m").count()), (1, 1));
    // From the next restart on, the process keeps running.
    scene.update(|state| state.images.entry("m:2".to_owned()).or_default().starts = true).unwrap();
    let since = Instant::now();
    while running(&scene, "m").is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(50));
    }
    assert!(newest(&scene).restarts > 0);
}

/// The default restart policy is `on-failure:10`.
#[test]
fn on_failure_does_not_restart_after_exit_0() {
    let scene = scene();
    deployed(&scene, "m");
    crashing_image(&scene, "m:2", 0);
    ok(&scene, &["dokku git:from-image m m:2"]);
    let one = newest(&scene);
    assert_eq!((one.status, one.name.as_str(), one.restarts), (Status::Exited, "m.web.1", 0));
    ok(&scene, &["dokku ps:set m restart-policy unless-stopped", "dokku ps:restart m"]);
    assert_eq!(newest(&scene).status, Status::Restarting);
}

#[test]
fn a_failed_check_keeps_the_old_container() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku checks:enable m web"]);
    let before = running(&scene, "m");
    for (code, message) in [
        (0, "Container state: exited"),
        (3, "Failure in name='default': container has restarted 7 times"),
    ] {
        let image = format!("m:{code}");
        crashing_image(&scene, &image, code);
        let output = refused(&scene, &format!("dokku git:from-image m {image}"));
        assert!(stdout(&output).contains(message), "{output:?}");
        assert!(stdout(&output).contains("parallel: This job failed"));
        assert_eq!(running(&scene, "m"), before);
        assert_eq!(newest(&scene).status, Status::Exited);
        // Dokku has reset the commit, so the same reference can be deployed again.
        refused(&scene, &format!("dokku git:from-image m {image}"));
    }
    scene.update(|state| state.images.entry("m:3".to_owned()).or_default().starts = true).unwrap();
    ok(&scene, &["dokku git:from-image m m:3"]);
}

#[test]
fn broken_mounted_files_make_containers_exit() {
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
fn a_listener_can_be_set_before_the_app_exists() {
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
fn a_failed_build_keeps_its_commit() {
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
fn restore_skips_stopped_apps() {
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
fn docker_restarts_running_containers_at_boot() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku ps:set m restart-policy unless-stopped", "dokku ps:restart m"]);
    scene.reboot().unwrap();
    assert_eq!(running(&scene, "m").len(), 1);
}
