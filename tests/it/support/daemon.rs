//! A program in the background that never outlives the test, even if the test is killed.

use std::{
    process::{Child, Command},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) struct Daemon {
    stop: Option<Sender<()>>,
    supervisor: Option<JoinHandle<()>>,
}

impl Daemon {
    /// The command must ask the kernel to end it with its parent (`setpriv --pdeathsig`, `bwrap
    /// --die-with-parent`). The parent is the thread that starts it, so each daemon has its own
    /// thread.
    pub(crate) fn start(mut command: Command) -> Self {
        let (stop, stop_requested) = channel();
        let (sender, receiver) = channel();
        let supervisor = std::thread::spawn(move || match command.spawn() {
            Ok(child) => {
                sender.send(Ok(())).unwrap();
                supervise(child, &stop_requested);
            }
            Err(error) => sender.send(Err(format!("{command:?}: {error}: run dev/setup"))).unwrap(),
        });
        receiver.recv().unwrap().unwrap();
        Self { stop: Some(stop), supervisor: Some(supervisor) }
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.supervisor.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Waits until the program ends by itself, or stops it when asked to.
fn supervise(mut child: Child, stop_requested: &Receiver<()>) {
    use std::sync::mpsc::RecvTimeoutError::Timeout;
    while stop_requested.recv_timeout(Duration::from_millis(50)) == Err(Timeout) {
        if child.try_wait().unwrap().is_some() {
            return;
        }
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    // On SIGTERM PostgreSQL would wait for its clients.
    nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).ok();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(10) {
            child.kill().ok();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.join().ok();
        }
    }
}
