//! The README is correct: its commands run in their order, and its tables match the code.

use crate::contract::harness::{ELEMENT, SYNAPSE, TestHost};
use crate::support::Output;
use dokku_matrix::component::{CATALOG, element, synapse};
use dokku_matrix::error::Exit;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn repository_file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

pub(crate) fn readme() -> String {
    repository_file("README.md")
}

/// The fenced code blocks with this language, each as its lines.
pub(crate) fn blocks<'a>(text: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    let (mut blocks, mut inside) = (vec![], None);
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut inside) {
            (Some(_), Some((name, lines))) => {
                if *name == language {
                    blocks.push(std::mem::take(lines));
                }
                inside = None;
            }
            (Some(name), None) => inside = Some((name, vec![])),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    assert!(inside.is_none(), "a block is not closed");
    blocks
}

/// The text below a heading, up to the next heading of the same or a higher level.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let below = &text[start + heading.len() + 2..];
    let rank = heading.split(' ').next().unwrap();
    let end = (2..=rank.len()).filter_map(|n| below.find(&format!("\n{} ", "#".repeat(n)))).min();
    &below[..end.unwrap_or(below.len())]
}

/// The rows of a section's table, each as its cells.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// The texts between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A host with a Synapse for each app that the README creates, and all images that it names. Its
/// domain takes the place of the README's.
struct ReadmeHost {
    host: TestHost,
    #[expect(dead_code, reason = "the servers stop with the value")]
    others: Vec<crate::contract::homeserver::Homeserver>,
}

impl ReadmeHost {
    fn new(text: &str) -> Self {
        let host = TestHost::new();
        let words = || text.split(|c: char| c.is_whitespace() || "`'(),".contains(c));
        let images = words().filter(|word| {
            word.starts_with("matrixdotorg/synapse:v") || word.starts_with("vectorim/")
        });
        host.scene.update(|state| state.pullable.extend(images.map(str::to_owned))).unwrap();
        let made = text.lines().filter_map(|line| line.strip_prefix("dokku matrix:create "));
        let apps: BTreeSet<_> = made.filter_map(|rest| rest.split(' ').next()).collect();
        let others = apps.into_iter().filter(|app| *app != "matrix" && !app.starts_with('<'));
        let others = others.map(|app| host.homeserver(app)).collect();
        Self { host, others }
    }

    /// Runs a line in a shell, with a password on standard input.
    fn shell(&self, line: &str) -> Output {
        self.host.run(self.command(line), b"correct horse battery staple\n")
    }

    fn command(&self, line: &str) -> Command {
        let line = line.replace("example.org", "site.test");
        let mut command = self.host.scene.command("bash");
        command.args(["-c", &line]);
        for (name, value) in self.host.command("").get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command
    }
}

/// Whether a line can run on the stand-in host: not if it needs root, an editor, or a file.
fn runs_on_stand_in(line: &str) -> bool {
    let other = ["sudo ", "#", "dokku postgres:", "dev/"];
    !line.contains('<') && !other.iter().any(|start| line.starts_with(start))
}

#[test]
fn commands_work() {
    let text = readme();
    let host = ReadmeHost::new(&text);
    let mut matrix_commands = 0;
    for block in blocks(&text, "shell") {
        for line in block.into_iter().filter(|line| runs_on_stand_in(line)) {
            let output = host.shell(line);
            // The only reason for an exit code other than 0: the names are not in the DNS.
            let dns_errors = ["<not in the DNS>", "must serve these two files over https"];
            let only_dns = dns_errors.iter().any(|text| output.stderr.contains(text));
            let expected_exit = if only_dns { Exit::Attention } else { Exit::Done };
            assert_eq!(output.code, Some(expected_exit.code().into()), "{line}: {output:#?}");
            let is_matrix = line.contains("dokku matrix:");
            assert!(only_dns || !is_matrix || output.stderr.is_empty(), "{line}: {output:#?}");
            matrix_commands += usize::from(is_matrix);
        }
    }
    let shown = text.lines().filter(|l| l.contains("dokku matrix:") && runs_on_stand_in(l));
    let shown = shown.filter(|line| line.starts_with("dokku") || line.starts_with("echo"));
    assert_eq!(matrix_commands, shown.count(), "a command is not in a `shell` block");
    assert!(matrix_commands > 25, "{matrix_commands}");
    let users: Vec<_> = host.host.synapse.users().into_keys().collect();
    assert_eq!(users, ["alice", "bob", "carol"].map(|name| format!("@{name}:matrix.site.test")));
    assert!(host.host.state().max_mains.into_values().all(|most| most == 1));
}

