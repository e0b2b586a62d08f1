//! How the Synapse and Element Web images react to the mounted files: which configuration Synapse
//! accepts, and which files make a container exit at once.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::state::{Container, Image, State};

/// The exit code of a container that exits at once; `None` if it keeps running.
pub(crate) fn ends(state: &State, container: &Container) -> Option<i32> {
    let reference = &container.image;
    let fit = if reference.contains("element-web") {
        element_starts(container)
    } else if reference.contains("synapse") {
        let accepted = yaml(&container.mounts).is_none_or(|files| broken(&files).is_none());
        accepted && runs_synapse(state, container)
    } else {
        true
    };
    let image = state.image(reference);
    match (fit, image.starts) {
        (true, true) => None,
        (true, false) => Some(image.code),
        (false, _) => Some(1),
    }
}

/// The text files that a container sees at `/config` and in `/app`, by their paths there: Synapse
/// and Element Web read these when they start, and not again.
pub(crate) fn mounted_files(mounts: &[String]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for mount in mounts {
        let mut parts = mount.split(':');
        if let (Some(host), Some(inside)) = (parts.next(), parts.next())
            && (inside == "/config" || inside.starts_with("/app/"))
        {
            collect(Path::new(host), inside, &mut files);
        }
    }
    files
}

fn collect(path: &Path, name: &str, files: &mut BTreeMap<String, String>) {
    if path.is_dir() {
        for entry in path.read_dir().into_iter().flatten().flatten() {
            let inside = format!("{name}/{}", entry.file_name().to_string_lossy());
            collect(&entry.path(), &inside, files);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        files.insert(name.to_owned(), text);
    }
}

/// The entry point of an image.
pub(crate) fn entry_point(reference: &str, image: &Image) -> Vec<String> {
    let is_synapse = reference.contains("synapse");
    let program = if is_synapse { "/start.py" } else { "/docker-entrypoint.sh" };
    image.entrypoint.clone().unwrap_or_else(|| vec![program.to_owned()])
}

/// Whether Synapse's start script runs Synapse. It changes to the user in `UID`, which only root may.
fn runs_synapse(state: &State, container: &Container) -> bool {
    let image = state.image(&container.image);
    let app = state.apps.get(&container.app);
    let command = match app.and_then(|app| app.procfile.get(&container.process)) {
        Some(line) => line.split_whitespace().map(str::to_owned).collect(),
        None => image.cmd.clone(),
    };
    let variable = |name: &str| image.env.contains_key(name) || container.env.contains_key(name);
    let argv = [entry_point(&container.image, &image), command].concat();
    let runs = matches!(argv.as_slice(), [script] if script == "/start.py")
        || matches!(argv.as_slice(), [script, mode, ..] if script == "/start.py" && mode == "run");
    runs && (container.user.is_none() || !variable("UID"))
}

/// Element Web's nginx runs as its own user: it must be able to read its file, and to write as
/// group 0.
fn element_starts(container: &Container) -> bool {
    let group = container
        .user
        .as_ref()
        .and_then(|user| user.split_once(':'))
        .map_or("0", |(_, group)| group);
    let file = host_path(&container.mounts, "/app/config.json");
    let readable = file
        .and_then(|file| file.metadata().ok())
        .is_none_or(|meta| meta.permissions().mode() & 0o004 != 0);
    readable && (container.user.is_none() || group == "0")
}

/// The host path that is mounted at a container path, or below it.
pub(crate) fn host_path(mounts: &[String], inside: &str) -> Option<PathBuf> {
    mounts.iter().find_map(|mount| {
        let mut parts = mount.split(':');
        let (host, container) = (parts.next()?, parts.next()?);
        container.starts_with(inside).then(|| PathBuf::from(host))
    })
}

/// The files that Synapse reads; `None` if no configuration is mounted.
pub(crate) fn yaml(mounts: &[String]) -> Option<Vec<PathBuf>> {
    let dir = host_path(mounts, "/config")?;
    let nested = dir.join("homeserver.d");
    let dir = if nested.is_dir() { nested } else { dir };
    let entries = dir.read_dir().into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    Some(files)
}

pub(crate) fn is_yaml(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "yaml")
}

pub(crate) fn broken(files: &[PathBuf]) -> Option<&PathBuf> {
    let broken =
        |file: &&PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains("BROKEN"));
    files.iter().filter(|file| is_yaml(file)).find(broken)
}
