//! Files of every version load for ever, and are replaced when they are written again.

use super::*;
use crate::{
    error::{Exit, Result},
    host::{Host, env::Env, files, run::Nowhere},
    names::ServerName,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::{collections::BTreeSet, sync::Arc};

const VERSION1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/state/fixtures/version1");
const VERSION2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/state/fixtures/version2");

/// A host whose `data/matrix` is a copy of a fixture.
struct TestHost {
    host: Host,
    data: Utf8PathBuf,
    _guard: tempfile::TempDir,
}

impl TestHost {
    fn new(fixture: &str) -> Self {
        let (guard, lib) = files::scratch().unwrap();
        let data = lib.join("data/matrix");
        std::fs::create_dir_all(&data).unwrap();
        copy(fixture.into(), &data);
        let host =
            Host::new(Env::of(&[("DOKKU_LIB_ROOT", lib.as_str())]), Arc::new(Nowhere), false);
        Self { host, data, _guard: guard }
    }

    fn env(&self) -> &Env {
        self.host.env()
    }

    fn read(&self, path: &str) -> Option<String> {
        files::read(&self.data.join(path)).unwrap()
    }

    fn write(&self, path: &str, text: &str) {
        files::write_scratch(&self.data.join(path), text).unwrap();
    }
}

fn copy(from: &Utf8Path, to: &Utf8Path) {
    for name in files::list(from).unwrap() {
        let (from, to) = (from.join(&name), to.join(&name));
        if files::stat(&from).unwrap().unwrap().directory {
            std::fs::create_dir(&to).unwrap();
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn message<T: std::fmt::Debug>(result: Result<T>) -> String {
    result.unwrap_err().lines().join("\n")
}

/// All that differs between the versions is when the template was verified: version 1 has the time
/// of its file.
fn without_time(mut status: Status) -> Status {
    if let Some(template) = &mut status.template {
        template.at = 0;
    }
    status
}

#[test]
fn version_1_says_the_same_as_version_2() {
    let (old, new) = (TestHost::new(VERSION1), TestHost::new(VERSION2));
    let example = name("example.org");
    let spec = |host: &TestHost| Spec::read(host.env(), &example).unwrap().unwrap();
    assert_eq!(spec(&old), spec(&new));
    let status = |host: &TestHost| Status::read(host.env(), &example).unwrap();
    let wanted = Status { hold: None, ..without_time(status(&new)) };
    assert_eq!(without_time(status(&old)), wanted);
    assert!(status(&old).template.unwrap().at > 0);
    let host = |host: &TestHost| HostStatus::read(host.env()).unwrap();
    assert_eq!(host(&old), host(&new));
}

#[test]
fn version_1_may_lack_what_is_optional() {
    let old = TestHost::new(VERSION1);
    let spec = Spec::load(old.env(), &name("small.example")).unwrap();
    assert_eq!((spec.components.len(), spec.email, spec.support), (0, None, None));
    let status = Status::read(old.env(), &name("small.example")).unwrap();
    let template = status.template.unwrap();
    assert_eq!((template.digest.as_str(), template.refused), ("5ca1ab1e", None));
    assert_eq!(
        (status.validated, status.failed_image, status.creating_service),
        (None, None, None)
    );
}

#[test]
fn writes_what_it_reads() {
    let new = TestHost::new(VERSION2);
    let example = name("example.org");
    for path in ["example.org/server.json", "example.org/status.json", ".host/host.json"] {
        let before = new.read(path);
        Spec::load(new.env(), &example).unwrap().write(&new.host).unwrap();
        Status::update(&new.host, &example, |_| ()).unwrap();
        HostStatus::read(new.env()).unwrap().write(&new.host).unwrap();
        assert_eq!(new.read(path), before, "{path}");
    }
}

#[test]
fn replaces_the_files_of_version_1() {
    let old = TestHost::new(VERSION1);
    let example = name("example.org");
    assert!(Spec::is_outdated(old.env(), &example).unwrap());
    let (spec, before) =
        (Spec::load(old.env(), &example).unwrap(), Status::read(old.env(), &example).unwrap());
    spec.write(&old.host).unwrap();
    HostStatus::read(old.env()).unwrap().write(&old.host).unwrap();
    assert!(!Spec::is_outdated(old.env(), &example).unwrap());
    assert_eq!(Status::read(old.env(), &example).unwrap(), before);
    for path in [
        "example.org/judged",
        "example.org/nginx/proved",
        "example.org/making-service",
        "default-8448",
    ] {
        assert_eq!(old.read(path), None, "{path}");
    }
    assert_eq!(
        old.read("example.org/server.json"),
        TestHost::new(VERSION2).read("example.org/server.json")
    );
}

#[test]
fn moves_the_markers_and_leaves_a_link_for_an_older_plugin() {
    let old = TestHost::new(VERSION1);
    let all = |host: &TestHost| {
        marker::apps(host.env())
            .unwrap()
            .into_iter()
            .map(|app| {
                let marker = marker::read(host.env(), &app).unwrap().unwrap();
                (app, marker)
            })
            .collect::<Vec<_>>()
    };
    let before = all(&old);
    assert_eq!(before.len(), 4);
    assert!(before.contains(&("chat".into(), Marker::component("element", &name("example.org")))));
    marker::remove(&old.host, "copy").unwrap();
    marker::write(&old.host, "copy", &Marker::Clone).unwrap();
    assert_eq!(all(&old), before);
    for path in [".host/apps/matrix", ".apps/matrix"] {
        assert_eq!(old.read(path).as_deref(), Some("synapse example.org\n"), "{path}");
    }
}

#[test]
fn refuses_what_it_does_not_understand() {
    let example = name("example.org");
    let host = TestHost::new(VERSION2);
    let read = |path: &str| match path {
        "example.org/server.json" => message(Spec::read(host.env(), &example)),
        "example.org/status.json" => message(Status::read(host.env(), &example)),
        _ => message(HostStatus::read(host.env())),
    };
    for path in ["example.org/server.json", "example.org/status.json", ".host/host.json"] {
        let good = host.read(path).unwrap();
        for (text, wanted) in [
            (
                good.replace("\"version\": 2", "\"version\": 3"),
                "was written by a newer version of this plugin\nsudo dokku plugin:update matrix",
            ),
            (
                good.replace("\"version\": 2", "\"version\": 2, \"other\": 1"),
                "is damaged: unknown field `other`",
            ),
            (good.replace("\"version\": 2,", ""), "is damaged: missing field `version`"),
            (good[..good.len() / 2].to_owned(), "is damaged: "),
            (String::new(), "is damaged: "),
        ] {
            host.write(path, &text);
            let message = read(path);
            assert!(message.contains(wanted), "{path}: {message}");
        }
    }
    for text in ["", "synapse", "synapse no name", "synapse Upper.Case"] {
        std::fs::create_dir_all(host.data.join(".host/apps")).unwrap();
        host.write(".host/apps/matrix", text);
        let message = message(marker::read(host.env(), "matrix"));
        assert!(message.contains("apps/matrix is damaged"), "{text:?}: {message}");
    }
}

#[test]
fn several_changes_of_a_status_at_a_time_lose_nothing() {
    let new = TestHost::new(VERSION2);
    let example = name("example.org");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (host, example) = (new.host.clone(), example.clone());
            scope.spawn(move || {
                Status::update(&host, &example, |status| {
                    let before = status.validated.clone().unwrap_or_default();
                    status.validated = Some(format!("{before}{number}"));
                })
            });
        }
    });
    let validated = Status::read(new.env(), &example).unwrap().validated.unwrap();
    let mut digits: Vec<_> = validated.strip_prefix("0f3b1d5e").unwrap().chars().collect();
    digits.sort_unstable();
    assert_eq!(digits, ['0', '1', '2', '3', '4', '5', '6', '7']);
}

/// An older plugin that was put back has chosen another default server meanwhile.
#[test]
fn two_default_servers_count_as_none() {
    let host = TestHost::new(VERSION2);
    for (old, wanted) in [
        ("example.org\n", Some(name("example.org"))),
        ("other.example\n", None),
        ("damaged name\n", Some(name("example.org"))),
    ] {
        host.write("default-8448", old);
        assert_eq!(HostStatus::read(host.env()).unwrap().default_8448, wanted, "{old}");
    }
    HostStatus::migrate(&host.host).unwrap();
    assert_eq!(host.read("default-8448"), None);
}

/// Whatever a server or an app is called, its files are no other's: not those of another server, nor
/// the plugin's own of this version or the first.
#[test]
fn names_collide_with_nothing() {
    const NAMES: [&str; 24] = [
        "default-8448",
        "default-8448:8448",
        "host",
        "host:1",
        "host.json",
        "apps",
        "locks",
        "writing",
        "a",
        "a.server",
        "a.data",
        "a.lock",
        "a.server.server",
        "server",
        "data",
        "config",
        "nginx",
        "server.json",
        "status.json",
        "judged",
        "clone",
        "synapse",
        "matrix",
        "example.org:8448",
    ];
    for fixture in [VERSION1, VERSION2] {
        let host = TestHost::new(fixture);
        let example = Spec::load(host.env(), &name("example.org")).unwrap();
        let before = HostStatus::read(host.env()).unwrap();
        let apps = marker::apps(host.env()).unwrap();
        HostStatus::migrate(&host.host).unwrap();
        let mut held = vec![locks::host(&host.host).unwrap()];
        let spec = |text: &str| Spec { server_name: name(text), ..example.clone() };
        let app = |text: &str| text.replace(':', "-");
        for text in NAMES {
            held.push(locks::server(&host.host, &name(text), "one").unwrap());
            held.push(locks::data(&host.host, &name(text), locks::Data::Replace, "two").unwrap());
            let paths = spec(text).paths(host.env());
            for directory in [paths.root(), paths.config(), paths.data(), paths.nginx()] {
                files::make_directory(&host.host, &directory, 0o700).unwrap();
            }
            spec(text).write(&host.host).unwrap();
            let validated = Some(text.to_owned());
            Status::update(&host.host, &name(text), |status| status.validated = validated).unwrap();
            marker::write(&host.host, &app(text), &Marker::component("synapse", &name(text)))
                .unwrap();
        }
        for text in NAMES {
            assert_eq!(Spec::load(host.env(), &name(text)).unwrap(), spec(text), "{text}");
            let status = Status::read(host.env(), &name(text)).unwrap();
            assert_eq!(status.validated.as_deref(), Some(text));
            let marker = marker::read(host.env(), &app(text)).unwrap();
            assert_eq!(marker, Some(Marker::component("synapse", &name(text))));
        }
        assert_eq!(HostStatus::read(host.env()).unwrap(), before);
        before.write(&host.host).unwrap();
        assert_eq!(HostStatus::read(host.env()).unwrap(), before);
        let all = Spec::all(host.env()).unwrap();
        assert!(all.iter().all(|(name, spec)| spec.as_ref().unwrap().server_name == *name));
        let all: BTreeSet<_> = NAMES.iter().map(|text| app(text)).chain(apps).collect();
        assert_eq!(marker::apps(host.env()).unwrap(), all.into_iter().collect::<Vec<_>>());
        assert_eq!(Spec::load(host.env(), &name("example.org")).unwrap(), example);
    }
}

#[test]
fn the_data_is_read_by_many_and_replaced_by_one() {
    use locks::{Data::*, data};
    let test = TestHost::new(VERSION2);
    let server = name("example.org");
    for (first, second, code) in [
        (Read, Read, None),
        (Read, Replace, Some(Exit::Busy)),
        (Replace, Read, Some(Exit::Busy)),
        (Replace, Replace, Some(Exit::Busy)),
    ] {
        let _held = data(&test.host, &server, first, "dokku x").unwrap();
        let error = data(&test.host, &server, second, "dokku y").err();
        assert_eq!(error.map(|error| error.code()), code, "{first:?}, {second:?}");
    }
}

#[test]
fn a_marker_is_new_until_it_is_written_again() {
    let test = TestHost::new(VERSION2);
    let ours = Marker::component("synapse", &name("example.org"));
    let is_new = || marker::is_new(test.env(), "app").unwrap();
    assert!(!is_new());
    for (write, new) in [
        (marker::write_new as fn(&Host, &str, &Marker) -> Result<()>, true),
        (marker::write, false),
    ] {
        write(&test.host, "app", &ours).unwrap();
        assert_eq!(is_new(), new);
        assert_eq!(marker::read(test.env(), "app").unwrap().as_ref(), Some(&ours));
    }
}
