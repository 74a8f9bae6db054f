//! A load generator that does as little as it can: fixed bytes out, a counted answer in.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// How many tokens one batch asks for.
const BATCH: usize = 1000;

/// What is asked, and how the end of an answer is known.
#[derive(Clone)]
pub(crate) struct Target {
    place: Place,
    request: Vec<u8>,
    answer: Answer,
}

#[derive(Clone)]
enum Place {
    Unix(PathBuf),
    Tcp(u16),
}

#[derive(Clone, Copy)]
enum Answer {
    Http,
    Bytes(usize),
}

impl Target {
    /// An HTTP server on a Unix socket.
    pub(crate) fn http(socket: &Path, request: &[u8]) -> Target {
        Target { place: Place::Unix(socket.to_owned()), request: request.to_vec(), answer: Answer::Http }
    }

    /// An HTTP server on a loopback port.
    pub(crate) fn tcp(port: u16, request: &[u8]) -> Target {
        Target { place: Place::Tcp(port), request: request.to_vec(), answer: Answer::Http }
    }

    /// A server that answers so many bytes with so many others.
    pub(crate) fn ping_pong(socket: &Path, request: usize, answer: usize) -> Target {
        let mut bytes = vec![b'x'; request];
        bytes[..8].copy_from_slice(&[(request as u32).to_be_bytes(), (answer as u32).to_be_bytes()].concat());
        Target { place: Place::Unix(socket.to_owned()), request: bytes, answer: Answer::Bytes(answer) }
    }
}

/// How much at a time, and for how long.
pub(crate) struct Load {
    /// Each asks again as soon as it was answered.
    pub(crate) connections: usize,
    /// How long.
    pub(crate) lasts: Duration,
}

/// What one run gave.
#[derive(Clone, Copy)]
pub(crate) struct Outcome {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Of the time that an answer took.
    pub(crate) p99: Duration,
}

impl Load {
    /// Asks until the time is over.
    pub(crate) fn run(&self, target: &Target) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(self.drive(target))
    }

    async fn drive(&self, target: &Target) -> Outcome {
        let began = Instant::now();
        let ends = began + self.lasts;
        let tasks: Vec<_> =
            (0..self.connections).map(|_| tokio::spawn(connection(target.clone(), ends))).collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.expect("a connection that works to its end"));
        }
        let rate = times.len() as f64 / began.elapsed().as_secs_f64();
        times.sort_unstable();
        Outcome { rate, p99: times[times.len() * 99 / 100] }
    }
}

async fn connection(target: Target, ends: Instant) -> Vec<Duration> {
    match &target.place {
        Place::Unix(path) => ask(UnixStream::connect(path).await.expect("a server"), &target, ends).await,
        Place::Tcp(port) => {
            let stream = TcpStream::connect(("127.0.0.1", *port)).await.expect("a server");
            stream.set_nodelay(true).expect("no delay");
            ask(stream, &target, ends).await
        }
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    target: &Target,
    ends: Instant,
) -> Vec<Duration> {
    let mut times = Vec::with_capacity(1 << 16);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let began = Instant::now();
        if began >= ends {
            return times;
        }
        stream.write_all(&target.request).await.expect("a request goes out");
        match target.answer {
            Answer::Bytes(size) => {
                stream.read_exact(&mut buffer[..size]).await.expect("an answer comes in");
            }
            Answer::Http => {
                read_answer(&mut stream, &mut buffer).await;
            }
        }
        times.push(began.elapsed());
    }
}

/// Reads one answer and returns its size; one that is no success ends the measurement.
async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> usize {
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let read = stream.read(&mut buffer[filled..]).await.expect("an answer comes in");
        assert!(read > 0, "the server closed the connection");
        filled += read;
        if let Some(size) = whole(&buffer[..filled]) {
            assert!(buffer[9] == b'2', "{}", String::from_utf8_lossy(&buffer[..filled.min(400)]));
            if filled >= size {
                return size;
            }
        }
    }
}

/// The size of an answer whose head is complete.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    Some(head + 4 + length)
}

/// A request for an ordinary token, as an application would send it.
pub(crate) fn token_request() -> Vec<u8> {
    post("/v1/tokens", r#"{"identity":"alice","room":"demo","grants":{"video":{"roomJoin":true}}}"#)
}

/// An HTTP request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// How many bytes a server answers.
pub(crate) fn answer_size(socket: &Path, request: &[u8]) -> usize {
    use std::io::{Read, Write};
    let mut stream = StdUnixStream::connect(socket).expect("a server");
    stream.write_all(request).expect("a request goes out");
    let mut bytes = vec![0; 1 << 16];
    let mut filled = 0;
    loop {
        filled += stream.read(&mut bytes[filled..]).expect("an answer comes in");
        if let Some(size) = whole(&bytes[..filled]).filter(|size| *size <= filled) {
            return size;
        }
    }
}

/// Tokens a second out of batches, over two connections.
pub(crate) fn batch_rate(socket: &Path, lasts: Duration) -> f64 {
    let token = r#"{"identity":"alice","room":"demo","grants":{"video":{"roomJoin":true}}}"#;
    let body = format!(r#"{{"tokens":[{}]}}"#, vec![token; BATCH].join(","));
    let target = Target::http(socket, &post("/v1/tokens/batch", &body));
    Load { connections: 2, lasts }.run(&target).rate * BATCH as f64
}
