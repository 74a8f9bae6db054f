//! Who is at the other end of a socket, as the kernel knows it.

use std::os::fd::AsFd;

/// A connected process's user and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its groups, as far as they are known: the primary one. SO_PEERGROUPS would tell the
    /// supplementary ones, and no library reads it without unsafe code of ours.
    pub gids: Vec<u32>,
}

impl Peer {
    /// Of a connected Unix socket (SO_PEERCRED, unix(7)): the credentials at the time of the connect.
    ///
    /// # Errors
    /// As the operating system has it.
    pub fn of(socket: impl AsFd) -> std::io::Result<Peer> {
        let credentials = rustix::net::sockopt::socket_peercred(socket)?;
        Ok(Peer { uid: credentials.uid.as_raw(), gids: vec![credentials.gid.as_raw()] })
    }
}
