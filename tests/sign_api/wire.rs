//! A connection that stays open over many requests, with bytes that no library would send.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Wire {
    stream: UnixStream,
    received: Vec<u8>,
}

/// An answer with its head as text.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A request that leaves the connection open.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

impl Wire {
    pub(crate) fn connect(path: &Path) -> io::Result<Wire> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Wire { stream, received: Vec::new() })
    }

    /// All of it, or an error that says that it was not taken.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next answer; `None` when the server closed the connection before it began.
    pub(crate) fn answer(&mut self) -> io::Result<Option<Reply>> {
        let end = loop {
            if let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if !self.more()? {
                return if self.received.is_empty() { Ok(None) } else { Err(broken()) };
            }
        };
        let head = String::from_utf8_lossy(&self.received[..end]).to_ascii_lowercase();
        let status = head.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse::<usize>)
            .map_err(|_| broken())?;
        while self.received.len() < end + length {
            if !self.more()? {
                return Err(broken());
            }
        }
        let body = self.received[end..end + length].to_vec();
        self.received.drain(..end + length);
        Ok(Some(Reply { status, head, body }))
    }

    /// Waits for the server to close, and says whether it did so without a further byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        let closed = match self.more() {
            Ok(more) => !more,
            Err(error) => matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe),
        };
        closed && self.received.is_empty()
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        self.received.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }
}

fn broken() -> io::Error {
    io::Error::other("the answer broke off")
}
