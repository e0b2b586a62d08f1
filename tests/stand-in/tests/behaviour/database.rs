//! Databases: locales, what is asked of them, and links that die.

use std::process::Output;

use stand_in::Scene;

use crate::{SYNAPSE, ok, refused, run, run_with, running, scene, stderr, stdout};

const LOCALES: &str = "SELECT pg_encoding_to_char(encoding),datcollate,datctype FROM pg_database WHERE datname=current_database();\n";
const PLAIN: &str = "\\pset format unaligned\n\\pset tuples_only on\n";

fn ask(scene: &Scene, service: &str, sql: &str) -> Output {
    run_with(scene, &format!("dokku postgres:connect {service}"), Some(sql))
}

fn create(scene: &Scene, service: &str, env: &str) {
    scene.run(&["dokku", "postgres:create", service, "--custom-env", env], None).unwrap();
}

#[test]
fn lc_all_leaves_no_database() {
    let scene = scene();
    create(&scene, "bad", "LC_ALL=C");
    let output = ask(&scene, "bad", "select 1;");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("database \"bad\" does not exist"));
    let repair =
        "CREATE DATABASE bad TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
    let argv = ["docker", "exec", "dokku.postgres.bad", "psql", "-U", "postgres", "-c", repair];
    assert_eq!(stdout(&scene.run(&argv, None).unwrap()), "CREATE DATABASE\n");
    assert_eq!(
        stdout(&ask(&scene, "bad", &format!("{PLAIN}{LOCALES}"))),
        "Output format is unaligned.\nUTF8|C|C\n"
    );
}

#[test]
fn locales_follow_the_custom_environment() {
    let scene = scene();
    for (service, env, wanted) in [
        ("a", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C", "UTF8|C|C"),
        ("b", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C", "UTF8|C|C"),
        ("c", "LANG=C.UTF-8", "UTF8|C.UTF-8|C.UTF-8"),
        ("d", "", "UTF8|en_US.utf8|en_US.utf8"),
    ] {
        create(&scene, service, env);
        assert!(
            stdout(&ask(&scene, service, &format!("{PLAIN}{LOCALES}")))
                .ends_with(&format!("{wanted}\n")),
            "{service}"
        );
    }
}

#[test]
fn tables_are_counted() {
    let scene = scene();
    create(&scene, "db", "");
    let sql =
        format!("{PLAIN}SELECT count(*) FROM pg_tables WHERE tablename='applied_schema_deltas';\n");
    assert!(stdout(&ask(&scene, "db", &sql)).ends_with("\n0\n"));
    scene.update(|state| state.services.get_mut("db").unwrap().tables = 170).unwrap();
    assert!(stdout(&ask(&scene, "db", &sql)).ends_with("\n170\n"));
}

/// An app `m` that is deployed with a link to the database `db`.
fn linked() -> Scene {
    let scene = scene();
    create(&scene, "db", "");
    ok(
        &scene,
        &[
            "dokku apps:create m",
            "dokku postgres:link db m --no-restart",
            &format!("dokku git:from-image m {SYNAPSE}"),
        ],
    );
    scene
}

#[test]
fn a_database_made_anew_leaves_a_dead_link() {
    let scene = linked();
    let look = "dokku enter m web python -c psycopg2";
    ok(&scene, &[look, "dokku postgres:stop db"]);
    assert_eq!(stdout(&run(&scene, "dokku postgres:info db --status")), "missing\n");
    refused(&scene, "dokku ps:restart m");
    ok(&scene, &["dokku postgres:start db", "dokku ps:restart m", look]);
    ok(&scene, &["dokku postgres:stop db", "dokku postgres:start db"]);
    refused(&scene, look);
    let state = scene.state().unwrap();
    let container = state.running("m").next().unwrap();
    assert_eq!(state.dead_links(container), ["db"]);
    let output = refused(&scene, "docker restart m.web.1");
    assert!(stderr(&output).contains("Cannot link to a non running container"));
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku ps:restart m", look]);
}

/// `docker stop` leaves its container there.
#[test]
fn a_database_that_is_stopped_is_linked_to_nobody() {
    let scene = linked();
    ok(&scene, &["docker stop dokku.postgres.db"]);
    assert_eq!(stdout(&run(&scene, "dokku postgres:info db --status")), "exited\n");
    refused(&scene, "dokku enter m web python -c psycopg2");
    let id = scene.state().unwrap().services["db"].container.clone().unwrap();
    let stopped = format!("Error response from daemon: Container {id} is not running\n");
    assert_eq!(stderr(&ask(&scene, "db", "select 1;")), stopped);
    let output = refused(&scene, "docker restart m.web.1");
    let dead = "Cannot link to a non running container: /dokku.postgres.db AS /m.web.1/";
    assert!(stderr(&output).contains(dead));
    let started = "=====> Starting container\n=====> Container started\n";
    assert_eq!(stdout(&run(&scene, "dokku postgres:start db")), started);
    assert_eq!(scene.state().unwrap().services["db"].container.as_ref(), Some(&id));
    ok(&scene, &["docker start m.web.1", "dokku enter m web python -c psycopg2"]);
}

/// The link is there all the same.
#[test]
fn a_link_does_not_fail_with_its_restart() {
    let scene = scene();
    create(&scene, "db", "");
    let image = format!("dokku git:from-image m {SYNAPSE}");
    ok(&scene, &["dokku apps:create m", &image, "dokku postgres:stop db"]);
    let output = run(&scene, "dokku postgres:link db m");
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("This job failed"));
    assert_eq!(stderr(&output), " !     Failure while restarting app: \n");
    ok(&scene, &["dokku postgres:linked db m"]);
}

#[test]
fn passwords_are_told_unless_dokku_is_quiet() {
    let scene = scene();
    create(&scene, "db", "");
    ok(&scene, &["dokku apps:create m"]);
    let password = scene.state().unwrap().services["db"].password.clone();
    let loud = stdout(&run(&scene, "dokku postgres:link db m --no-restart"));
    assert!(loud.contains(&password));
    ok(&scene, &["dokku postgres:unlink db m --no-restart"]);
    let mut command = scene.command("dokku");
    command.args(["postgres:link", "db", "m", "--no-restart"]).env("DOKKU_QUIET_OUTPUT", "1");
    assert!(!stdout(&command.output().unwrap()).contains(&password));
}
