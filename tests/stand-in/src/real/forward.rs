//! Forwards a port of this machine into a world, through a Unix socket that both sides can reach.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use anyhow::Result;

use super::World;

/// Forwards a free port of 127.0.0.1 to an address in the world, for the lifetime of the world.
pub(super) fn listen(world: &World, address: &str) -> Result<u16> {
    let socket = world.dir().join("forward");
    let mut other_end = world.command(&world.binary().display().to_string());
    other_end.arg("forward").arg(&socket).arg(address);
    world.spawn(other_end, "forward.log")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            if let Ok(unix) = UnixStream::connect(&socket) {
                join(tcp, unix);
            }
        }
    });
    Ok(port)
}

/// The other end: runs in the world until the world ends.
pub(super) fn serve(socket: &Path, address: &str) -> Result<()> {
    for unix in UnixListener::bind(socket)?.incoming().flatten() {
        if let Ok(tcp) = TcpStream::connect(address) {
            join(tcp, unix);
        }
    }
    Ok(())
}

/// Copies data in both directions until both sides have closed.
fn join(tcp: TcpStream, unix: UnixStream) {
    let (Ok(tcp_copy), Ok(unix_copy)) = (tcp.try_clone(), unix.try_clone()) else { return };
    thread::spawn(move || {
        let _ = copy(&mut &tcp, &mut &unix);
        unix.shutdown(Shutdown::Write)
    });
    thread::spawn(move || {
        let _ = copy(&mut &unix_copy, &mut &tcp_copy);
        tcp_copy.shutdown(Shutdown::Write)
    });
}
