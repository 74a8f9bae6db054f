//! Free loopback ports that stay free until a server takes them.

use std::net::{TcpListener, ToSocketAddrs, UdpSocket};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::eventually::{PATIENCE, eventually};

/// Below the range that the kernel hands to outgoing connections, so that a
/// server which is stopped for a while finds its port again.
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port on 127.0.0.1 that nothing uses, for TCP or UDP, and that no other test of this process was given.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test programs that run at the same time start at different places.
    let offset = process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(FIRST + offset.wrapping_add(step) % COUNT).expect("below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {} is free on 127.0.0.1", FIRST + COUNT)
}

/// Waits until a server that was stopped can have its port again: for moments after its end somebody may still hold it.
pub(crate) fn wait_until_free(address: impl ToSocketAddrs) {
    eventually(PATIENCE, "the port is free again", || TcpListener::bind(&address).is_ok());
}
