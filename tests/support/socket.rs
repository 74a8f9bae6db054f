//! A client of the daemon's Unix sockets.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::http::{self, Answer};

/// One of the daemon's sockets. Each call is a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Socket(PathBuf);

impl Socket {
    /// The socket at that path, whether it is there yet or not.
    pub(crate) fn at(path: PathBuf) -> Socket {
        Socket(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// `GET`: the status, and the body as JSON.
    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.expect_answer(&http::request("GET", path, &[], b""))
    }

    /// `POST` of JSON: the status, and the body as JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.expect_answer(&http::request("POST", path, &[], body.to_string().as_bytes()))
    }

    /// As [`Socket::post`], of one that may be down.
    ///
    /// # Errors
    /// What the connection says.
    pub(crate) fn try_post(&self, path: &str, body: &Value) -> io::Result<(u16, Value)> {
        let answer = self.send(&http::request("POST", path, &[], body.to_string().as_bytes()))?;
        Ok((answer.status, answer.json()))
    }

    /// Any bytes at all, for what a library would refuse to send.
    ///
    /// # Errors
    /// What the connection says, or an answer that is not HTTP.
    pub(crate) fn send(&self, request: &[u8]) -> io::Result<Answer> {
        http::over_unix(&self.0, request)
    }

    /// Whether `GET` of that path gives 200; a socket that nobody serves does not.
    pub(crate) fn is_200(&self, path: &str) -> bool {
        self.send(&http::request("GET", path, &[], b"")).is_ok_and(|answer| answer.status == 200)
    }

    fn expect_answer(&self, request: &[u8]) -> (u16, Value) {
        let answer = self.send(request).unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        (answer.status, answer.json())
    }
}
