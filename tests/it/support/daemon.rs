//! A program in the background that does not outlive the test, however that ends.

use std::{
    process::{Child, Command},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

pub(crate) struct Daemon {
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Daemon {
    /// The command must have the kernel end it with its parent (`setpriv --pdeathsig`,
    /// `bwrap --die-with-parent`). The parent is the thread that starts it: hence one of its own.
    pub(crate) fn start(mut command: Command) -> Self {
        let (stop, stopped) = channel();
        let (tell, told) = channel();
        let keeper = std::thread::spawn(move || match command.spawn() {
            Ok(child) => {
                tell.send(Ok(())).unwrap();
                keep(child, &stopped);
            }
            Err(error) => tell.send(Err(format!("{command:?}: {error}: run dev/setup"))).unwrap(),
        });
        told.recv().unwrap().unwrap();
        Self { stop: Some(stop), keeper: Some(keeper) }
    }

    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self) -> bool {
        self.keeper.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// Until it is to stop or ends by itself.
fn keep(mut child: Child, stopped: &Receiver<()>) {
    use std::sync::mpsc::RecvTimeoutError::Timeout;
    while stopped.recv_timeout(Duration::from_millis(50)) == Err(Timeout) {
        if child.try_wait().unwrap().is_some() {
            return;
        }
    }
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    // PostgreSQL would wait for its clients on SIGTERM.
    nix::sys::signal::kill(pid, nix::sys::signal::SIGINT).ok();
    let asked = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if asked.elapsed() > Duration::from_secs(10) {
            child.kill().ok();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            keeper.join().ok();
        }
    }
}
