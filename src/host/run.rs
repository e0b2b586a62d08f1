//! Runs programs.
//!
//! Owns streaming, timeouts, and what a child process inherits. Must not know any program.

use super::{
    Host,
    cmd::{Cmd, Effect, Output},
};
use crate::error::{Doing, Error, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::{
    fmt::Debug,
    fs::File,
    io::Write,
    os::unix::{
        fs::FileExt,
        process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// The path of a program. Also searches the directories of administrators, which are not in
/// dokku's `PATH`.
pub fn find(name: &str) -> Option<String> {
    let found = which::which(name)
        .or_else(|_| which::which_in(name, Some("/usr/local/sbin:/usr/sbin:/sbin"), "/"));
    found.ok()?.into_os_string().into_string().ok()
}

/// Receives the output of programs, line by line, scrubbed; one for each lane of work.
pub trait Sink: Debug + Send + Sync {
    /// A line without its line end.
    fn line(&self, line: &str);
}

/// A sink that discards everything.
#[derive(Debug)]
pub struct Nowhere;

impl Sink for Nowhere {
    fn line(&self, _line: &str) {}
}

/// Variables that a child process must not inherit: each changes what `dokku` does or prints.
const NOT_INHERITED: [&str; 8] = [
    "DOKKU_APP_NAME",
    "DOKKU_APPS_FORCE_DELETE",
    "DOKKU_BUILD_ID",
    "DOKKU_GLOBAL_FLAGS",
    "DOKKU_PID",
    "DOKKU_QUIET_OUTPUT",
    "DOKKU_REDIRECT_OUTPUT",
    "DOKKU_TRACE",
];

/// What is wrong when there is no file for the output.
const FAILED: &str = "cannot reserve memory for the output of a program";

pub(super) fn run(cmd: &Cmd, host: &Host) -> Result<Output> {
    let (mut out, mut err) = (Tail::new()?, Tail::new()?);
    let mut child = spawn(cmd, &out, &err)?;
    let changes = cmd.effect == Effect::Changes;
    let recorded = if changes { host.children().started(child.id()) } else { Ok(()) };
    // It is running already, so wait for it even if it could not be recorded.
    let output = follow(cmd, host, &mut child, &mut out, &mut err);
    if changes {
        // A child that has ended holds no lock, even if the file still names it.
        host.children().ended(child.id()).ok();
    }
    recorded?;
    output
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn spawn(cmd: &Cmd, out: &Tail, err: &Tail) -> Result<Child> {
    let mut command = Command::new(&cmd.program);
    command.args(&cmd.args).stdout(out.writer()?).stderr(err.writer()?);
    command.stdin(if cmd.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
    for name in NOT_INHERITED {
        command.env_remove(name);
    }
    command.envs(cmd.env.iter().copied());
    // In its own process group: an interrupt from the terminal ends this process, but not Dokku in
    // the middle of a deploy. The lock file names a child that is still running.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(format!("the program {} is not installed on this host", cmd.program))
        }
        _ => Error::new(format!("cannot start {}: {error}", cmd.program)),
    })?;
    if let (Some(text), Some(mut stdin)) = (cmd.stdin.clone(), child.stdin.take()) {
        // In a thread, because a program may print much before it reads. It need not read at all.
        std::thread::spawn(move || stdin.write_all(text.expose().as_bytes()).ok());
    }
    Ok(child)
}

fn follow(
    cmd: &Cmd,
    host: &Host,
    child: &mut Child,
    out: &mut Tail,
    err: &mut Tail,
) -> Result<Output> {
    let start = Instant::now();
    let mut output = Output { code: 0, stdout: String::new(), lines: vec![] };
    // Poll fast at first, so that fast commands are not slowed down.
    let mut pause = Duration::from_millis(1);
    loop {
        let status = child.try_wait().doing(|| format!("cannot wait for {}", cmd.program))?;
        for (tail, is_out) in [(&mut *out, true), (&mut *err, false)] {
            for line in tail.lines(status.is_some())? {
                if is_out {
                    output.stdout.push_str(&line);
                }
                let text = plain(&line);
                // Output of reads is not shown: it may hold secrets that the scrubber does not know.
                if cmd.effect == Effect::Changes {
                    host.sink().line(&host.scrubber().scrub(&text));
                }
                output.lines.push(text);
            }
        }
        if let Some(status) = status {
            output.code = code(status);
            return Ok(output);
        }
        if start.elapsed() > cmd.timeout {
            stop(child);
            let timeout = cmd.timeout.as_secs();
            return Err(Error::new(format!("`{cmd}` did not end within {timeout} seconds")));
        }
        std::thread::sleep(pause);
        let longest = if start.elapsed().as_secs() < 1 { 4 } else { 50 };
        pause = (pause * 2).min(Duration::from_millis(longest));
    }
}

/// A line as a terminal finally shows it: without colours and overwritten text.
pub fn plain(line: &str) -> String {
    let text = anstream::adapter::strip_str(line.trim_end_matches(['\r', '\n'])).to_string();
    text.rsplit('\r').next().unwrap_or_default().to_owned()
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// An unnamed file in memory that a child writes to and that is read while it grows.
///
/// Not a pipe: if this process died, the next line that Dokku prints would end it in the middle of
/// a deploy; and a background process of the child would keep a pipe open. Not a file on a disk:
/// many programs ignore that they could not write, and end with 0.
struct Tail {
    file: File,
    read: u64,
    rest: Vec<u8>,
}

impl Tail {
    fn new() -> Result<Self> {
        let file = memfd_create(c"output", MFdFlags::MFD_CLOEXEC).doing(|| FAILED.to_owned())?;
        Ok(Self { file: file.into(), read: 0, rest: vec![] })
    }

    fn writer(&self) -> Result<File> {
        self.file.try_clone().doing(|| FAILED.to_owned())
    }

    /// The lines since the last call, with their line ends; once the child has ended, also a last
    /// line without one.
    fn lines(&mut self, ended: bool) -> Result<Vec<String>> {
        let mut buffer = [0; 8192];
        loop {
            // At an offset, because the child writes at the file's position.
            let read = self.file.read_at(&mut buffer, self.read);
            let read = read.doing(|| "cannot read the output of a program".to_owned())?;
            if read == 0 {
                break;
            }
            self.read += read as u64;
            self.rest.extend_from_slice(&buffer[..read]);
        }
        let whole = match self.rest.iter().rposition(|byte| *byte == b'\n') {
            _ if ended => self.rest.len(),
            Some(end) => end + 1,
            None => 0,
        };
        let bytes: Vec<u8> = self.rest.drain(..whole).collect();
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.split_inclusive('\n').map(str::to_owned).collect())
    }
}

/// Kills the child's process group: Dokku consists of many processes.
fn stop(child: &mut Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        let group = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
    }
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{clock, env::Env, files, secret::Secret};
    use camino::Utf8Path;
    use std::sync::{Arc, Mutex};

    fn host(reads_only: bool) -> Host {
        Host::new(Env::of(&[]), Arc::new(Nowhere), reads_only)
    }

    fn shell(script: &str) -> Cmd {
        Cmd::reads("sh").args(["-c", script])
    }

    /// An interrupt from the terminal goes to the process group of this process.
    #[test]
    fn runs_programs_in_their_own_process_group() {
        let output = host(false).must(&shell("read -r line < /proc/$$/stat; echo $line")).unwrap();
        let fields: Vec<&str> = output.answer().split(' ').collect();
        assert_eq!(fields[0], fields[4], "{fields:?}");
    }

    #[test]
    fn gives_the_exit_code_and_all_output() {
        for (script, code, lines) in [
            ("echo a; printf b", 0, vec!["a", "b"]),
            ("echo a >&2; exit 3", 3, vec!["a"]),
            ("kill -9 $$", 137, vec![]),
        ] {
            let output = host(false).run(&shell(script)).unwrap();
            assert_eq!(
                (output.code, output.lines),
                (code, lines.into_iter().map(str::to_owned).collect())
            );
        }
        host(false).must(&shell("exit 3")).unwrap_err();
    }

    #[derive(Debug, Default)]
    struct Lines(Mutex<Vec<String>>);

    impl Sink for Lines {
        fn line(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    /// What a read prints may hold secrets that nobody has learned.
    #[test]
    fn shows_the_output_of_changes_only_and_scrubs_it() {
        let lines = Arc::new(Lines::default());
        let host = Host::new(Env::of(&[]), lines.clone(), false);
        host.scrubber().learn(&Secret::new("hidden-word"));
        let script = ["-c", "echo a hidden-word; echo b >&2"];
        host.must(&Cmd::reads("sh").args(script)).unwrap();
        assert_eq!(*lines.0.lock().unwrap(), [""; 0]);
        host.must(&Cmd::changes("sh").args(script)).unwrap();
        assert_eq!(*lines.0.lock().unwrap(), ["a ***", "b"]);
    }

    /// Whether a process has this word on its command line.
    fn is_running(word: &str) -> bool {
        files::list("/proc".into()).unwrap().iter().any(|pid| {
            // One that has just ended cannot be read.
            let line = files::read(&Utf8Path::new("/proc").join(pid).join("cmdline"));
            let line = line.ok().flatten().unwrap_or_default();
            line.split('\0').any(|argument| argument == word)
        })
    }

    #[test]
    fn ends_a_program_and_its_children_after_the_timeout() {
        let (_guard, directory) = files::scratch().unwrap();
        let started = directory.join("started");
        let script = "sh -c 'touch \"$0\"; sleep 60; :' \"$0\" & wait";
        let cmd = shell(script).arg(started.as_str()).timeout(Duration::from_secs(3));
        let error = host(false).run(&cmd).unwrap_err();
        assert!(error.message().ends_with("did not end within 3 seconds"), "{error}");
        // The kernel may take a moment.
        let ended = clock::poll(Duration::from_secs(20), Duration::from_millis(20), || {
            Ok::<_, Error>((!is_running(started.as_str())).then_some(()))
        });
        assert!(ended.unwrap().is_some(), "a process is left");
    }

    #[test]
    fn a_dry_run_runs_nothing_that_changes() {
        let (_guard, directory) = files::scratch().unwrap();
        let path = directory.join("made");
        let error = host(true).run(&Cmd::changes("touch").arg(path.as_str())).unwrap_err();
        assert!(error.message().starts_with("a dry run tried to change"), "{error}");
        assert_eq!(files::stat(&path).unwrap(), None);
        host(true).must(&Cmd::reads("true")).unwrap();
    }

    #[test]
    fn keeps_what_a_terminal_finally_shows() {
        for (line, want) in [
            ("-----> Deploying\n", "-----> Deploying"),
            ("\u{1b}[1G-----> \u{1b}[31mred\u{1b}[0m\r\n", "-----> red"),
            ("10%\r50%\r100%\n", "100%"),
            ("", ""),
        ] {
            assert_eq!(plain(line), want);
        }
    }
}
