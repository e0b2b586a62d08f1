//! The image that is about to run starts the main process of Synapse, and nothing else: an image
//! from an older guide sets another user, and the server would be down with a deploy that succeeded.

use crate::{
    dokku::{
        docker,
        flags::{self, Flag},
        options,
        ps::{self, Command},
    },
    error::{Error, Result},
    host::{Host, secret::Secret},
    names::{AppName, ImageRef},
    synapse::start::{self, Start},
};
use std::collections::BTreeMap;

/// Checks how Dokku would start a container of the image, with this environment of the app.
///
/// # Errors
/// It would not run Synapse, or that cannot be known.
pub(super) fn check(
    host: &Host,
    app: &AppName,
    image: &ImageRef,
    config: &BTreeMap<String, Secret>,
) -> Result<()> {
    let not_started = |why: String| {
        let error = format!("the image for {app} would not run this homeserver: {why}");
        Error::new(host.scrubber().scrub(&error))
            .hint(format!("To go back to the recorded image: dokku matrix:deploy {app}"))
    };
    let config_of_image = docker::image_config(host, image)
        .required(|| Error::new(format!("the image {image} is not on this host")))?;
    let mut env: BTreeMap<String, String> =
        config_of_image.env.iter().filter_map(|pair| pair.split_once('=')).map(own).collect();
    // Of the app's variables only those that the check asks for, for the others may be secrets.
    for name in start::VARIABLES {
        env.extend(config.get(name).map(|value| (name.to_owned(), value.expose().to_owned())));
    }
    let mut entry_point = config_of_image.entry_point;
    let mut command = config_of_image.command;
    for flag in options_of(host, app)? {
        if flag.is(&["--entrypoint"]) {
            // Docker leaves out the image's command, too.
            let program = flag.value.unwrap_or_default();
            entry_point = if program.is_empty() { vec![] } else { vec![program] };
            command = vec![];
        } else if flag.is(&["-e", "--env"]) {
            let pair = flag.value.unwrap_or_default();
            env.extend([own(pair.split_once('=').unwrap_or((&pair, "")))]);
        }
    }
    match ps::start_command(host, app)? {
        Command::OfImage => {}
        Command::Words(line) => command = flags::words(&line),
        Command::Missing => return Err(not_started("its Procfile has no web process".to_owned())),
    }
    let argv = entry_point.into_iter().chain(command).collect();
    start::check(&Start { argv, env }).map_err(not_started)
}

fn own((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The docker options of the web process.
fn options_of(host: &Host, app: &AppName) -> Result<Vec<Flag>> {
    let options = options::of(host, app).or_absent(options::Options::default())?;
    let of_web = options.of_process.get("web").into_iter().flatten();
    Ok(options.deploy.iter().chain(of_web).flat_map(|option| flags::of(option)).collect())
}
