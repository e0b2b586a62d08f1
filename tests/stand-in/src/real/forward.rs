//! A port of this machine that leads into a world: through a socket in the file system, which both
//! sides see.

use std::io::copy;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use anyhow::Result;

use super::World;

/// Leads a free port of 127.0.0.1 to an address in the world, as long as the world is there.
pub(super) fn outside(world: &World, address: &str) -> Result<u16> {
    let socket = world.folder().join("forward");
    let mut inside = world.command(&world.binary().display().to_string());
    inside.arg("forward").arg(&socket).arg(address);
    world.leave(inside, "forward.log")?;
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

/// The other end: runs in the world until that goes.
pub(super) fn inside(socket: &Path, address: &str) -> Result<()> {
    for unix in UnixListener::bind(socket)?.incoming().flatten() {
        if let Ok(tcp) = TcpStream::connect(address) {
            join(tcp, unix);
        }
    }
    Ok(())
}

/// Passes on what each side says, until both have ended.
fn join(tcp: TcpStream, unix: UnixStream) {
    let (Ok(tcp_too), Ok(unix_too)) = (tcp.try_clone(), unix.try_clone()) else { return };
    thread::spawn(move || {
        let _ = copy(&mut &tcp, &mut &unix);
        unix.shutdown(Shutdown::Write)
    });
    thread::spawn(move || {
        let _ = copy(&mut &unix_too, &mut &tcp_too);
        tcp_too.shutdown(Shutdown::Write)
    });
}
