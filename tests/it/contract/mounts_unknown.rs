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
    let entries = host.lib("data/storage-registry/entries");
    for (mount, is_ours) in
        [("/srv:/srv".to_owned(), false), (format!("{config}:/config:ro"), true)]
    {
        host.setup(&[&format!("storage:mount other {mount}")]);
        // A newer Dokku writes them in another form.
        for entry in fs::read_dir(&entries).unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            fs::write(path, text.replace("\"schema_version\":", "\"version\":")).unwrap();
        }
        assert_eq!(deploy() == allows(), !is_ours);
        assert_eq!(run() == allows(), !is_ours);
    }
    fs::write(&file, "another form\n").unwrap();
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
