//! Who is at the other end of a socket, as the kernel knows it.

use std::io;
use std::os::fd::AsFd;
use std::sync::Once;

use livekit_keyd_core::audit::Subject;
use rustix::io::Errno;

/// A connected process's user and groups, at the time of its connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its process; 0 across PID namespaces.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its groups: the primary one, then the supplementary ones.
    pub gids: Vec<u32>,
}

impl Peer {
    /// Of a connected Unix socket (SO_PEERCRED and SO_PEERGROUPS, unix(7)).
    ///
    /// # Errors
    /// As the operating system has it: a peer of whom not all is known might be taken for another caller.
    pub fn of(socket: impl AsFd) -> io::Result<Peer> {
        let credentials = rustix::net::sockopt::socket_peercred(&socket)?;
        let primary = credentials.gid.as_raw();
        let mut gids = vec![primary];
        gids.extend(supplementary(socket)?.into_iter().filter(|gid| *gid != primary));
        let pid = rustix::process::Pid::as_raw(Some(credentials.pid));
        Ok(Peer { pid, uid: credentials.uid.as_raw(), gids })
    }

    /// As the audit trail names it.
    pub fn subject(&self) -> Subject {
        Subject { uid: self.uid, gid: self.gids.first().copied().unwrap_or_default(), pid: self.pid }
    }
}

/// None, and a warning, from a kernel that cannot tell anybody's: gVisor's, or Linux before 4.13.
fn supplementary(socket: impl AsFd) -> io::Result<Vec<u32>> {
    static WARNED: Once = Once::new();
    livekit_keyd_peer_groups::of(socket).or_else(|error| {
        if error.raw_os_error() != Some(Errno::NOPROTOOPT.raw_os_error()) {
            return Err(error);
        }
        WARNED.call_once(|| {
            tracing::warn!(
                "this kernel does not tell the supplementary groups of who connects: callers are known by user and primary group"
            );
        });
        Ok(Vec::new())
    })
}
