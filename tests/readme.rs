//! Every command that the README shows is run, in the order in which a newcomer would.
//!
//! The list here and the README's must be the same: a command that is added there
//! and not run here fails the first test.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::eventually::{PATIENCE, eventually};

const README: &str = include_str!("../README.md");

const DEV: &str = "cargo run -- dev";
const DEV_ROTATING: &str = "cargo run -- dev --rotate-every 20s";
const TOKEN: &str = "cargo run -q -- token --room demo --identity alice";
const TESTS: &str = "make test";
const TOKENS: &str = "while sleep 1; do target/debug/livekit-keyd token --room demo --identity alice | target/debug/livekit-keyd inspect -; done";
const KEYS: &str = "while sleep 1; do clear; target/debug/livekit-keyd keys; done";
const CHECK: &str = "livekit-keyd check --config /etc/livekit-keyd/keyd.toml";
const RUN: &str = "livekit-keyd run --config /etc/livekit-keyd/keyd.toml";
const INIT: &str = "livekit-keyd init apps";
const CURL: &str = "curl --unix-socket livekit-keyd-dev/sign.sock http://localhost/v1/tokens -d '{\"identity\": \"alice\", \"room\": \"demo\", \"grants\": {\"video\": {\"roomJoin\": true}}}'";

/// A shell in a folder, as a newcomer has it: with the program built, and in PATH where it was installed.
struct Newcomer {
    folder: tempfile::TempDir,
}

impl Newcomer {
    /// Stands in a folder that looks like the checkout: what was built lies in `target/debug`.
    fn arrive() -> Newcomer {
        let folder = tempfile::tempdir().expect("a folder");
        let debug = folder.path().join("target/debug");
        std::fs::create_dir_all(&debug).expect("a folder");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_livekit-keyd"), debug.join("livekit-keyd"))
            .expect("a link");
        Newcomer { folder }
    }

    /// The build is behind us: `cargo run` is the program that it would start.
    fn shell(&self, command: &str) -> Command {
        let program = env!("CARGO_BIN_EXE_livekit-keyd");
        let command = command
            .replacen("cargo run -q --", program, 1)
            .replacen("cargo run --", program, 1)
            .replace("/etc/livekit-keyd/keyd.toml", "keyd.toml");
        let path = format!("{}:{}", parent(program).display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("setpriv");
        shell.args(["--pdeathsig", "KILL", "bash", "-c", &format!("exec 2>&1; {command}")]);
        shell.current_dir(self.folder.path()).env("PATH", path).env("TERM", "xterm").stdin(Stdio::null());
        for variable in ["LIVEKIT_KEYD_CONFIG", "LIVEKIT_KEYD_SOCKET", "LIVEKIT_KEYD_ADMIN_SOCKET"] {
            shell.env_remove(variable);
        }
        shell
    }

    fn run(&self, command: &str) -> (bool, String) {
        let Output { status, stdout, .. } = self.shell(command).output().expect("bash starts");
        (status.success(), String::from_utf8_lossy(&stdout).into_owned())
    }

    /// Runs something that does not end by itself, for so long.
    fn watch(&self, command: &str, seconds: u32) -> String {
        let (_, text) = self.run(&format!("timeout {seconds} bash -c {}", quoted(command)));
        text
    }

    fn start(&self, command: &str) -> Running {
        Running(self.shell(&format!("exec {command}")).stdout(Stdio::null()).spawn().expect("bash starts"))
    }
}

fn parent(program: &str) -> PathBuf {
    Path::new(program).parent().expect("a folder").to_owned()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_readme_shows_these_commands_and_no_others() {
    let shown: Vec<_> = README.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert_eq!(shown, [DEV, TOKEN, TESTS, DEV_ROTATING, TOKENS, KEYS, CHECK, RUN, INIT, CURL]);
    // The one that cannot be run from within itself.
    let makefile = include_str!("../Makefile");
    assert!(makefile.lines().any(|line| line.starts_with("test:")), "make test");
    let ci = include_str!("../.ci/run");
    assert!(ci.contains("make test"), "CI runs what the README says");
}

#[test]
fn two_commands_give_a_token() {
    let newcomer = Newcomer::arrive();
    let began = Instant::now();
    let _dev = newcomer.start(DEV);
    let mut first = String::new();
    eventually(PATIENCE, "a token", || {
        let (good, text) = newcomer.run(TOKEN);
        first = text;
        good
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "the first token came after {took:?}");
    assert_eq!(first.trim().split('.').count(), 3, "a JWT and nothing else: {first}");

    let (good, answer) = newcomer.run(CURL);
    let json = answer.find('{').map(|begin| &answer[begin..]).expect("JSON");
    let answer: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert!(good && answer["token"].is_string() && answer["refresh_at"].is_string(), "{answer}");
}

#[test]
fn a_rotation_is_seen_in_sixty_seconds() {
    let newcomer = Newcomer::arrive();
    let _dev = newcomer.start(DEV_ROTATING);
    eventually(PATIENCE, "a token", || newcomer.run(TOKEN).0);
    let (tokens, keys) = std::thread::scope(|scope| {
        let keys = scope.spawn(|| newcomer.watch(KEYS, 26));
        (newcomer.watch(TOKENS, 26), keys.join().expect("the keys were watched"))
    });
    let words = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
    let mut ids: Vec<_> = words(&tokens).into_iter().filter(|word| word.starts_with("API")).collect();
    ids.dedup();
    assert!(ids.len() >= 2, "the key id changes under one's eyes: {tokens}");
    assert!(tokens.contains("active") && tokens.contains("good"), "{tokens}");
    assert!(!tokens.contains("refused"), "no token is refused: {tokens}");
    assert!(keys.contains("retiring"), "{keys}");
}

#[test]
fn a_configuration_is_checked_run_and_initialised() {
    let newcomer = Newcomer::arrive();
    let dir = newcomer.folder.path().display().to_string();
    let config = format!(
        "role = \"both\"\n[livekit]\nproof = \"disabled\"\n[store]\nkind = \"file\"\n[store.file]\ndir = \"store\"\n\
         [sign]\nsocket = \"{dir}/livekit-keyd-dev/sign.sock\"\n[admin]\nsocket = \"{dir}/livekit-keyd-dev/admin.sock\"\n\
         [metrics]\nlisten = \"127.0.0.1:0\"\n[[keyset]]\nname = \"apps\"\npublish_delay = \"1s\"\n\
         [[publish]]\nkind = \"key_file\"\npath = \"keys.yaml\"\nmode = \"0600\"\n"
    );
    std::fs::create_dir(newcomer.folder.path().join("livekit-keyd-dev")).expect("a folder");
    std::fs::write(newcomer.folder.path().join("keyd.toml"), config).expect("a configuration");
    let (good, said) = newcomer.run(CHECK);
    assert!(good && said.contains("no mistakes"), "{said}");
    let _daemon = newcomer.start(RUN);
    eventually(PATIENCE, "init", || newcomer.run(INIT).0);
}
