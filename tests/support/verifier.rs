//! The verifiers of LiveKit's official SDKs in other languages, and what each reads in a token.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::cache;

/// An SDK's verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verifier {
    /// npm's `livekit-server-sdk`.
    Node,
    /// PyPI's `livekit-api`.
    Python,
    /// Go's `github.com/livekit/protocol/auth`, which livekit-server uses.
    Go,
}

impl Verifier {
    /// All of them.
    pub(crate) const ALL: [Verifier; 3] = [Verifier::Node, Verifier::Python, Verifier::Go];

    /// What it says of tokens signed with one key, in their order: the claims as
    /// the SDK holds them, or its reason for refusing.
    pub(crate) fn verify(self, tokens: &[&str], key: &str, secret: &str) -> Vec<Result<Value, String>> {
        let line = |token: &&str| format!("{}\n", json!({"token": token, "key": key, "secret": secret}));
        let requests: String = tokens.iter().map(line).collect();
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a verifier that `make servers` brought starts");
        let mut input = child.stdin.take().expect("a pipe");
        // In a thread, as it may fill its output before it has read its input.
        let writer = std::thread::spawn(move || input.write_all(requests.as_bytes()));
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("the writer did not panic").expect("it reads its input");
        let text = String::from_utf8(output.stdout).expect("its answers are text");
        let answers: Vec<_> = text.lines().map(read).collect();
        assert_eq!(answers.len(), tokens.len(), "{self:?} answers each token:\n{text}");
        answers
    }

    fn command(self) -> Command {
        let (program, script) = match self {
            Verifier::Node => ("interop-node", Some("node/verify.cjs")),
            Verifier::Python => ("interop-python", Some("python/verify.py")),
            Verifier::Go => ("interop-go", None),
        };
        let mut command = Command::new(cache::path(program));
        command.args(script.map(script_path));
        command
    }
}

fn script_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn read(line: &str) -> Result<Value, String> {
    let mut answer: Value = serde_json::from_str(line).expect("an answer is JSON");
    match answer["claims"].take() {
        Value::Null => Err(answer["error"].as_str().unwrap_or("no reason").to_owned()),
        claims => Ok(claims),
    }
}
