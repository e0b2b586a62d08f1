//! Prepares hosts as they were when a recording began.

use stand_in::{Answer, Image, Scene};

use super::Recorded;

const SYNAPSE: &str = "matrixdotorg/synapse:v1.163.2";

/// Brings a fresh scene to the state in which the recording began.
pub(crate) fn host(file: &str, scene: &Scene) {
    match file {
        "apps" => quietly(scene, "dokku apps:create smoke"),
        "deploy" => deploy(scene),
        "walk" => {
            letsencrypt(scene);
            on_host(scene, &[SYNAPSE, "vectorim/element-web:v1.12.32"]);
        }
        "more" => more(scene),
        "dies" => crash_loop(scene),
        "postgres-tables" => tables(scene),
        "storage" => directories(scene, &["matrix/tra/config"]),
        "storage-entries" => {
            quietly(scene, "dokku apps:create rest-a");
            directories(scene, &["rest/config", "rest/other"]);
        }
        _ => {}
    }
}

fn directories(scene: &Scene, names: &[&str]) {
    for name in names {
        std::fs::create_dir_all(scene.lib().join("data").join(name)).unwrap();
    }
}

fn crash_loop(scene: &Scene) {
    let crashing = Image { on_host: true, starts: false, code: 3, ..Image::default() };
    // The crontab existed before the recording.
    scene.update(|state| state.letsencrypt.cron = true).unwrap();
    scene.update(|state| state.images.insert("local/ends:3".to_owned(), crashing)).unwrap();
    scene.update(|state| state.global_domains = vec!["dokku.test".to_owned()]).unwrap();
    for line in [
        "dokku apps:create dying",
        "dokku checks:disable dying web",
        "dokku ps:set dying restart-policy unless-stopped",
        "dokku git:from-image dying local/ends:3",
    ] {
        quietly(scene, line);
    }
}

/// The extension pgcrypto with a table; two tables in two schemas; one of Synapse and one beside it.
fn tables(scene: &Scene) {
    for (name, synapses, others, extensions) in [
        ("tables-none", 0, &[][..], 1),
        ("tables-others", 0, &["orders", "shop.customers"], 0),
        ("tables-synapse", 1, &["portal"], 0),
    ] {
        quietly(scene, &format!("dokku postgres:create {name}"));
        scene
            .update(|state| {
                let service = state.services.get_mut(name).unwrap();
                service.tables = synapses;
                service.other_tables = others.iter().map(|&table| table.to_owned()).collect();
                service.extension_tables = extensions;
            })
            .unwrap();
    }
}

fn deploy(scene: &Scene) {
    on_host(scene, &["lab/smoke:1", "lab/smoke:2"]);
    quietly(scene, "dokku apps:create trp");
    let answer = |contains: &str, stdout: &str| Answer {
        contains: contains.to_owned(),
        stdout: stdout.to_owned(),
        ..Answer::default()
    };
    let inside = [
        answer("enter trp web ls /", "bin\ndev\netc\nproc\nsbin\nsys\ntmp\nwww\n"),
        answer("run trp ls /", "bin\ndev\netc\nproc\nsys\ntmp\nwww\n"),
    ];
    scene.update(|state| state.exec.extend(inside)).unwrap();
}

/// Three servers with certificates, two databases.
fn more(scene: &Scene) {
    letsencrypt(scene);
    on_host(
        scene,
        &[
            SYNAPSE,
            "matrixdotorg/synapse:v1.150.0",
            "vectorim/element-web:v1.12.32",
            "busybox:latest",
        ],
    );
    let crashing = Image { on_host: true, starts: false, ..Image::default() };
    scene.update(|state| state.images.insert("busybox:latest".to_owned(), crashing)).unwrap();
    let data = "/var/lib/dokku/data/matrix/matrix.example.test";
    for line in [
        "dokku apps:create matrix",
        "dokku apps:create matrix2",
        "dokku apps:create chat",
        "dokku ports:set matrix http:80:8008 https:443:8008 https:8448:8008",
        "dokku ports:set chat http:80:8080 https:443:8080",
        "dokku nginx:set matrix client-max-body-size 50m",
        "dokku checks:disable matrix web",
        "dokku postgres:create m2db",
        "dokku postgres:create synapsedb",
        "dokku postgres:link synapsedb matrix --no-restart",
        &format!("dokku storage:mount matrix {data}/config:/config:ro"),
        &format!("dokku storage:mount matrix {data}/data:/data"),
        "dokku config:set --no-restart matrix SYNAPSE_CONFIG_PATH=/config/homeserver.d",
        &format!("dokku git:from-image matrix {SYNAPSE}"),
        "dokku git:from-image chat vectorim/element-web:v1.12.32",
    ] {
        quietly(scene, line);
    }
    for app in ["matrix2", "matrix", "chat"] {
        quietly(scene, &format!("dokku letsencrypt:set {app} email a@example.test"));
        quietly(scene, &format!("dokku letsencrypt:enable {app}"));
    }
    scene
        .update(|state| {
            for (app, later) in [("matrix2", 0), ("matrix", 10), ("chat", 20)] {
                let cert = state.apps.get_mut(app).unwrap().cert.as_mut().unwrap();
                cert.expires_at += later;
            }
        })
        .unwrap();
}

/// The test host's ACME server, and the cron job of an earlier run.
fn letsencrypt(scene: &Scene) {
    let properties = [
        ("email", "test@example.test"),
        ("lego-args", "--dns.resolvers=172.17.0.1:8053"),
        (
            "lego-docker-options",
            "-v /etc/acme-test-root.pem:/etc/lab/minica.pem:ro -e LEGO_CA_CERTIFICATES=/etc/lab/minica.pem",
        ),
        ("server", "https://172.17.0.1:14000/dir"),
    ];
    scene
        .update(|state| {
            state.letsencrypt.cron = true;
            state
                .letsencrypt
                .properties
                .extend(properties.map(|(key, value)| (key.to_owned(), value.to_owned())));
        })
        .unwrap();
}

fn on_host(scene: &Scene, images: &[&str]) {
    scene
        .update(|state| {
            for image in images {
                state.images.entry((*image).to_owned()).or_default().on_host = true;
            }
        })
        .unwrap();
}

fn quietly(scene: &Scene, line: &str) {
    let argv: Vec<&str> = line.split(' ').collect();
    let output = scene.run(&argv, None).unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Sets the recorded output of the app before its log is requested.
pub(crate) fn call(scene: &Scene, call: &Recorded) {
    if call.argv.get(1).is_none_or(|command| command != "logs") {
        return;
    }
    let text_of = |line: &str| line.split_once("\u{1b}[0m ").map(|(_, text)| text.to_owned());
    let lines: Vec<String> = call.stdout.lines().filter_map(text_of).collect();
    scene.update(|state| state.logs.insert(call.argv[2].clone(), lines)).unwrap();
}

/// Paths in `docker` commands, and of named entries, must exist, so they are moved into the scene.
pub(crate) fn path(scene: &Scene, argv: &[String], arg: &str) -> String {
    let is_entry = argv.get(1).is_some_and(|command| command == "storage:create");
    if argv[0] != "docker" && !is_entry {
        return arg.to_owned();
    }
    let arg = arg.replace("/var/lib/dokku", &scene.lib().display().to_string());
    if let Some(dir) = arg.strip_suffix(":/config:ro") {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(
            std::path::Path::new(dir).join("10-server.yaml"),
            "server_name: example.test\n",
        )
        .unwrap();
    }
    arg
}
