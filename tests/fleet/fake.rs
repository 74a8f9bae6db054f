//! Servers made up for a test, where no real one answers so.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A server made up for a test: what it answers to the bytes of a request.
pub(crate) struct Fake {
    pub(crate) address: String,
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (seen_there, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen_there), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut bytes = [0; 8192];
                    let length = client.read(&mut bytes).unwrap_or(0);
                    let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let answer = answer(&request);
                    seen.lock().expect("nobody panicked").push(request);
                    // Whoever asked may have lost patience.
                    let _ = client.write_all(answer.as_bytes());
                });
            }
        });
        Fake { address, seen }
    }

    /// The token of the first question about a key.
    pub(crate) fn token_of(&self, id: &str) -> Option<String> {
        self.seen.lock().expect("nobody panicked").iter().find_map(|request| {
            let head =
                request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"))?;
            let token = head.split_once("Bearer ")?.1.trim().to_owned();
            (claims(&token)["iss"] == id).then_some(token)
        })
    }
}

pub(crate) fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    serde_json::from_slice(&claims.unwrap_or_default()).unwrap_or_default()
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// As a livekit-server that knows one id answers; it looks at no signature.
pub(crate) fn like_livekit(id: &str, headers: &str, request: &str) -> String {
    let token = request.split_once("Bearer ").map_or("", |(_, rest)| rest.lines().next().unwrap_or(""));
    if claims(token)["iss"] == id {
        answer("400 Bad Request", headers, "identity cannot be empty")
    } else {
        answer("401 Unauthorized", headers, "invalid API key: APIwhatever")
    }
}
