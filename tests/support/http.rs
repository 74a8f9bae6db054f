//! HTTP/1.1 in its plainest form: one connection, one request, one answer.
//!
//! Written out rather than taken from a library, so that a test sees what is on
//! the wire and can send what a library would refuse to.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// How long a peer may stay silent within an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// An answer, whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Names in lower case, in the order in which they came.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its transfer coding.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is empty or is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// The bytes of a request, with a body's length where there is a body.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    [text.as_bytes(), body].concat()
}

/// Sends to a TCP address like `127.0.0.1:7880`.
///
/// # Errors
/// What the connection says, or an answer that is not HTTP.
pub(crate) fn over_tcp(address: &str, request: &[u8]) -> io::Result<Answer> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    exchange(stream, request)
}

/// Sends to a Unix socket.
///
/// # Errors
/// As [`over_tcp`].
pub(crate) fn over_unix(socket: &Path, request: &[u8]) -> io::Result<Answer> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(SILENCE))?;
    exchange(stream, request)
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Answer> {
    // A peer may answer and close before it read all of a body that is too long.
    let sent = stream.write_all(request);
    let mut bytes = Vec::new();
    let received = read_answer(&mut stream, &mut bytes);
    match parse(&bytes) {
        Some(answer) => Ok(answer),
        None => {
            sent?;
            received?;
            Err(io::Error::other(format!("not an HTTP answer: {} bytes", bytes.len())))
        }
    }
}

/// Reads until the answer is whole by its own length, or the peer ends it: one that keeps the connection open is not
/// waited for.
fn read_answer(stream: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match stream.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        bytes.extend_from_slice(&buffer[..count]);
        let whole = parse(bytes).is_some_and(|answer| {
            answer.header("content-length").is_some() || answer.header("transfer-encoding").is_some()
        });
        if count == 0 || whole {
            return Ok(());
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &bytes[end + 4..];
    let mut answer = Answer { status, headers, body: Vec::new() };
    answer.body = match (answer.header("transfer-encoding"), answer.header("content-length")) {
        (Some("chunked"), _) => join_chunks(rest)?,
        (_, Some(length)) => rest.get(..length.parse().ok()?)?.to_vec(),
        _ => rest.to_vec(),
    };
    Some(answer)
}

fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = find(rest, b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let chunk = line + 2;
        body.extend_from_slice(rest.get(chunk..chunk + length)?);
        rest = rest.get(chunk + length + 2..)?;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
