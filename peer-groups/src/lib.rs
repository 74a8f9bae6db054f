//! The supplementary groups of a Unix socket's peer: SO_PEERGROUPS, which no library reads for us.
//!
//! This is all the unsafe code that the project has: one call of getsockopt(2).

use std::io;
use std::mem::size_of_val;
use std::os::fd::{AsFd, AsRawFd};

/// As many as nearly everybody has at most; with more the kernel is asked again.
const USUAL: usize = 64;

/// The groups that the peer of a connected socket had when it connected, in the kernel's order.
///
/// They are those of the connect, as SO_PEERCRED's user is: what the process, or
/// another that it gave the socket to, has become since then changes nothing.
///
/// # Errors
/// As the operating system has it: `ENOPROTOOPT` where it cannot tell (Linux before 4.13, some sandboxes),
/// `ENODATA` for a socket without a peer.
pub fn of(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; USUAL];
    loop {
        let room = size_of_val(groups.as_slice());
        let mut length = libc::socklen_t::try_from(room).map_err(io::Error::other)?;
        // SAFETY: the kernel writes at most `length` bytes to `groups`, which has as many and lives through the call,
        // and the number of bytes that it has for us to `length`. Any bytes make a gid_t.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        let count = length as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// This test program again, as a process of other groups that connects and waits for the end of its input.
    const CONNECT_TO: &str = "PEER_GROUPS_TEST_CONNECT_TO";

    /// Not a test of its own: what the processes do that the tests start.
    #[test]
    fn connects_if_it_is_told_to() {
        let Some(path) = std::env::var_os(CONNECT_TO) else { return };
        let _connection = UnixStream::connect(path).expect("somebody listens");
        std::io::stdin().read_to_end(&mut Vec::new()).expect("an end");
    }

    fn connect(path: &PathBuf, groups: &str) -> Child {
        let mut command = Command::new("setpriv");
        if groups.is_empty() {
            command.arg("--clear-groups")
        } else {
            command.arg("--groups").arg(groups)
        };
        command
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "tests::connects_if_it_is_told_to"])
            .env(CONNECT_TO, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("setpriv (util-linux) is installed, and this test runs as root")
    }

    #[test]
    fn are_those_of_the_process_that_connected_however_many() {
        let path = std::env::temp_dir().join(format!("peer-groups-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        let many: Vec<u32> = (70_000..71_000).collect();
        for groups in [&[][..], &[70_001, 70_002], &many] {
            let names = groups.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let mut child = connect(&path, &names);
            let (accepted, _) = listener.accept().expect("a connection");
            assert_eq!(of(&accepted).expect("the kernel knows"), groups);
            drop(child.stdin.take());
            child.wait().expect("it ends");
            assert_eq!(of(&accepted).expect("and remembers"), groups, "after its end");
        }
        std::fs::remove_file(path).expect("the socket's file");
    }

    #[test]
    fn of_a_socket_without_a_peer_are_an_error() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        assert_eq!(of(&socket).expect_err("nobody").raw_os_error(), Some(libc::ENODATA));
    }
}
