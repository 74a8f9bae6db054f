//! An application in Python that signs with a key of its own, by LiveKit's official SDK.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::json;

use super::cache;

/// It runs until it is dropped.
pub(crate) struct Service {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts one that was given a key long ago.
    pub(crate) fn with_key(id: &str, secret: &str) -> Service {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/python/sign.py");
        let mut command = Command::new(cache::path("interop-python"));
        let child = command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("what `make servers` brought starts");
        let mut input = child.stdin.take().expect("a pipe");
        writeln!(input, "{}", json!({"key": id, "secret": secret})).expect("it reads its key");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Service { child, input, output }
    }

    /// A token that may join, for three seconds.
    pub(crate) fn token(&mut self) -> String {
        writeln!(self.input).expect("it runs");
        let mut token = String::new();
        self.output.read_line(&mut token).expect("it answers");
        assert_eq!(token.matches('.').count(), 2, "it answers with a token");
        token.trim_end().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
