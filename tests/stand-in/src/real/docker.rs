//! `docker run` and `docker exec`. A flag that nothing asks for is not known.

use anyhow::{Result, bail};

use super::container::Folder;
use super::engine;
use super::image::{Image, user_and_group};
use super::machine::Parts;
use crate::call::Call;
use crate::containers::new_id;
use crate::inspect::find;

/// `docker run --rm`: a container that is gone when its program has ended. Gives the exit code.
pub(crate) fn run(call: &Call, parts: &Parts, flags: &[String], words: &[String]) -> Result<i32> {
    let Some((reference, args)) = words.split_first() else { bail!("docker: no image") };
    let id = call.update(|state| Ok(new_id(state)))?;
    let mut spec = Image::of(reference).spec(parts);
    spec.id.clone_from(&id);
    id[..12].clone_into(&mut spec.name);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut value = || flags.next().cloned().unwrap_or_default();
        match flag.as_str() {
            "-v" => spec.mounts.push(value()),
            "--user" => {
                (spec.user, spec.group) = user_and_group(&value())?;
            }
            "--entrypoint" => spec.argv = vec![value()],
            "--rm" | "--network=none" | "--no-healthcheck" => {}
            label if label.starts_with("--label=") => {}
            other => bail!("docker: {other} is not known for a throw-away container"),
        }
    }
    spec.argv.extend(args.iter().cloned());
    Folder::of(call.store.root(), &id).make(&spec)?;
    engine::call(&["run".to_owned(), id])
}

/// `docker exec`: a program in a container of an app or of a service. Gives the exit code.
pub(crate) fn exec(call: &Call, name: &str, flags: &[String], command: &[String]) -> Result<i32> {
    if let Some(flag) = flags.iter().find(|flag| !matches!(flag.as_str(), "-i" | "--interactive")) {
        bail!("docker: {flag} is not known in exec");
    }
    let state = call.state()?;
    let service = name.strip_prefix("dokku.postgres.").and_then(|name| state.services.get(name));
    let id = match service {
        Some(service) => service.container.clone(),
        None => find(&state, name).map(|container| container.id.clone()),
    };
    let Some(id) = id else {
        call.eprint(format!("Error: No such container: {name}\n"));
        return Ok(1);
    };
    let words = ["exec".to_owned(), id, String::new()];
    engine::call(&[&words, command].concat())
}
