//! nginx: which template is used, and how one app's file breaks all others.

use std::fs;

use stand_in::Scene;

use crate::{deployed, ok, plugin, refused, run, scene, stderr, stdout};

fn part(scene: &Scene, app: &str, text: &str) {
    let dir = scene.root().join(app).join("nginx.conf.d");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("x.conf"), text).unwrap();
}

#[test]
fn one_bad_file_breaks_every_app() {
    let scene = scene();
    ok(&scene, &["dokku apps:create one", "dokku apps:create two"]);
    for bad in ["BROKEN;\n", "location = /x {\n}\nlocation = /x {\n}\n"] {
        part(&scene, "one", bad);
        for line in [
            "dokku proxy:build-config two",
            "dokku domains:add two x.example.test",
            "dokku apps:create three",
        ] {
            let output = refused(&scene, line);
            assert!(stderr(&output).contains("test failed"), "{line}");
            part(&scene, "one", "");
            run(&scene, "dokku apps:destroy three --force");
            part(&scene, "one", bad);
        }
    }
    part(&scene, "one", "location = /x {\n}\n");
    ok(&scene, &["dokku proxy:build-config two"]);
}

#[test]
fn uses_the_template_of_the_plugin() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku apps:create other"]);
    let dir = plugin(
        &scene,
        &[(
            "nginx-app-template-source",
            "[ \"$1 $2\" = \"m app-config\" ] && echo ${0%/*}/nginx.conf.sigil; exit 0",
        )],
    );
    let template = dir.join("nginx.conf.sigil");
    fs::write(&template, "server { # {{ $.APP }}\n}\n").unwrap();
    let built = stdout(&run(&scene, "dokku proxy:build-config m"));
    assert!(built.contains("Configuring m.example.test...(using plugin-supplied template)"));
    let conf = || fs::read_to_string(scene.root().join("m/nginx.conf")).unwrap();
    assert!(conf().contains("server { # m\n"));
    // If sigil rejects the template, the old file stays. If nginx rejects it, the new file stays
    // and breaks all apps.
    fs::write(&template, "SIGIL_BROKEN").unwrap();
    refused(&scene, "dokku proxy:build-config m");
    assert!(conf().contains("server { # m\n"));
    fs::write(&template, "BROKEN").unwrap();
    refused(&scene, "dokku proxy:build-config m");
    refused(&scene, "dokku proxy:build-config other");
    fs::remove_file(dir.join("nginx-app-template-source")).unwrap();
    ok(&scene, &["dokku proxy:build-config m", "dokku proxy:build-config other"]);
    assert!(conf().contains("the built-in template"));
}

#[test]
fn refuses_two_default_servers_on_one_port() {
    let scene = scene();
    deployed(&scene, "m");
    deployed(&scene, "n");
    let dir = plugin(
        &scene,
        &[(
            "nginx-app-template-source",
            "[ $2 = app-config ] && echo ${0%/*}/nginx.conf.sigil; exit 0",
        )],
    );
    let template = dir.join("nginx.conf.sigil");
    fs::write(
        &template,
        "listen [::]:{{ $port }}{{ if eq $port \"8448\" }} default_server{{ end }};\n",
    )
    .unwrap();
    ok(&scene, &["dokku proxy:build-config m"]);
    let output = refused(&scene, "dokku proxy:build-config n");
    assert!(stderr(&output).contains("duplicate default server for 0.0.0.0:8448"));
    ok(&scene, &["dokku ports:remove n https:8448:8008", "dokku proxy:build-config m"]);
}

#[test]
fn listens_on_https_only_with_a_certificate() {
    let scene = scene();
    deployed(&scene, "m");
    ok(&scene, &["dokku letsencrypt:set m email a@example.test", "dokku letsencrypt:enable m"]);
    assert!(scene.root().join("m/tls/server.crt").exists());
    assert!(scene.root().join("m/nginx.conf.d/hsts.conf").exists());
    assert!(!scene.root().join("m/nginx.conf.d/letsencrypt.conf").exists());
    assert!(fs::read_to_string(scene.root().join("m/nginx.conf")).unwrap().contains("listen 8448"));
    // The certificate stays in use if a later request fails.
    scene.update(|state| state.letsencrypt.fails.insert("m.example.test".to_owned())).unwrap();
    let output = refused(&scene, "dokku letsencrypt:enable m --force");
    assert!(stderr(&output).contains("Failed to setup letsencrypt"));
    assert_eq!(stdout(&run(&scene, "dokku letsencrypt:active m")), "true\n");
}

#[test]
fn the_first_domain_clears_the_port_map() {
    let scene = scene();
    scene.update(|state| state.global_domains.clear()).unwrap();
    ok(
        &scene,
        &[
            "dokku apps:create m",
            "dokku ports:set m http:80:8008 https:443:8008",
            "dokku domains:set m m.example.test",
        ],
    );
    assert_eq!(stdout(&run(&scene, "dokku ports:report m --ports-map")), "\n");
    ok(&scene, &["dokku ports:set m http:80:8008", "dokku domains:set m n.example.test"]);
    assert_eq!(stdout(&run(&scene, "dokku ports:report m --ports-map")), "http:80:8008\n");
}
