//! The command line as scripts see it: codes, what goes to standard output and what does not.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;

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

/// Runs `inspect -` without a signer on this input.
fn inspect(input: &str, options: &[&str]) -> Output {
    let here = folder();
    let mut child = keyd(here.path(), &[&["inspect", "-", "--socket", "none.sock"], options].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn token(claims: &str) -> String {
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(claims), part("signature"))
}

#[test]
fn without_a_signer_a_token_is_judged_by_its_text_and_that_is_said() {
    let good =
        token(r#"{"iss":"APIx","sub":"alice","exp":4102444800,"video":{"room":"demo","roomJoin":true}}"#);
    let output = inspect(&format!("{good}\n"), &[]);
    let said = stdout(&output);
    assert_eq!(code(&output), 0, "{said}{}", stderr(&output));
    assert!(said.starts_with("APIx, ") && said.contains("alice in room demo"), "{said}");
    assert!(said.contains("the signature was not checked") && said.contains("none.sock"), "{said}");
    assert!(!said.contains(&good), "the token itself is not repeated");
}

#[test]
fn one_refused_token_among_many_is_1() {
    let good = token(r#"{"iss":"APIx","exp":4102444800}"#);
    let expired = token(r#"{"iss":"APIx","exp":1}"#);
    let output = inspect(&format!("{good}\n\n{expired}\nhunter2\n"), &["--json"]);
    assert_eq!(code(&output), 1);
    let lines: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).expect("a line a token")).collect();
    let refused: Vec<_> = lines.iter().map(|line| line["refused"].as_bool()).collect();
    assert_eq!(refused, [Some(false), Some(true), Some(true)]);
    assert!(lines[1]["reasons"][0].as_str().is_some_and(|reason| reason.contains("expired")), "{lines:?}");
    assert!(!stdout(&output).contains("hunter2"));
    assert_eq!(code(&inspect("\n", &[])), 1, "no token at all is no good token");
}

/// A `dev` daemon that ends with the test.
struct Dev(Child);

impl Dev {
    /// Starts it in this folder and waits for its greeting, which names the key.
    fn start(here: &Path) -> (Dev, String) {
        let child = keyd(here, &["dev", "--metrics", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut dev = Dev(child);
        let mut greeting = String::new();
        let stdout = dev.0.stdout.take().expect("a pipe");
        for line in BufReader::new(stdout).lines() {
            greeting.push_str(&line.expect("text"));
            greeting.push('\n');
            if greeting.contains("Ctrl-C") {
                break;
            }
        }
        let key = greeting
            .strip_prefix("Ready: tokens are signed with key ")
            .and_then(|rest| rest.split('.').next());
        let key = key.unwrap_or(greeting.as_str()).to_owned();
        (dev, key)
    }

    /// Ends it as a service manager does.
    fn end(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.0.wait().expect("it ends").code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _has_ended = self.0.kill();
        let _has_ended = self.0.wait();
    }
}

#[test]
fn dev_serves_every_operator_s_command_from_its_folder_and_goes_on_with_its_keys() {
    let here = folder();
    let here = here.path();
    let (dev, first) = Dev::start(here);
    let well = |arguments: &[&str]| {
        let output = run(here, arguments);
        assert_eq!(code(&output), 0, "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    };
    well(&["wait", "default", "--for", "steady", "--timeout", "60s"]);
    assert!(well(&["init", "default"]).contains("exists already"));
    let keys = well(&["keys"]);
    let line =
        |keys: &str, key: &str| keys.lines().find(|line| line.contains(key)).unwrap_or_default().to_owned();
    assert!(line(&keys, &first).contains(" active "), "{keys}");

    let rotated = well(&["rotate", "default"]);
    let second = rotated.split(' ').next().expect("a word").to_owned();
    assert!(rotated.contains("signs for `default`") && second != first, "{rotated}");
    well(&["wait", "default", "--for", "rotated", "--timeout", "60s"]);
    let keys = well(&["keys"]);
    assert!(
        line(&keys, &first).contains(" retiring ") && line(&keys, &second).contains(" active "),
        "{keys}"
    );

    assert!(well(&["hold", "default", "--until", "1h"]).contains("on hold"));
    let status: serde_json::Value =
        serde_json::from_str(&stdout(&run(here, &["status", "--json"]))).expect("JSON");
    assert!(status["keysets"][0]["hold_until"].is_string(), "{status}");
    well(&["resume", "default"]);
    well(&["refresh"]);
    well(&["reload"]);
    assert!(well(&["plan"]).contains("Foreseen"));
    let unknown = run(here, &["rotate", "defualt"]);
    assert_eq!(code(&unknown), 1);
    assert!(stderr(&unknown).contains("default"), "{}", stderr(&unknown));

    let beside = run(here, &["dev"]);
    assert_eq!(code(&beside), 1);
    assert!(stderr(&beside).contains("runs in livekit-keyd-dev already"), "{}", stderr(&beside));
    assert_eq!(dev.end(), Some(0));
    let (_dev, again) = Dev::start(here);
    assert_eq!(again, second, "a second start goes on with the keys of the first");
}

#[test]
fn a_configuration_s_mistakes_are_told_with_their_lines_and_end_with_2() {
    let here = folder();
    let path = here.path().join("keyd.toml");
    std::fs::write(&path, "role = \"bohth\"\n[store]\nkind = \"file\"\n").expect("a file");
    for command in ["check", "run"] {
        let output = run(here.path(), &[command, "--config", "keyd.toml"]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        assert!(
            stderr(&output).contains("keyd.toml:1:") && stderr(&output).contains("both"),
            "{}",
            stderr(&output)
        );
    }
    let json = run(here.path(), &["check", "--config", "keyd.toml", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!((code(&json), &report["valid"]), (2, &serde_json::json!(false)));
    assert_eq!(code(&run(here.path(), &["run"])), 2, "a configuration must be named");
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let here = folder();
    let help = stdout(&run(here.path(), &["help"]));
    let man = stdout(&run(here.path(), &["man"]));
    let bash = stdout(&run(here.path(), &["completions", "bash"]));
    for command in [
        "status",
        "plan",
        "keys",
        "rotate",
        "activate",
        "hold",
        "resume",
        "accept-restored",
        "wait",
        "token",
        "inspect",
    ] {
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
