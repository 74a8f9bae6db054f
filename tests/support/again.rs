//! A test that runs once more in a process of its own: to be killed, limited, or given another environment.

use std::env;
use std::ffi::OsStr;
use std::process::Command;

/// In the process of its own: the variable that it was given. In the test itself: nothing.
pub(crate) fn told(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// A command that runs one test of this program alone, with `name` set for it.
pub(crate) fn command(test: &str, name: &str, value: impl AsRef<OsStr>) -> Command {
    within(Command::new(env::current_exe().expect("this program")), test, name, value)
}

/// As [`command`], started by another command that gets it as its arguments.
pub(crate) fn by(mut starter: Command, test: &str, name: &str, value: impl AsRef<OsStr>) -> Command {
    starter.arg(env::current_exe().expect("this program"));
    within(starter, test, name, value)
}

fn within(mut command: Command, test: &str, name: &str, value: impl AsRef<OsStr>) -> Command {
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(name, value);
    command
}

/// Runs it to its end; what it wrote, if it failed.
pub(crate) fn passes(mut command: Command) {
    let output = command.output().expect("a process can be started");
    let text = [&*output.stdout, &*output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
