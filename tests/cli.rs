//! The command line as scripts see it: codes, what goes to standard output and what does not.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The built program in a folder of its own, without the caller's settings.
fn keyd(here: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-keyd"));
    command.args(arguments).current_dir(here).stdin(Stdio::null());
    for variable in ["LIVEKIT_KEYD_CONFIG", "LIVEKIT_KEYD_SOCKET", "LIVEKIT_KEYD_ADMIN_SOCKET"] {
        command.env_remove(variable);
    }
    command
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn run(here: &Path, arguments: &[&str]) -> Output {
    keyd(here, arguments).output().expect("the program starts")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("an exit code, not a signal")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn misuse_is_2_and_names_the_nearest() {
    let here = folder();
    for arguments in [
        &["rotate"] as &[&str],
        &["statsu"],
        &[],
        &["wait", "default", "--for", "lunch"],
        &["hold", "default", "--until", "tomorrow"],
        &["token", "--grant", "=true"],
        &["keys", "--watch"],
    ] {
        let output = run(here.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{arguments:?} says what is wrong on standard error alone");
    }
    assert!(stderr(&run(here.path(), &["statsu"])).contains("'status'"));
}

#[test]
fn a_socket_that_is_missing_names_what_to_start_and_which_option_to_give() {
    let here = folder();
    let missing = here.path().join("none.sock").display().to_string();
    let admin: &[&str] = &["--admin-socket", &missing, "status"];
    let signing: &[&str] = &["token", "--room", "demo", "--identity", "alice", "--socket", &missing];
    for (arguments, option) in [(admin, "--admin-socket PATH"), (signing, "--socket PATH")] {
        let output = run(here.path(), arguments);
        let said = stderr(&output);
        assert_eq!(code(&output), 1, "{said}");
        assert!(
            said.contains(&missing) && said.contains("livekit-keyd run") && said.contains(option),
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_socket_that_nobody_listens_on_is_told_from_one_that_is_missing() {
    let here = folder();
    drop(UnixListener::bind(here.path().join("old.sock")).expect("a socket"));
    let output = run(here.path(), &["plan", "--admin-socket", "old.sock"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("nobody listens"), "{}", stderr(&output));
}

#[test]
fn global_options_stand_before_or_after_and_variables_give_way_to_them() {
    let here = folder();
    for arguments in [&["--admin-socket", "a.sock", "status"], &["status", "--admin-socket", "a.sock"]] {
        let output = keyd(here.path(), arguments).env("LIVEKIT_KEYD_ADMIN_SOCKET", "b.sock").output();
        let said = stderr(&output.expect("the program starts"));
        assert!(said.contains("a.sock") && !said.contains("b.sock"), "{said}");
    }
    let output = keyd(here.path(), &["status"]).env("LIVEKIT_KEYD_ADMIN_SOCKET", "b.sock").output();
    assert!(stderr(&output.expect("the program starts")).contains("b.sock"));
}

#[test]
fn the_dev_folder_beside_is_asked_when_nothing_is_named() {
    let here = folder();
    let dev = here.path().join("livekit-keyd-dev");
    std::fs::create_dir(&dev).expect("a folder");
    drop(UnixListener::bind(dev.join("admin.sock")).expect("a socket"));
    let said = stderr(&run(here.path(), &["status"]));
    assert!(said.contains("livekit-keyd-dev/admin.sock"), "{said}");
    let said = stderr(&run(here.path(), &["token", "--room", "demo", "--identity", "alice"]));
    assert!(
        said.contains("/run/livekit-keyd/sign.sock"),
        "a folder without that socket is passed over: {said}"
    );
}

#[test]
fn waiting_ends_at_its_timeout_with_4_and_says_for_what() {
    let here = folder();
    let started = Instant::now();
    let wait = ["wait", "default", "--for", "steady", "--admin-socket", "a.sock"];
    let limited = run(here.path(), &[&wait as &[&str], &["--timeout", "300ms"]].concat());
    assert_eq!(code(&limited), 4, "{}", stderr(&limited));
    assert!(started.elapsed() >= Duration::from_millis(300));
    let said = stderr(&limited);
    assert!(said.contains("`default` is not steady after 300ms") && said.contains("a.sock"), "{said}");
    let unlimited = run(here.path(), &wait);
    assert_eq!(code(&unlimited), 1, "without a limit nobody is waited for who is not there");
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let here = folder();
    let help = stdout(&run(here.path(), &["help"]));
    let man = stdout(&run(here.path(), &["man"]));
    let bash = stdout(&run(here.path(), &["completions", "bash"]));
    for command in
        ["status", "plan", "keys", "rotate", "activate", "hold", "resume", "accept-restored", "wait", "token"]
    {
        for (name, text) in [("help", &help), ("completions", &bash)] {
            assert!(text.contains(command), "{command} is missing in {name}");
        }
        assert!(man.contains(&command.replace('-', "\\-")), "{command} is missing in man");
    }
    for shell in ["zsh", "fish"] {
        let output = run(here.path(), &["completions", shell]);
        assert_eq!(code(&output), 0);
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let here = folder();
    let mut child = keyd(here.path(), &["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
}
