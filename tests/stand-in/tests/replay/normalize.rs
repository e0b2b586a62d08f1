//! Normalizes what differs between hosts and between runs: ids, times, addresses, passwords. In the
//! output of changing calls it also leaves out the messages of other tools.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};
use stand_in::Scene;

/// The prefix of the calls, the pattern to mask, and its replacement.
const MASKS: [(&str, &str, &str); 10] = [
    // Dates: of openssl, of Docker in a log, and in a table.
    ("", r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT", "<date>"),
    ("dokku logs", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z app", "<date> app"),
    ("dokku letsencrypt:list", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<date>"),
    ("", r"\b1[78]\d{8}\b", "<time>"),
    ("", r"172\.17\.\d+\.\d+", "<ip>"),
    // Of localhost, which has both addresses on some hosts.
    ("dokku postgres:connect", r"\((::1|127\.0\.0\.1)\), port", "(<ip>), port"),
    // The process id in the name of a container that is not up yet.
    ("", r"upcoming-\d+", "upcoming-<id>"),
    ("", r"Intermediate CA [0-9a-f]{6}", "Intermediate CA <id>"),
    // Passwords of dokku-postgres; the recordings contain zeros.
    ("", r"\b[0-9a-f]{32}\b", "<password>"),
    // An address. When it was removed from the recording, the following row lost its beginning.
    (
        "dokku plugin:list --format json",
        r#"(?:file:///srv/x|https://github.com/dokku/dokku-[a-z]+.git","committish":"","branch":""\},\{"name":"[a-z]+","version":"0.38.27","enabled":true,"core":true,"description":"dokku) core (logs|proxy) plugin"#,
        "<address> core $1 plugin",
    ),
];

/// Lines of other tools in the output of changing calls.
const CHATTER: [&str; 8] = [
    // Docker's build, including its empty lines.
    r"^#\d+ ",
    // Git fetching the commit.
    r"^From /tmp/",
    r"^ (  [0-9a-f]{7}\.\.[0-9a-f]{7}|\* \[new branch\]) .* -> ",
    // lego requesting a certificate.
    r"^       20\d\d/\d\d/\d\d \d\d:\d\d:\d\d ",
    // A plugin of the recording host, which implements every trigger.
    r"^ !     Deprecated: please upgrade plugin to use '[a-z-]+' plugin trigger instead of ",
    // Parallel jobs, in any order.
    r"^       Running healthcheck name=",
    r"^( !     )?\x1b\[1m\x1b\[31m !     \x1b\[0m\x1b\[0mFailure in name=",
    r"^       Attempting to retire ",
];

/// Blocks of output of a container or of lego: first line, last line, and whether these two lines
/// are left out as well.
const BLOCKS: [(&str, &str, bool); 3] = [
    ("=====> Start of ", "=====> End of ", false),
    ("=====> Start healthcheck output", "=====> End healthcheck output", true),
    ("       !!!! HEADS UP", "       server. Making", true),
];

/// One side of the comparison: the recording or the replay. Ids are numbered in the order of their
/// first appearance, so that both sides must repeat the same ids in the same places.
#[derive(Debug, Default)]
pub(crate) struct Side {
    ids: BTreeMap<String, usize>,
}

impl Side {
    /// The text without what may differ, and whether lines were left out.
    pub(crate) fn text(
        &mut self,
        scene: &Scene,
        line: &str,
        text: &str,
        changes: bool,
    ) -> (String, bool) {
        let text = text
            .replace(&scene.root().display().to_string(), "/home/dokku")
            .replace(&scene.lib().display().to_string(), "/var/lib/dokku");
        let (mut text, chatters) = if changes { without_chatter(&text) } else { (text, false) };
        for (prefix, pattern, word) in MASKS {
            if line.starts_with(prefix) {
                text = regex(pattern).replace_all(&text, word).into_owned();
            }
        }
        if line.starts_with("dokku letsencrypt:list") {
            text = spans(&text);
        }
        (self.ids(&text), chatters)
    }

    /// Replaces ids of containers, images and commits, complete or shortened.
    fn ids(&mut self, text: &str) -> String {
        let id = regex(r"\b([0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{11,12})\b");
        let number = |found: &Captures<'_>| {
            let count = self.ids.len() + 1;
            let number = *self.ids.entry(found[0][..11].to_owned()).or_insert(count);
            format!("<id {number}, {} digits>", found[0].len())
        };
        id.replace_all(text, number).into_owned()
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// Replaces spans such as `89d, 23h, 20m, 17s` in a column; the width of the column is compared.
fn spans(text: &str) -> String {
    let width = |found: &Captures<'_>| format!("<span in {}>", found[0].len());
    regex(r"\d+d, \d+h, \d+m, \d+s *").replace_all(text, width).into_owned()
}

fn without_chatter(text: &str) -> (String, bool) {
    let chatter = CHATTER.map(regex);
    let mut kept = String::new();
    let mut inside = None;
    let mut building = false;
    for line in text.split_inclusive('\n') {
        let ends = inside.filter(|(end, _): &(&str, bool)| line.starts_with(end));
        if ends.is_some() {
            inside = None;
        }
        let skip = inside.is_some()
            || ends.is_some_and(|(_, with)| with)
            || chatter.iter().any(|chatter| chatter.is_match(line))
            || (building && line == "\n");
        building = line.starts_with('#');
        for (start, end, with) in BLOCKS {
            if line.starts_with(start) {
                inside = Some((end, with));
            }
        }
        if !(skip || inside.is_some_and(|(_, with)| with)) {
            kept.push_str(line);
        }
    }
    let left_out = kept.len() < text.len();
    (kept, left_out)
}
