//! The secrets in the configuration: Synapse prints the whole setting that it rejects.

use crate::{
    error::Result,
    host::{env::Env, files, scrub::Scrubber, secret::Secret},
    state::Spec,
    synapse::inputs,
};
use serde_json::Value;

/// Lets the scrubber know the secrets in the configuration, and in the files that it names: the
/// registration of a bridge has tokens.
pub(super) fn learn(scrubber: &Scrubber, env: &Env, spec: &Spec) -> Result<()> {
    for path in inputs::files(env, spec)?.into_values() {
        if path.extension() != Some("yaml") {
            continue;
        }
        let text = files::read(&path)?.unwrap_or_default();
        // Of a file that is no YAML, Synapse prints only where the mistake is.
        if let Ok(content) = serde_yaml::from_str::<Value>(&text) {
            learn_from(scrubber, &content, false);
        }
    }
    Ok(())
}

fn learn_from(scrubber: &Scrubber, content: &Value, secret: bool) {
    const NAMES: [&str; 5] = ["secret", "pass", "password", "token", "_key"];
    let is_secret = |name: &str| {
        NAMES.iter().any(|end| name.ends_with(end)) || ["key", "pepper"].contains(&name)
    };
    match content {
        // Python shows a line end as `\\n`, so each line counts.
        Value::String(text) if secret => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.for_each(|line| scrubber.learn(&Secret::new(line)));
        }
        Value::Array(items) => items.iter().for_each(|item| learn_from(scrubber, item, secret)),
        Value::Object(fields) => {
            for (name, value) in fields {
                learn_from(scrubber, value, is_secret(name));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_secrets_by_their_names() {
        let scrubber = Scrubber::default();
        let yaml = "turn_shared_secret: s3cret1\ntrusted_key_servers: [{server_name: matrix.org}]\n\
            email: {smtp_pass: s3cret2}\nrecaptcha_private_key: s3cret3\nmax_upload_size: 50Megabytes\n\
            as_token: s3cret4\njwt: {key: \"-----BEGIN-----\\ns3cret5\\n\"}\n";
        learn_from(&scrubber, &serde_yaml::from_str(yaml).unwrap(), false);
        let line =
            r"s3cret1 s3cret2 s3cret3 s3cret4 -----BEGIN-----\ns3cret5\n matrix.org 50Megabytes";
        assert_eq!(scrubber.scrub(line), r"*** *** *** *** ***\n***\n matrix.org 50Megabytes");
    }
}
