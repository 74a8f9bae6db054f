//! A way to OpenBao that can hold calls back, so that a test decides what happens between two of them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::eventually::PATIENCE;

/// A proxy that counts calls of one method, and holds them while it is shut.
pub(crate) struct Gate {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    shut: bool,
    came: usize,
}

impl Gate {
    /// Open, before a server at `address`, which begins with `http://`.
    pub(crate) fn before(address: &str, method: &'static str) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::<State>::default();
        let (server, shared) = (address.trim_start_matches("http://").to_owned(), Arc::clone(&state));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Whoever calls is refused when the server is.
                let Ok(server) = TcpStream::connect(&server) else { continue };
                let ends = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                let state = Arc::clone(&shared);
                thread::spawn(move || pass(client, server, |bytes| state.let_through(bytes, method)));
                thread::spawn(move || pass(ends.1, ends.0, |_| ()));
            }
        });
        Gate { address: own, state }
    }

    /// Its address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Holds the calls that come from now on.
    pub(crate) fn shut(&self) {
        self.state.inner.lock().expect("nobody panicked").shut = true;
    }

    /// Lets all through.
    pub(crate) fn open(&self) {
        self.state.inner.lock().expect("nobody panicked").shut = false;
        self.state.changed.notify_all();
    }

    /// How many calls have come, held ones included.
    pub(crate) fn came(&self) -> usize {
        self.state.inner.lock().expect("nobody panicked").came
    }
}

impl State {
    fn let_through(&self, bytes: &[u8], method: &str) {
        if !bytes.starts_with(method.as_bytes()) {
            return;
        }
        let mut inner = self.inner.lock().expect("nobody panicked");
        inner.came += 1;
        // A test that has failed opens no gate.
        let _ = self.changed.wait_timeout_while(inner, PATIENCE, |inner| inner.shut);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, look: impl Fn(&[u8])) {
    let mut bytes = [0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        look(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // Gone already is as good.
    let _ = to.shutdown(Shutdown::Write);
}