/// The commands of the README restore the same server on a fresh host.
#[test]
fn restore_works() {
    let text = readme();
    let restore = &blocks(section(&text, "### Backups"), "shell")[1];
    let original = TestHost::after("matrix:create matrix --tls off");
    let (fresh, name) = (ReadmeHost::new(&text), "data/matrix/matrix.site.test");
    let copied =
        Command::new("cp").arg("-a").arg(original.lib(name)).arg(fresh.host.lib(name)).status();
    assert!(copied.unwrap().success());
    for line in restore.iter().filter(|line| !line.starts_with("sudo ")) {
        if line.starts_with("dokku postgres:import ") {
            let filled = |state: &mut stand_in::State| {
                state.services.get_mut("matrix-db").unwrap().tables = 176;
            };
            fresh.host.scene.update(filled).unwrap();
            continue;
        }
        if line.starts_with("dokku postgres:create ") {
            // It prints the password, which the checks of other commands would report.
            assert!(fresh.command(line).output().unwrap().status.success());
            continue;
        }
        let output = fresh.shell(line);
        assert!(matches!(output.code, Some(0 | 3)), "{line}: {output:#?}");
    }
    for file in ["config/secrets/signing.key", "config/secrets/macaroon_secret_key"] {
        assert_eq!(fresh.host.read(file), original.read(file));
    }
    assert_eq!(fresh.host.state().running("matrix").count(), 1);
}

#[test]
fn commands_match_the_help() {
    let help = TestHost::new().dokku("matrix:help").stdout;
    let lines = help.lines().skip_while(|line| *line != "Additional commands:").skip(1);
    let expected: Vec<_> = lines.filter_map(|line| line.trim().split_once("  ")).collect();
    let text = readme();
    let listed = &blocks(section(&text, "## Commands"), "")[0];
    let listed: Vec<_> = listed.iter().filter_map(|line| line.split_once("  ")).collect();
    let trimmed = |(left, right): &(&str, &str)| {
        (left.trim().to_owned(), right.trim_start_matches([' ', '#']).to_owned())
    };
    assert_eq!(
        listed.iter().map(trimmed).collect::<Vec<_>>(),
        expected.iter().map(trimmed).collect::<Vec<_>>()
    );
}

#[test]
fn flags_match_the_help() {
    let (text, host) = (readme(), TestHost::new());
    for name in dokku_matrix::cmd::links(CATALOG).iter().filter(|name| *name != "default") {
        let documented = section(&text, &format!("### matrix:{name}"));
        let bullets = documented.lines().filter_map(|line| line.strip_prefix("- `--"));
        let documented: BTreeSet<_> = bullets
            .flat_map(|rest| {
                let names = rest.split("`:").next().unwrap();
                names.split("`, `").map(|flag| flag.trim_start_matches('-').split(' ').next())
            })
            .flatten()
            .filter(|flag| !flag.starts_with("matrix-"))
            .map(str::to_owned)
            .collect();
        let help = host.dokku(&format!("matrix:help {name}")).stdout;
        let lines = help.lines().map(str::trim_start).filter_map(|line| line.strip_prefix("--"));
        let flags = lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
        assert_eq!(documented, flags, "matrix:{name}");
    }
}

#[test]
fn report_flags_match_the_report() {
    let (text, host) = (readme(), TestHost::new());
    host.ok("matrix:create matrix --tls off");
    let json = host.dokku("matrix:report matrix --format json").stdout;
    let json: serde_json::Map<_, _> = serde_json::from_str(&json).unwrap();
    let keys: Vec<_> = json.keys().map(|key| format!("--matrix-{key}")).collect();
    let documented = section(&text, "### matrix:report");
    let line = documented.lines().find(|line| line.starts_with("- `--matrix-")).unwrap();
    assert_eq!(code(line), keys);
}

#[test]
fn exit_codes_match_the_code() {
    let source = repository_file("src/error.rs");
    let (_, body) = source.split_once("pub enum Exit {").unwrap();
    let variants = body.split('}').next().unwrap().lines().filter_map(|l| l.split_once(" = "));
    let codes = variants.map(|(_, code)| code.trim_end_matches(','));
    // This one is only used between Dokku and the script `commands`.
    let codes: Vec<_> = codes.filter(|c| *c != Exit::NotImplemented.code().to_string()).collect();
    let text = readme();
    let documented: Vec<_> =
        rows(section(&text, "## Exit codes")).iter().map(|row| row[0]).collect();
    assert_eq!(documented, codes);
}

