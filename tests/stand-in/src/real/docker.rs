//! `docker run` and `docker exec`.

use anyhow::{Result, bail};

use super::container::Folder;
use super::engine;
use super::image::{Image, user_and_group};
use super::machine::Parts;
use crate::call::Call;
use crate::containers::{new_id, new_ip};
use crate::flags::Flags;
use crate::inspect::find;

/// `docker run --rm`: a container that is gone when its program has ended. Gives the exit code.
pub(crate) fn run(call: &Call, parts: &Parts, flags: &Flags, words: &[String]) -> Result<i32> {
    let Some((reference, args)) = words.split_first() else { bail!("docker: no image") };
    let (id, ip) = call.update(|state| Ok((new_id(state), new_ip(state))))?;
    let mut spec = Image::of(reference)?.spec(parts);
    spec.id.clone_from(&id);
    spec.mounts.extend(flags.mounts.iter().cloned());
    spec.hosts.extend(flags.hosts.iter().cloned());
    if let Some(user) = &flags.user {
        (spec.user, spec.group) = user_and_group(user)?;
    }
    spec.address = (!flags.alone).then(|| (ip, parts.network.clone()));
    spec.argv = flags.entrypoint.iter().chain(args).cloned().collect();
    Folder::of(call.store.root(), &id).make(&spec)?;
    engine::call(&["run".to_owned(), id], true)
}

/// `docker exec`: a program in a container of an app or of a service. Gives the exit code.
pub(crate) fn exec(call: &Call, name: &str, stdin: bool, command: &[String]) -> Result<i32> {
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
    engine::call(&[&words, command].concat(), stdin)
}
