//! The programs other than `dokku`, and how Dokku calls the plugin.

use std::fs;

use crate::{
    SYNAPSE, deployed, ok, plugin, refused, run, run_with, running, scene, stderr, stdout,
};

#[test]
fn ufw_requires_sudo() {
    let scene = scene();
    refused(&scene, "ufw status");
    assert_eq!(stdout(&run(&scene, "sudo -n ufw status")), "Status: inactive\n");
    scene.update(|state| state.ufw.active = true).unwrap();
    ok(&scene, &["sudo -n /usr/sbin/ufw allow 8448/tcp"]);
    assert!(
        stdout(&run(&scene, "sudo -n ufw status"))
            .contains("8448/tcp                   ALLOW       Anywhere\n")
    );
    ok(&scene, &["sudo -n ufw delete allow 8448/tcp"]);
    assert!(scene.state().unwrap().ufw.allowed.is_empty());
    scene.update(|state| state.sudo_ufw = false).unwrap();
    let output = refused(&scene, "sudo -n ufw status");
    assert_eq!(stderr(&output), "sudo: a password is required\n");
    let changes: Vec<String> =
        scene.changes().unwrap().iter().map(stand_in::Record::line).collect();
    assert_eq!(changes, ["ufw allow 8448/tcp", "ufw delete allow 8448/tcp"]);
}

#[test]
fn nginx_validates_a_file_and_its_includes() {
    let scene = scene();
    let dir = scene.path().join("scratch");
    fs::create_dir_all(dir.join("parts")).unwrap();
    let file = dir.join("nginx.conf");
    fs::write(&file, "http {\n  include parts/*.conf;\n  include hsts.con[f];\n}\n").unwrap();
    let line = format!("sudo -n nginx -t -c {}", file.display());
    assert!(stderr(&run(&scene, &line)).contains("syntax is ok"));
    fs::write(dir.join("parts/a.conf"), "BROKEN;\n").unwrap();
    assert!(stderr(&refused(&scene, &line)).contains("test failed"));
    refused(&scene, line.trim_start_matches("sudo -n "));
    assert_eq!(stderr(&run(&scene, "nginx -v")), "nginx version: nginx/1.22.1\n");
}

#[test]
fn sigil_replaces_plain_variables() {
    let scene = scene();
    let file = scene.path().join("t.sigil");
    fs::write(&file, "server {{ $.APP }};\n").unwrap();
    let line = format!("sigil -f {} APP=m", file.display());
    let text = stdout(&run(&scene, &line));
    assert!(text.starts_with('#') && text.ends_with("\nserver m;\n"));
    fs::write(&file, "SIGIL_BROKEN").unwrap();
    refused(&scene, &line);
}

#[test]
fn synapse_validates_its_configuration() {
    let scene = scene();
    let (config, data) = (scene.path().join("config"), scene.path().join("data"));
    fs::create_dir_all(config.join("homeserver.d")).unwrap();
    let file = config.join("homeserver.d/90-local.yaml");
    let mounts = format!("-v {}:/config:ro -v {}:/data", config.display(), data.display());
    let check = |mounts: &str| {
        run(
            &scene,
            &format!(
                "docker run --rm --interactive --entrypoint python --user 1:1 {mounts} {SYNAPSE} - check /config/homeserver.d"
            ),
        )
    };
    fs::write(&file, "a: b\n").unwrap();
    let output = check(&mounts);
    assert_eq!((output.status.code(), stdout(&output).contains("\"settings\":")), (Some(0), true));
    fs::write(&file, "BROKEN: b\n").unwrap();
    let output = check(&mounts);
    assert!(output.status.code() == Some(1) && stderr(&output).contains("90-local.yaml is broken"));
    assert_eq!(check(mounts.split(" -v ").next().unwrap()).status.code(), Some(1));
}

#[test]
fn docker_inspects_images_and_containers() {
    let scene = scene();
    refused(&scene, &format!("docker image inspect {SYNAPSE}"));
    ok(
        &scene,
        &[&format!("docker image pull {SYNAPSE}"), &format!("docker image inspect {SYNAPSE}")],
    );
    refused(&scene, "docker image pull nosuch/image:1");
    deployed(&scene, "m");
    ok(&scene, &["dokku docker-options:add m deploy,run --user 1001:1001", "dokku ps:restart m"]);
    let id = &running(&scene, "m")[0];
    let filter = "--filter label=com.dokku.app-name=m";
    assert_eq!(
        stdout(&run(&scene, &format!("docker ps -q --no-trunc {filter}"))),
        format!("{id}\n")
    );
    assert_eq!(
        stdout(&run(&scene, &format!("docker ps -a {filter} --format {{{{.Names}}}}")))
            .lines()
            .count(),
        2
    );
    let inspect = |format: &str| {
        stdout(&scene.run(&["docker", "inspect", "--format", format, id], None).unwrap())
    };
    assert_eq!(inspect("{{.Config.User}} {{.State.Running}}"), "1001:1001 true\n");
    assert!(inspect("{{.State.StartedAt}}").ends_with("Z\n"));
    assert!(inspect("{{range .Mounts}}{{.Destination}} {{end}}").starts_with("/data "));
    assert!(inspect("{{json .HostConfig.RestartPolicy}}").contains("on-failure"));
    let file = fs::read_to_string(scene.root().join("m/CONTAINER.web.1")).unwrap();
    assert_eq!(file, *id);
    // Dokku builds `latest`, and no other tag.
    deployed(&scene, "built");
    ok(&scene, &["docker image inspect dokku/built:latest", "docker image inspect dokku/built"]);
    refused(&scene, "docker image inspect dokku/built:v2");
    refused(&scene, "docker image inspect dokku/other:latest");
}