/// The table lists every file that is kept, and each of them exists after the commands that write
/// it.
#[test]
fn kept_files_are_listed() {
    let host = TestHost::new();
    host.scene.update(|state| state.pullable.insert("nginx:1".into())).unwrap();
    for line in ["apps:create site", "domains:set site site.test", "git:from-image site nginx:1"] {
        host.ok(line);
    }
    host.scene.give_certificate("site", &["site.test"]).unwrap();
    host.ok("matrix:create matrix --server-name site.test --email a@site.test --element");
    host.ok("matrix:email matrix --smtp-host mail.site.test --from a@site.test");
    let text = readme();
    let mut known = BTreeSet::new();
    for row in rows(section(&text, "## What is kept where")) {
        let [path, _, secret, writer] = row[..] else { panic!("{row:?}") };
        if ["the installation", "dokku-postgres"].contains(&writer) {
            continue;
        }
        for app in ["matrix", "chat"] {
            let path = code(path)[0]
                .replace("/var/lib/dokku", host.lib("").to_str().unwrap().trim_end_matches('/'))
                .replace("/home/dokku", host.scene.root().to_str().unwrap())
                .replace("<server name>", "site.test")
                .replace("<other app>", "site")
                .replace("<app>", app);
            let data = fs::metadata(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            if data.is_file() && secret == "**yes**" {
                assert_eq!(data.permissions().mode() & 0o777, 0o600, "{path}");
            }
            known.insert(PathBuf::from(path));
        }
    }
    let mut files = vec![];
    walk(&host.lib("data/matrix"), &mut files);
    assert!(files.len() > 10);
    for path in files {
        assert!(path.ancestors().any(|path| known.contains(path)), "{}", path.display());
    }
}

fn walk(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// The messages in the table must occur in the source.
#[test]
fn troubleshooting_quotes_real_messages() {
    let mut sources = vec![];
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    let mut all = repository_file("commands") + &repository_file("install");
    for path in sources {
        all += &fs::read_to_string(path).unwrap();
    }
    // Some messages contain a name that is filled in at run time.
    let all = all.replace("the plugin {name} is", "the plugin postgres is");
    let text = readme();
    let rows = rows(section(&text, "## Troubleshooting"));
    assert!(rows.len() > 10);
    for row in rows {
        for part in code(row[0])[0].split(" ... ") {
            assert!(all.contains(part), "{part:?} is not in the source");
        }
    }
}

#[test]
fn versions_and_names_match_the_code() {
    let (text, cargo) = (readme(), repository_file("Cargo.toml"));
    let value = |key: &str| {
        let line = cargo.lines().find_map(|line| line.strip_prefix(&format!("{key} = ")));
        line.unwrap().trim_matches('"').to_owned()
    };
    let single_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(single_line.contains(&format!("if Rust {} or newer", value("rust-version"))));
    assert_eq!((SYNAPSE, ELEMENT), (synapse::KIND.default_image, element::KIND.default_image));
    for image in [synapse::KIND.default_image, element::KIND.default_image] {
        assert!(text.contains(&format!("(default: `{image}`)")), "{image}");
    }
    let version = value("version");
    let changes = repository_file("CHANGELOG.md");
    let known = [format!("## [{version}]"), "## [Unreleased]".to_owned()];
    assert!(known.iter().any(|heading| changes.contains(heading)), "{version}");
    for row in rows(section(&text, "## Development")) {
        let mut paths: Vec<_> = code(row[0]).into_iter().map(PathBuf::from).collect();
        if let [directory @ ("dev/" | "tests/")] = code(row[0])[..] {
            paths.extend(code(row[1]).into_iter().map(|name| Path::new(directory).join(name)));
        }
        for path in paths {
            let exists = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists();
            assert!(exists, "{}", path.display());
        }
    }
}

#[test]
fn links_work() {
    for page in [
        "README.md",
        "docs/architecture.md",
        "docs/bridges.md",
        "docs/configuration.md",
        "docs/moving.md",
        "docs/proxies.md",
        "docs/testing.md",
    ] {
        let text = repository_file(page);
        let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
        let anchors: BTreeSet<_> = headings
            .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase())
            .map(|line| line.replace(' ', "-").replace([',', ':', '.', '\''], ""))
            .collect();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR"));
            let target = root.join(page).parent().unwrap().join(link);
            let leads = link.starts_with("https://")
                || link.strip_prefix('#').map_or(target.exists(), |at| anchors.contains(at));
            assert!(leads, "{page}: {link}");
        }
    }
}
