//! What differs from host to host and from run to run, made equal.

use stand_in::Scene;

/// Commands that deploy or fetch a certificate: tools that they run chatter.
const CHATTER: [&str; 12] = [
    "git:from-image",
    "ps:restart",
    "ps:rebuild",
    "ps:start",
    "ps:scale",
    "apps:rename",
    "apps:clone",
    "apps:destroy",
    "config:set trp",
    "letsencrypt:enable",
    "letsencrypt:list",
    "logs ",
];

/// Whether lines of other tools are left out of what a command prints.
pub(crate) fn chatters(line: &str) -> bool {
    let command = line.trim_start_matches("dokku ");
    CHATTER.iter().any(|prefix| command.starts_with(prefix))
}

/// The text without ids, times, addresses, passwords and the scratch folder.
pub(crate) fn text(scene: &Scene, line: &str, text: &str) -> String {
    let text = text
        .replace(&scene.root().display().to_string(), "/home/dokku")
        .replace(&scene.lib().display().to_string(), "/var/lib/dokku");
    let command = line.trim_start_matches("dokku ");
    let text = if chatters(line) { without_chatter(&text) } else { text };
    let text = issuer(&dates(&text));
    let text = tokens(&text);
    if command.starts_with("letsencrypt:list") { squeeze(&text) } else { text }
}

/// Leaves out the lines of docker's build, of git, of lego, of containers and of the recording host's
/// own plugin, and of what runs side by side in any order.
fn without_chatter(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let words = line.trim_start();
        if line.starts_with("=====> End of ") || words.starts_with("server. Making") {
            inside = false;
        }
        let dated = line.starts_with("       20") && line.contains('/');
        let skip = inside
            || dated
            || words.is_empty()
            || words.starts_with('#')
            || words.starts_with("server. Making")
            || words.starts_with("!!!! HEADS UP")
            || line.starts_with("From /tmp/")
            || (line.starts_with("   ") && line.contains(" -> "))
            || line.starts_with(" !     Deprecated: please upgrade plugin")
            || line.starts_with("       Running healthcheck")
            || line.starts_with("       Attempting to retire");
        if !skip {
            kept.push_str(line);
        }
        if line.starts_with("=====> Start of ") || words.starts_with("!!!! HEADS UP") {
            inside = true;
        }
    }
    kept
}

/// `Feb 21 00:52:03 2027 GMT`.
fn dates(text: &str) -> String {
    let mut parts = text.split(" GMT").peekable();
    let mut whole = String::new();
    while let Some(part) = parts.next() {
        if parts.peek().is_some() && part.len() >= 20 {
            whole.push_str(&part[..part.len() - 20]);
            whole.push_str("<date>");
        } else {
            whole.push_str(part);
        }
    }
    whole
}

fn issuer(text: &str) -> String {
    match text.split_once("\"CN = ") {
        Some((before, after)) => {
            format!("{before}\"<issuer>{}", &after[after.find('"').unwrap_or(0)..])
        }
        None => text.to_owned(),
    }
}

/// Ids, hashes, times and addresses, word by word.
fn tokens(text: &str) -> String {
    let mut whole = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        whole.push_str(&token(&word));
        word.clear();
        if c != '\0' {
            whole.push(c);
        }
    }
    upcoming(&addresses(&stamps(&whole)))
}

fn token(word: &str) -> String {
    let hex = word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let digits = word.chars().all(|c| c.is_ascii_digit());
    match word.len() {
        64 | 40 | 32 | 12 | 11 if hex => format!("<{} digits>", word.len()),
        10 if digits && (word.starts_with("17") || word.starts_with("18")) => "<time>".to_owned(),
        _ => word.to_owned(),
    }
}

/// `2026-11-23T00:51:53.300119577Z`.
fn stamps(text: &str) -> String {
    let line = |line: &str| match line.split_once("\u{1b}[36m") {
        Some((before, after)) => {
            format!("{before}\u{1b}[36m{}", &after[after.find("Z ").unwrap_or(0)..])
        }
        None => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

fn addresses(text: &str) -> String {
    let mut parts = text.split("172.17.");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str("<ip>");
        whole.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'));
    }
    whole
}

fn upcoming(text: &str) -> String {
    let mut parts = text.split("upcoming-");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        whole.push_str("upcoming");
        whole.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    whole
}

/// Digits and runs of spaces as one of them: a table of times.
fn squeeze(text: &str) -> String {
    let mut whole = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if !((c == '0' || c == ' ') && whole.ends_with(c)) {
            whole.push(c);
        }
    }
    whole
}
