//! What a folder of files can be asked, and a Vault cannot.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd::store::{Expected, FileStore, Found, Store, StoreError};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use support::eventually::{self, PATIENCE};
use support::stores::{self, value};
use support::{again, server::Server};
use tempfile::TempDir;

/// Tells a process of its own which folder to use.
const FOLDER: &str = "TEST_STORE_FOLDER";

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

fn private_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("a mode");
    folder
}

fn all_files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => names.extend(all_files(&entry.path())),
            false => names.push(entry.file_name().into_string().expect("a name")),
        }
    }
    names.sort();
    names
}

#[test]
fn only_its_owner_can_read_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("new/store");
    block_on(stores::files(&place).write("a/doc", &json!({}), Expected::Absent)).expect("a write");
    for (path, mode) in [("", 0o700), ("a", 0o700), ("a/doc.json", 0o600), (".lock", 0o600)] {
        let found = fs::metadata(place.join(path)).expect("made").permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    for mode in [0o750, 0o701, 0o704] {
        fs::set_permissions(&place, Permissions::from_mode(mode)).expect("a mode");
        let error = FileStore::open(&place).expect_err("others can read it").to_string();
        assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod 700 "), "{error}");
    }
    // Somebody else's: root gives its own away, others try root's.
    fs::set_permissions(&place, Permissions::from_mode(0o700)).expect("a mode");
    let foreign = if chown(&place, Some(65534), None).is_ok() { &*place } else { Path::new("/usr") };
    let error = FileStore::open(foreign).expect_err("somebody else's").to_string();
    assert!(error.contains("belongs to the user with number") && error.contains("chown -R"), "{error}");
}

#[test]
fn readers_do_not_wait_for_a_lock_and_writers_do() {
    let folder = private_folder();
    let store = stores::files(folder.path());
    block_on(async {
        store.write("doc", &json!(1), Expected::Absent).await.expect("a write");
        let lock = fs::File::open(folder.path().join(".lock")).expect("the lock's file");
        flock(&lock, FlockOperation::LockExclusive).expect("held as by another process");
        let writers: Vec<_> = (0..16)
            .map(|n| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.write("doc", &json!(n), Expected::Version(1)).await })
            })
            .collect();
        for _ in 0..100 {
            assert!(matches!(value(&store, "doc").await, Found::Value { version: 1, .. }));
        }
        assert!(writers.iter().all(|writer| !writer.is_finished()), "nobody writes meanwhile");
        drop(lock);
        let mut won = 0;
        for writer in writers {
            won += u32::from(writer.await.expect("a writer").is_ok());
        }
        assert_eq!(won, 1);
    });
}

async fn add_one(store: &Store) {
    loop {
        let (expected, n) = match store.read::<u64>("counter").await.expect("a read") {
            Found::Value { version, value } => (Expected::Version(version), value),
            Found::Absent | Found::Deleted { .. } => (Expected::Absent, 0),
        };
        match store.write("counter", &(n + 1), expected).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error, StoreError::Conflict),
        }
    }
}

#[test]
fn processes_do_not_lose_each_others_writes() {
    const EACH: u64 = 40;
    const PROCESSES: u64 = 3;
    if let Some(folder) = again::told(FOLDER) {
        let store = stores::files(Path::new(&folder));
        return block_on(async {
            for _ in 0..EACH {
                add_one(&store).await;
            }
        });
    }
    let folder = private_folder();
    let start = || {
        let name = "processes_do_not_lose_each_others_writes";
        again::command(name, FOLDER, folder.path()).spawn().expect("a process")
    };
    let children: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().expect("its end").success());
    }
    let total = EACH * PROCESSES;
    let counter = block_on(value(&stores::files(folder.path()), "counter"));
    assert_eq!(counter, Found::Value { version: total, value: json!(total) });
}

fn there(found: Found<Value>) -> (u64, Value) {
    match found {
        Found::Value { version, value } => Some((version, value)),
        Found::Deleted { .. } | Found::Absent => None,
    }
    .expect("it was there before")
}

