//! Tokens that are taken from many sides, into each kind of sink.

use std::fs;
use std::path::PathBuf;

use livekit_keyd_core::audit::Hash;
use serde_json::json;

use super::harness::{FILE, config, daemon, start};
use super::support::daemon::Daemon;
use super::support::trail;

/// Clients at a time.
const CLIENTS: usize = 4;
/// Tokens that each of them takes, one after the other.
const TOKENS: usize = 150;

/// Takes tokens, each another one.
fn take_tokens(daemon: &Daemon) -> Vec<String> {
    let sign = daemon.sign();
    let take = |client: usize| {
        let one = |number: usize| {
            let grants = json!({"video": {"roomJoin": true}});
            let request =
                json!({"identity": format!("c{client}p{number}"), "room": "demo", "grants": grants});
            let (status, answer) = sign.post("/v1/tokens", &request);
            assert_eq!(status, 201, "{answer}");
            answer["token"].as_str().expect("a token").to_owned()
        };
        (0..TOKENS).map(one).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || take(client))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    })
}

/// The chain is whole over these files, and the event of each token is in them.
fn assert_holds(files: &[PathBuf], tokens: &[String], what: &str) {
    let paths: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let (whole, said) = trail::verify(&[], &paths);
    assert!(whole, "{what}: {said}");
    let text: String = files.iter().map(|file| fs::read_to_string(file).expect("a trail")).collect();
    let lost = tokens.iter().filter(|token| !text.contains(&Hash::of(token.as_bytes()).to_string())).count();
    assert_eq!((tokens.len(), lost), (CLIENTS * TOKENS, 0), "{what}: tokens without an event");
}

#[test]
fn a_full_file_is_put_away_and_the_chain_goes_on_in_the_next() {
    const MAX_SIZE: u64 = 65_536;
    let mut daemon = daemon(&format!("{FILE}max_size = {MAX_SIZE}"));
    let tokens = take_tokens(&daemon);
    daemon.terminate();
    let current = trail::file(&daemon);
    let is_put_away = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.strip_prefix("audit.jsonl.").is_some_and(|number| number.parse::<u64>().is_ok())
    };
    let entries = fs::read_dir(daemon.folder()).expect("its folder");
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(is_put_away).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let length = fs::metadata(file).expect("a file").len();
        assert!((MAX_SIZE..MAX_SIZE * 2).contains(&length), "{}: {length}", file.display());
    }
    files.extend(current.exists().then_some(current));
    assert_holds(&files, &tokens, "files of a size");
}

#[test]
fn each_fsync_holds_every_token() {
    for fsync in ["always", "interval", "never"] {
        let mut daemon = daemon(&format!("{FILE}fsync = \"{fsync}\""));
        let tokens = take_tokens(&daemon);
        // As it is given out, not only at the end.
        assert_holds(&[trail::file(&daemon)], &tokens, fsync);
        daemon.terminate();
        assert_holds(&[trail::file(&daemon)], &tokens, fsync);
    }
}

#[test]
fn standard_output_holds_every_token() {
    let mut daemon = Daemon::new(&config("sink = \"stdout\""));
    let output = daemon.folder().join("stdout");
    daemon.start_by(&["sh", "-c", &format!("exec \"$@\" > '{}'", output.display()), "sh"]);
    let mut daemon = start(daemon);
    let tokens = take_tokens(&daemon);
    daemon.terminate();
    assert_holds(&[output], &tokens, "standard output");
}
