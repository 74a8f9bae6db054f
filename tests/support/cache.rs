//! Where `make servers` put what the tests run.

use std::path::PathBuf;
use std::process::Command;

/// The path of a program that `tests/support/install` brings: `bao`, `livekit-server`, `helm`, `promtool` ...
///
/// The script alone knows versions and places. A missing one ends the test with its sentence.
pub(crate) fn path(name: &str) -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/install");
    let output = Command::new(script).args(["path", name]).output().expect("tests/support/install starts");
    let answer = String::from_utf8(output.stdout).expect("a path is text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    PathBuf::from(answer.trim_end())
}
