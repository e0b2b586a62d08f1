//! A command on a pseudo-terminal of its own.

use super::harness::TestHost;
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

pub(crate) struct Terminal {
    master: File,
    prompts: ChildStderr,
    child: Child,
}

impl TestHost {
    /// Starts `dokku <line>` in a process group of its own, with a terminal as standard input.
    pub(crate) fn start_on_terminal(&self, line: &str) -> Terminal {
        let pty = nix::pty::openpty(None, None).unwrap();
        let dokku = self.command(line);
        // A test that runs in the background, or under nohup, ignores some signals, and so would it.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(dokku.get_program()).args(dokku.get_args());
        for (name, value) in dokku.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(pty.slave).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        let prompts = child.stderr.take().unwrap();
        Terminal { master: File::from(pty.master), prompts, child }
    }
}

impl Terminal {
    pub(crate) fn group(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap())
    }

    /// Reads up to the end of a prompt: a colon and a space.
    pub(crate) fn wait_for_prompt(&mut self) {
        let (mut text, mut byte) = (vec![], [0]);
        while !text.ends_with(b": ") {
            assert_eq!(self.prompts.read(&mut byte).unwrap(), 1, "{text:?}");
            text.extend(byte);
        }
    }

    pub(crate) fn answer(&mut self, text: &str) {
        writeln!(self.master, "{text}").unwrap();
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        tcgetattr(&self.master).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    /// Waits until every process of the group is stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let group = self.group().to_string();
        let runs = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let after = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            let fields: Vec<&str> = after.split_whitespace().collect();
            matches!(fields[..], [state, _, of, ..] if of == group && state != "T")
        };
        let any_runs = || {
            let entries = std::fs::read_dir("/proc").unwrap().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok()).any(|pid| runs(&pid))
        };
        while any_runs() {
            sleep(Duration::from_millis(10));
        }
    }

    /// Waits until every process that could print has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.prompts.read_to_end(&mut vec![]).unwrap();
        self.child.wait().unwrap()
    }
}
