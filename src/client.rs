//! HTTP over a Unix socket, as the commands use it: one request, one answer, one clear sentence when there is none.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long one request may take altogether: an operator's call is a few calls to the store.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// How long a daemon may take to accept a connection.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// Which of the daemon's two sockets, so that an error can name the option that would have helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// Where applications ask for tokens.
    Signing,
    /// Where operators ask and command.
    Admin,
}

impl SocketKind {
    /// The option that says where it is.
    pub fn option(self) -> &'static str {
        match self {
            SocketKind::Signing => "--socket",
            SocketKind::Admin => "--admin-socket",
        }
    }

    /// The environment variable that says where it is.
    pub fn variable(self) -> &'static str {
        match self {
            SocketKind::Signing => "LIVEKIT_KEYD_SOCKET",
            SocketKind::Admin => "LIVEKIT_KEYD_ADMIN_SOCKET",
        }
    }

    /// Its file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            SocketKind::Signing => "sign.sock",
            SocketKind::Admin => "admin.sock",
        }
    }
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SocketKind::Signing => "signing socket",
            SocketKind::Admin => "admin socket",
        })
    }
}

/// Why there was no answer.
#[derive(Debug)]
pub struct NoAnswer {
    kind: SocketKind,
    path: PathBuf,
    cause: Cause,
}

/// What went wrong on the way.
#[derive(Debug)]
pub enum Cause {
    /// There is no such file.
    Missing,
    /// The file is there, and nobody listens.
    NobodyListens,
    /// This user may not connect.
    Denied {
        /// Who owns the socket, where that can be seen.
        owner: Option<u32>,
    },
    /// The path cannot be a socket's.
    TooLong,
    /// Nothing came back in time.
    TimedOut(Duration),
    /// Anything else, in the system's words.
    Broken(String),
    /// What came back is not what this version knows.
    NotUnderstood(String),
}

impl NoAnswer {
    /// What went wrong.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether a daemon that is about to start would mend it.
    pub fn may_come(&self) -> bool {
        matches!(self.cause, Cause::Missing | Cause::NobodyListens)
    }
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoAnswer { kind, path, cause } = self;
        let (path, option, variable) = (path.display(), kind.option(), kind.variable());
        let start = "start the daemon (`livekit-keyd run --config FILE`, or `livekit-keyd dev` to try it)";
        match cause {
            Cause::Missing => write!(
                f,
                "the {kind} {path} does not exist: {start}, or say where it is with {option} PATH or {variable}"
            ),
            Cause::NobodyListens => write!(
                f,
                "nobody listens on the {kind} {path}, a daemon that has ended left it behind: {start}, or give another with {option} PATH or {variable}"
            ),
            Cause::Denied { owner } => {
                write!(f, "you may not connect to the {kind} {path}: ")?;
                match (owner, kind) {
                    (Some(uid), SocketKind::Admin) => {
                        write!(f, "run this as its owner (sudo -u '#{uid}' ..)")
                    }
                    (Some(uid), SocketKind::Signing) => write!(
                        f,
                        "run this as its owner (sudo -u '#{uid}' ..) or join the group that `[sign] socket_group` names"
                    ),
                    (None, _) => f.write_str("ask for access to its folder"),
                }?;
                write!(f, ", or give another with {option} PATH or {variable}")
            }
            Cause::TooLong => write!(
                f,
                "{path} is too long for a Unix socket, which may have 107 bytes: give a shorter one with {option} PATH, relative to this folder if need be"
            ),
            Cause::TimedOut(limit) => write!(
                f,
                "the daemon behind the {kind} {path} did not answer within {} s: look at its log",
                limit.as_secs()
            ),
            Cause::Broken(words) => write!(f, "asking the {kind} {path} failed: {words}"),
            Cause::NotUnderstood(words) => write!(
                f,
                "what the {kind} {path} answered is not what this version of livekit-keyd understands ({words}): use the version that the daemon has"
            ),
        }
    }
}

impl std::error::Error for NoAnswer {}

/// A daemon's socket.
#[derive(Clone, Debug)]
pub struct Client {
    kind: SocketKind,
    path: PathBuf,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as it came.
    pub body: Bytes,
    client: Client,
}

impl Client {
    /// For a socket; nothing is opened yet.
    pub fn new(kind: SocketKind, path: PathBuf) -> Client {
        Client { kind, path }
    }

