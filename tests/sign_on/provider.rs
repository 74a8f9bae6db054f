//! An identity provider on loopback that answers as a test has it, and counts how often it is asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::tokens::Pair;

/// What it answers when its keys are asked for.
#[derive(Clone)]
pub(crate) enum Keys {
    /// These.
    Set(Value),
    /// These bytes with this status.
    Bytes(u16, Vec<u8>),
    /// Go elsewhere.
    Redirect(String),
    /// A byte now and then.
    Drip,
    /// Half of them, then the end of the connection.
    Half(Value),
}

struct State {
    keys: Keys,
    issuer: String,
    jwks_uri: String,
    paths: Vec<String>,
}

/// The provider. It lasts as long as the process.
pub(crate) struct Provider {
    url: String,
    state: Arc<Mutex<State>>,
}

impl Provider {
    /// Publishes these keys.
    pub(crate) fn start(keys: &[(&Pair, &str)]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = State {
            keys: Keys::Set(set(keys)),
            issuer: url.clone(),
            jwks_uri: format!("{url}/keys"),
            paths: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || answer(client, &state));
            }
        });
        Provider { url, state }
    }

    /// Its `iss`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, keys: Keys) {
        self.state.lock().expect("nobody panicked").keys = keys;
    }

    /// Publishes these keys from now on.
    pub(crate) fn publishes(&self, keys: &[(&Pair, &str)]) {
        self.answers(Keys::Set(set(keys)));
    }

    /// Names another issuer in its discovery document.
    pub(crate) fn speaks_for(&self, issuer: &str) {
        self.state.lock().expect("nobody panicked").issuer = issuer.to_owned();
    }

    /// Says that its keys are elsewhere.
    pub(crate) fn points_at(&self, jwks_uri: &str) {
        self.state.lock().expect("nobody panicked").jwks_uri = jwks_uri.to_owned();
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.lock().expect("nobody panicked").paths.iter().filter(|asked| *asked == path).count()
    }
}

/// A set of public keys.
pub(crate) fn set(keys: &[(&Pair, &str)]) -> Value {
    json!({"keys": keys.iter().map(|(pair, kid)| pair.public(kid)).collect::<Vec<_>>()})
}

fn answer(mut client: TcpStream, state: &Mutex<State>) {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match client.read(&mut bytes) {
            Ok(count @ 1..) => head.extend_from_slice(&bytes[..count]),
            _ => return,
        }
    }
    let path = String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned();
    let (keys, discovery) = {
        let mut state = state.lock().expect("nobody panicked");
        state.paths.push(path.clone());
        (state.keys.clone(), json!({"issuer": state.issuer, "jwks_uri": state.jwks_uri}))
    };
    let head = |status: u16, length: usize, more: &str| {
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n")
            .into_bytes()
    };
    let whole = |status: u16, body: &[u8]| [&head(status, body.len(), "")[..], body].concat();
    let answer = match (path.as_str(), keys) {
        ("/.well-known/openid-configuration", _) => whole(200, discovery.to_string().as_bytes()),
        ("/keys", Keys::Set(set)) => whole(200, set.to_string().as_bytes()),
        ("/keys", Keys::Bytes(status, bytes)) => whole(status, &bytes),
        ("/keys", Keys::Redirect(place)) => head(302, 0, &format!("location: {place}\r\n")),
        ("/keys", Keys::Half(set)) => {
            let body = set.to_string();
            [&head(200, body.len(), "")[..], &body.as_bytes()[..body.len() / 2]].concat()
        }
        ("/keys", Keys::Drip) => {
            let mut sent = client.write_all(&head(200, 100_000, ""));
            while sent.is_ok() {
                thread::sleep(Duration::from_millis(100));
                sent = client.write_all(b" ");
            }
            return;
        }
        _ => whole(404, b""),
    };
    // Whoever hangs up has seen enough.
    let _ = client.write_all(&answer);
}
