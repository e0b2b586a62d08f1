//! Renaming and cloning an app: what is lost, what is copied, and what remains after a refusal.

use crate::{deployed, mains, ok, plugin, refused, run, running, scene, stderr, stdout};

#[test]
fn rename_loses_checks_and_letsencrypt_settings() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku letsencrypt:set m email a@example.test", "dokku letsencrypt:enable m"]);
    ok(&scene, &["dokku nginx:set m client-max-body-size 50m", "dokku apps:rename m n"]);
    let ask = |line: &str| stdout(&run(&scene, line));
    assert_eq!(ask("dokku checks:report n --checks-disabled-list"), "none\n");
    assert_eq!(ask("dokku letsencrypt:active n"), "false\n");
    assert_eq!(ask("dokku domains:report n --domains-app-vhosts"), "n.example.test\n");
    assert_eq!(ask("dokku nginx:report n --nginx-client-max-body-size"), "50m\n");
    assert_eq!((mains(&scene), running(&scene, "n").len(), running(&scene, "m").len()), (1, 1, 0));
    // The checks are enabled again, so the next deploy runs both containers at the same time.
    ok(&scene, &["dokku ps:restart n"]);
    assert_eq!(mains(&scene), 2);
    let output = run(&scene, "dokku letsencrypt:report n --letsencrypt-email");
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(1), " !     not deployed\n".to_owned())
    );
}

#[test]
fn clone_runs_a_second_main_process() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku apps:clone m n"]);
    assert_eq!(mains(&scene), 2);
}

#[test]
fn clone_refused_in_scheduler_deploy_leaves_the_original_intact() {
    let scene = scene();
    deployed(&scene, "m");
    plugin(&scene, &[("scheduler-deploy", "[ \"$2\" = m ]")]);
    refused(&scene, "dokku apps:clone m n");
    ok(&scene, &["dokku apps:destroy n --force", "dokku proxy:build-config m"]);
    assert_eq!((mains(&scene), running(&scene, "m").len()), (1, 1));
}

#[test]
fn clone_refused_in_setup_breaks_the_original() {
    let scene = scene();
    deployed(&scene, "m");
    plugin(&scene, &[("post-app-clone-setup", "exit 1")]);
    refused(&scene, "dokku apps:clone m n");
    let output = refused(&scene, "dokku proxy:build-config m");
    assert!(stderr(&output).contains("duplicate upstream"));
    // nginx is still broken and interrupts `apps:destroy`; the original's container is stopped
    // already.
    refused(&scene, "dokku apps:destroy n --force");
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku proxy:clear-config n", "dokku apps:destroy n --force"]);
}

#[test]
fn rename_refused_in_post_app_rename_leaves_nothing_running() {
    let scene = scene();
    deployed(&scene, "m");
    plugin(&scene, &[("post-app-rename", "exit 1")]);
    refused(&scene, "dokku apps:rename m n");
    assert_eq!(run(&scene, "dokku apps:exists m").status.code(), Some(20));
    assert!(running(&scene, "n").is_empty());
}

#[test]
fn rename_triggers_see_partially_copied_settings() {
    let scene = scene();
    deployed(&scene, "m");
    let log = scene.path().join("log");
    let note = |what: &str| format!("echo {what} >>{}", log.display());
    plugin(
        &scene,
        &[
            (
                "post-app-rename-setup",
                &note(
                    "$1 $2 $(dokku storage:list $2 --format json) $(cat $DOKKU_ROOT/$2/CONTAINER.web.1 | wc -c)",
                ),
            ),
            ("pre-delete", &note("delete $1 $DOKKU_APPS_FORCE_DELETE")),
            ("post-app-rename", &note("$(dokku storage:list $2 --format json | wc -l)")),
        ],
    );
    ok(&scene, &["dokku apps:rename m n"]);
    let text = std::fs::read_to_string(log).unwrap();
    assert_eq!(text, "m n [] 64\ndelete m 1\n1\n");
}
