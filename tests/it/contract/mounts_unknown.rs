//! An app whose mounts are unknown may have a homeserver's data: the guards refuse it.

use super::guard::{allows, create_host, refuses};
use stand_in::{Fault, Kind};
use std::fs;

#[test]
fn asks_dokku_where_its_files_are_unreadable() {
    let host = create_host();
    host.setup(&["apps:create other"]);
    let deploy = || host.trigger("scheduler-deploy", "docker-local other latest");
    let run = || host.trigger("scheduler-run", "docker-local other 0 -- run");
    let file = host.lib("config/storage/other/mounts");
    let config = host.file("config").display().to_string();
    for is_mounted in [false, true] {
        if is_mounted {
            host.setup(&[&format!("storage:mount other {config}:/config:ro")]);
        }
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{\"another\": \"form\"}\n").unwrap();
        assert_eq!(deploy() == allows(), !is_mounted);
        assert_eq!(run() == allows(), !is_mounted);
    }
    // If Dokku does not know it either, nothing starts.
    let fault = Fault {
        argv_prefix: Some(["dokku", "storage:list"].map(str::to_owned).into()),
        nested: true,
        kind: Kind::Fail,
        ..Fault::default()
    };
    host.scene.set_fault(&fault).unwrap();
    let output = deploy();
    assert_eq!(output.code, refuses("").code);
    assert!(output.stderr.ends_with(" !     dokku storage:list other\n"), "{output:#?}");
}
