//! Databases: locales, queries, and dead links.

use std::process::Output;

use stand_in::Scene;

use crate::{SYNAPSE, ok, refused, run, run_with, running, scene, stderr, stdout};

const LOCALES: &str = "SELECT pg_encoding_to_char(encoding),datcollate,datctype FROM pg_database WHERE datname=current_database();\n";
const PLAIN: &str = "\\pset format unaligned\n\\pset tuples_only on\n";

fn query(scene: &Scene, service: &str, sql: &str) -> Output {
    run_with(scene, &format!("dokku postgres:connect {service}"), Some(sql))
}

fn create(scene: &Scene, service: &str, env: &str) {
    scene.run(&["dokku", "postgres:create", service, "--custom-env", env], None).unwrap();
}

#[test]
fn lc_all_c_prevents_the_service_database() {
    let scene = scene();
    create(&scene, "bad", "LC_ALL=C");
    let output = query(&scene, "bad", "select 1;");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("database \"bad\" does not exist"));
    let repair =
        "CREATE DATABASE bad TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'";
    let argv = ["docker", "exec", "dokku.postgres.bad", "psql", "-U", "postgres", "-c", repair];
    assert_eq!(stdout(&scene.run(&argv, None).unwrap()), "CREATE DATABASE\n");
    assert_eq!(
        stdout(&query(&scene, "bad", &format!("{PLAIN}{LOCALES}"))),
        "Output format is unaligned.\nUTF8|C|C\n"
    );
}

#[test]
fn locales_follow_the_custom_environment() {
    let scene = scene();
    for (service, env, expected) in [
        ("a", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --lc-collate=C --lc-ctype=C", "UTF8|C|C"),
        ("b", "POSTGRES_INITDB_ARGS=--encoding=UTF8 --locale=C", "UTF8|C|C"),
        ("c", "LANG=C.UTF-8", "UTF8|C.UTF-8|C.UTF-8"),
        ("d", "", "UTF8|en_US.utf8|en_US.utf8"),
    ] {
        create(&scene, service, env);
        assert!(
            stdout(&query(&scene, service, &format!("{PLAIN}{LOCALES}")))
                .ends_with(&format!("{expected}\n")),
            "{service}"
        );
    }
}

#[test]
fn counts_tables() {
    let scene = scene();
    create(&scene, "db", "");
    let sql =
        format!("{PLAIN}SELECT count(*) FROM pg_tables WHERE tablename='applied_schema_deltas';\n");
    assert!(stdout(&query(&scene, "db", &sql)).ends_with("\n0\n"));
    scene.update(|state| state.services.get_mut("db").unwrap().tables = 170).unwrap();
    // One table has that name, however many there are.
    assert!(stdout(&query(&scene, "db", &sql)).ends_with("\n1\n"));
    let sql = format!(
        "{PLAIN}SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog','information_schema');\n"
    );
    assert!(stdout(&query(&scene, "db", &sql)).ends_with("\n170\n"));
}

/// A deployed app `m` with a link to the service `db`.
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
fn recreating_a_database_leaves_a_dead_link() {
    let scene = linked();
    let probe = "dokku enter m web python -c psycopg2";
    ok(&scene, &[probe, "dokku postgres:stop db"]);
    assert_eq!(stdout(&run(&scene, "dokku postgres:info db --status")), "missing\n");
    refused(&scene, "dokku ps:restart m");
    ok(&scene, &["dokku postgres:start db", "dokku ps:restart m", probe]);
    ok(&scene, &["dokku postgres:stop db", "dokku postgres:start db"]);
    refused(&scene, probe);
    let state = scene.state().unwrap();
    let container = state.running("m").next().unwrap();
    assert_eq!(state.dead_links(container), ["db"]);
    let output = refused(&scene, "docker restart m.web.1");
    assert!(stderr(&output).contains("Cannot link to a non running container"));
    assert!(running(&scene, "m").is_empty());
    ok(&scene, &["dokku ps:restart m", probe]);
}

/// `docker stop` does not remove the container.
#[test]
fn stopping_a_database_breaks_its_links() {
    let scene = linked();
    ok(&scene, &["docker stop dokku.postgres.db"]);
    assert_eq!(stdout(&run(&scene, "dokku postgres:info db --status")), "exited\n");
    refused(&scene, "dokku enter m web python -c psycopg2");
    let id = scene.state().unwrap().services["db"].container.clone().unwrap();
    let stopped = format!("Error response from daemon: Container {id} is not running\n");
    assert_eq!(stderr(&query(&scene, "db", "select 1;")), stopped);
    let output = refused(&scene, "docker restart m.web.1");
    let dead = "Cannot link to a non running container: /dokku.postgres.db AS /m.web.1/";
    assert!(stderr(&output).contains(dead));
    let started = "=====> Starting container\n=====> Container started\n";
    assert_eq!(stdout(&run(&scene, "dokku postgres:start db")), started);
    assert_eq!(scene.state().unwrap().services["db"].container.as_ref(), Some(&id));
    ok(&scene, &["docker start m.web.1", "dokku enter m web python -c psycopg2"]);
}

/// The link stays, even if the restart of the app fails.
#[test]
fn linking_succeeds_even_if_the_restart_fails() {
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
fn prints_passwords_unless_quiet() {
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