#[test]
fn a_process_killed_within_a_write_leaves_a_whole_value() {
    let pad = "x".repeat(1 << 20);
    let whole = |n: u64| json!({ "first": n, "pad": pad, "last": n });
    if let Some(folder) = again::told(FOLDER) {
        let store = stores::files(Path::new(&folder));
        return block_on(async {
            let (mut version, _) = there(value(&store, "deep/doc").await);
            loop {
                let next = store.write("deep/doc", &whole(version + 1), Expected::Version(version)).await;
                version = next.expect("a write");
            }
        });
    }
    let folder = private_folder();
    let store = stores::files(folder.path());
    block_on(store.write("deep/doc", &whole(1), Expected::Absent)).expect("a first write");
    let read = || {
        let (version, value) = there(block_on(value(&store, "deep/doc")));
        assert_eq!(value, whole(version), "all of one write");
        version
    };
    for kill in 0..8 {
        let before = read();
        let name = "a_process_killed_within_a_write_leaves_a_whole_value";
        let mut writer = Server::spawn("a writer", again::command(name, FOLDER, folder.path()));
        eventually::eventually(PATIENCE, "the writer writes", || read() > before + 1);
        std::thread::sleep(Duration::from_micros(700 * kill));
        writer.kill();
        assert!(read() >= before);
    }
    // Whether or not one of them was caught in the act.
    fs::write(folder.path().join("deep/.doc.json.4294967.tmp"), "half").expect("a leftover");
    fs::write(folder.path().join(".other.json.4294967.tmp"), "half").expect("a leftover");
    let last = read();
    block_on(store.write("deep/doc", &whole(last + 1), Expected::Version(last))).expect("a write goes on");
    assert_eq!(all_files(folder.path()), [".lock", ".other.json.4294967.tmp", "doc.json"]);
    FileStore::open(folder.path()).expect("a start");
    assert_eq!(all_files(folder.path()), [".lock", "doc.json"]);
}

#[test]
fn a_full_disk_takes_nothing_away() {
    let name = "a_full_disk_takes_nothing_away";
    if let Some(folder) = again::told(FOLDER) {
        return block_on(runs_full(Path::new(&folder)));
    }
    let folder = private_folder();
    let limited = "trap '' XFSZ; ulimit -f 64; exec \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", limited, "sh"]);
    again::passes(again::by(shell, name, FOLDER, folder.path().join("limited")));
    // A disk of its own, where this user may have one.
    if Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|tried| tried.status.success()) {
        let disk = "mount -t tmpfs -o size=64k,mode=700 none \"$1\"; shift; exec \"$@\"";
        let mut shell = Command::new("unshare");
        shell.args(["-m", "sh", "-e", "-c", disk, "sh"]).arg(folder.path());
        again::passes(again::by(shell, name, FOLDER, folder.path().join("disk")));
    }
}

async fn runs_full(folder: &Path) {
    let store = stores::files(folder);
    store.write("doc", &json!("small"), Expected::Absent).await.expect("a small write");
    let big = json!("x".repeat(100_000));
    let error = store.write("doc", &big, Expected::Version(1)).await.expect_err("there is no room");
    assert!(error.is_retryable() && error.to_string().contains("free some space"), "{error}");
    assert_eq!(value(&store, "doc").await, Found::Value { version: 1, value: json!("small") });
    assert_eq!(all_files(folder), [".lock", "doc.json"]);
    store.write("doc", &json!("still"), Expected::Version(1)).await.expect("a small write fits");
    assert!(store.status().reachable);
}

#[test]
fn a_file_that_is_no_document_is_said_to_be_none() {
    let folder = private_folder();
    let store = stores::files(folder.path());
    for bytes in ["", "{\"version\":1,\"data\":", "marigold", "{\"data\":{}}", "\u{0}\u{0}"] {
        fs::write(folder.path().join("doc.json"), bytes).expect("a file");
        let read = block_on(store.read::<Value>("doc")).expect_err("no document");
        let write = block_on(store.write("doc", &json!({}), Expected::Version(1))).expect_err("not blindly");
        for error in [read, write] {
            let said = error.to_string();
            assert!(matches!(error, StoreError::Malformed { .. }) && said.contains("put a copy"), "{said}");
            assert!(!said.contains("marigold"), "{said}");
        }
    }
}