#[test]
fn calls_the_plugin_as_a_real_host_does() {
    let scene = scene();
    let dir = plugin(
        &scene,
        &[
            (
                "subcommands/show",
                "echo \"$0 $# $1 $3\"; cat; echo \"$DOKKU_GLOBAL_FLAGS|$DOKKU_APPS_FORCE_DELETE|$HOME\"; exit 7",
            ),
            ("subcommands/default", "echo default"),
            ("commands", "[ \"$1\" = matrix:other ] || exit 10"),
        ],
    );
    let argv = ["dokku", "matrix:show", "m", "a b", "--force", "--dry-run"];
    let output = scene.run(&argv, Some("pass word\n")).unwrap();
    assert_eq!(output.status.code(), Some(7));
    let subcommand = scene.enabled().join("matrix/subcommands/show");
    let home = scene.root();
    assert_eq!(
        stdout(&output),
        format!(
            "{} 5 matrix:show a b\npass word\n--force --dry-run|1|{}\n",
            subcommand.display(),
            home.display()
        )
    );
    assert_eq!(stdout(&run(&scene, "dokku matrix")), "default\n");
    ok(&scene, &["dokku matrix:other"]);
    fs::remove_file(dir.join("subcommands/show")).unwrap();
    assert!(
        stderr(&refused(&scene, "dokku matrix:show m"))
            .contains("`matrix:show m` is not a dokku command.")
    );
    let output = run_with(&scene, "dokku apps:destroy m", Some(""));
    assert_eq!(output.status.code(), Some(20));
}

/// The stand-in reads standard input only for commands that use it.
#[test]
fn logs_calls_with_their_input() {
    let scene = scene();
    plugin(&scene, &[("subcommands/show", "cat")]);
    ok(&scene, &["dokku apps:create m", "dokku postgres:create db"]);
    scene.forget_calls().unwrap();
    let sql = "docker exec -i dokku.postgres.db psql -U postgres";
    for (line, stdin) in [
        ("dokku apps:destroy m", Some("no\n")),
        ("dokku postgres:connect db", Some("SELECT 1;\n")),
        (sql, Some("SELECT 1;\n")),
        ("dokku matrix:show m", Some("for the plugin\n")),
        ("dokku --quiet apps:list", None),
    ] {
        run_with(&scene, line, stdin);
    }
    let calls = scene.calls().unwrap();
    let kept: Vec<(String, Option<&str>)> =
        calls.iter().map(|call| (call.line(), call.stdin.as_deref())).collect();
    let expected = [
        ("dokku apps:destroy m", Some("no\n")),
        ("dokku postgres:connect db", Some("SELECT 1;\n")),
        (sql, Some("SELECT 1;\n")),
        ("dokku matrix:show m", None),
        ("dokku --quiet apps:list", None),
    ];
    assert_eq!(kept, expected.map(|(line, stdin)| (line.to_owned(), stdin)));
}

/// Tests of other crates do not have `CARGO_BIN_EXE_stand-in`.
#[test]
fn a_scene_finds_its_binary() {
    let scene = stand_in::Scene::new().unwrap();
    assert_eq!(stdout(&run(&scene, "dokku version")), "dokku version 0.38.27\n");
}

/// The environment that Dokku passes to a subcommand affects the calls that the subcommand makes.
#[test]
fn environment_of_a_subcommand_affects_its_calls() {
    let scene = scene();
    deployed(&scene, "m");
    let with = |name: &str, value: &str, args: &[&str]| {
        let mut command = scene.command("dokku");
        stderr_and_stdout(&command.args(args).env(name, value).output().unwrap())
    };
    let exists = with("DOKKU_APP_NAME", "other", &["apps:exists", "m"]);
    assert_eq!(exists, " !     App other does not exist\n");
    let pulled = with("DOKKU_APPS_FORCE_DELETE", "1", &["git:from-image", "m", SYNAPSE]);
    assert!(pulled.contains("Force pulling image"));
    let destroyed = with("DOKKU_APPS_FORCE_DELETE", "1", &["apps:destroy", "m"]);
    assert!(destroyed.contains("Destroying m"));
}

fn stderr_and_stdout(output: &std::process::Output) -> String {
    stderr(output) + &stdout(output)
}

#[test]
fn a_disabled_plugin_has_no_commands() {
    let scene = scene();
    scene.disable_plugin("letsencrypt").unwrap();
    refused(&scene, "dokku letsencrypt:list");
    assert!(!stdout(&run(&scene, "dokku plugin:list")).contains("letsencrypt"));
}