    /// Where the socket is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks for something.
    ///
    /// # Errors
    /// Why there was no answer. An answer that says no is an [`Answer`].
    pub async fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        self.call(Method::GET, path, None).await
    }

    /// Asks to do something.
    ///
    /// # Errors
    /// Why there was no answer. An answer that says no is an [`Answer`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, NoAnswer> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, NoAnswer> {
        let exchange = self.exchange(method, path, body);
        timeout(LONGEST_CALL, exchange)
            .await
            .unwrap_or_else(|_| Err(self.fails(Cause::TimedOut(LONGEST_CALL))))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, NoAnswer> {
        let broken = |words: String| self.fails(Cause::Broken(words));
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
        let driver = tokio::spawn(connection);
        let text = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let request =
            request.body(Full::new(Bytes::from(text))).map_err(|error| broken(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
        driver.abort();
        let body = body.map_err(|error| broken(error.to_string()))?.to_bytes();
        Ok(Answer { status, body, client: self.clone() })
    }

    /// A socket whose queue is full says so at once instead of waiting, so the waiting is done here.
    async fn connect(&self) -> Result<UnixStream, NoAnswer> {
        let deadline = Instant::now() + LONGEST_CONNECT;
        loop {
            let attempt = timeout_at(deadline, UnixStream::connect(&self.path)).await;
            match attempt {
                Err(_) => return Err(self.fails(Cause::TimedOut(LONGEST_CONNECT))),
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= deadline {
                        return Err(self.fails(Cause::TimedOut(LONGEST_CONNECT)));
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                Ok(Err(error)) => return Err(self.fails(self.cause_of(&error))),
            }
        }
    }

    fn cause_of(&self, error: &std::io::Error) -> Cause {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Cause::Missing,
            ErrorKind::ConnectionRefused => Cause::NobodyListens,
            ErrorKind::PermissionDenied => {
                Cause::Denied { owner: std::fs::metadata(&self.path).ok().map(|file| file.uid()) }
            }
            ErrorKind::InvalidInput => Cause::TooLong,
            _ => Cause::Broken(error.to_string()),
        }
    }

    fn fails(&self, cause: Cause) -> NoAnswer {
        NoAnswer { kind: self.kind, path: self.path.clone(), cause }
    }
}

impl Answer {
    /// Whether the daemon did what it was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// What is not as this version knows it, without the body's content: it may hold a token.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, NoAnswer> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let words = format!("{} at line {} column {}", error_class(&error), error.line(), error.column());
            self.client.fails(Cause::NotUnderstood(words))
        })
    }

    /// The daemon's sentence of why not, with the field that it is about.
    pub fn problem(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |name: &str| problem.get(name).and_then(Value::as_str);
        let sentence = match text("detail").or_else(|| text("title")) {
            Some(sentence) => sentence.to_owned(),
            None => {
                format!("the {} {} answered {}", self.client.kind, self.client.path.display(), self.status)
            }
        };
        match text("pointer").filter(|pointer| !pointer.is_empty()) {
            Some(pointer) => format!("{sentence} (at {pointer})"),
            None => sentence,
        }
    }
}

fn error_class(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a field is missing or has another type",
        _ => "no JSON",
    }
}

/// A name as a part of a request's path.
pub fn segment(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    async fn failure(path: PathBuf) -> String {
        let client = Client::new(SocketKind::Admin, path);
        client.get("/v1/status").await.expect_err("nobody is there").to_string()
    }

    #[tokio::test]
    async fn each_way_of_not_being_there_has_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = failure(folder.path().join("admin.sock")).await;
        assert!(missing.contains("does not exist") && missing.contains("--admin-socket PATH"), "{missing}");

        let left_behind = folder.path().join("old.sock");
        drop(UnixListener::bind(&left_behind).expect("a socket"));
        let refused = failure(left_behind).await;
        assert!(refused.contains("nobody listens") && refused.contains("livekit-keyd run"), "{refused}");

        let long = failure(folder.path().join("x".repeat(120))).await;
        assert!(long.contains("107 bytes"), "{long}");
    }

    #[test]
    fn who_may_not_connect_is_told_who_may() {
        let denied = |kind, owner| Client::new(kind, "/s".into()).fails(Cause::Denied { owner }).to_string();
        assert!(denied(SocketKind::Admin, Some(999)).contains("sudo -u '#999'"));
        assert!(denied(SocketKind::Signing, Some(999)).contains("socket_group"));
        assert!(denied(SocketKind::Signing, None).contains("access to its folder"));
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        assert_eq!(segment("default"), "default");
        assert_eq!(segment("../v1?x#y z"), "..%2Fv1%3Fx%23y%20z");
    }

    #[test]
    fn a_problem_is_told_by_its_sentence_and_its_field() {
        let client = Client::new(SocketKind::Signing, "/s".into());
        let answer = |status, body: &'static str| Answer {
            status,
            body: Bytes::from_static(body.as_bytes()),
            client: client.clone(),
        };
        let told = answer(400, r#"{"title":"Malformed","detail":"say more","pointer":"/ttl"}"#).problem();
        assert_eq!(told, "say more (at /ttl)");
        assert_eq!(answer(502, "<html>").problem(), "the signing socket /s answered 502");
        let secret = answer(200, r#"{"token":7,"hidden":"eyJ"}"#).json::<Vec<String>>().expect_err("no list");
        assert!(!secret.to_string().contains("eyJ"), "{secret}");
    }
}
