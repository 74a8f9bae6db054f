//! Rotations of a daemon that is killed at the lines of its log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use livekit_keyd_core::document::Document;
use serde_json::json;

use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, nothing_wrong};
use super::support::socket::Socket;
use super::support::stored::{KEYSET, Stored, ids};
use super::support::{deployment, http};

/// How often the daemon is killed at each kind of line.
const KILLS: usize = 5;
/// More rotations than any kind of line needs to be seen that often.
const MOST_ROTATIONS: usize = 60;
/// Beginnings of the lines that stand before and after outside changes.
const STEPS: [&str; 5] = ["writing ", "publishing: ", "destroying ", "removing ", "done: "];

/// A daemon with a keyset, and all that is known of its keys.
pub(crate) struct Crashing<'a> {
    daemon: Daemon,
    stored: Stored<'a>,
    /// Every secret that was ever published, by id.
    seen: BTreeMap<String, String>,
    kills: BTreeMap<String, usize>,
    /// Kills before a write of the document reached the store, and after.
    sides: (usize, usize),
    orphans: usize,
}

impl<'a> Crashing<'a> {
    /// Starts the daemon and makes the keyset.
    pub(crate) fn begin(mut daemon: Daemon, stored: Stored<'a>) -> Crashing<'a> {
        daemon.start_again();
        daemon.init(KEYSET);
        let (seen, kills) = (BTreeMap::new(), BTreeMap::new());
        let mut crashing = Crashing { daemon, stored, seen, kills, sides: (0, 0), orphans: 0 };
        crashing.settle();
        crashing
    }

    /// Learns the kinds of lines from a rotation without a kill, then kills at each of them; `expected` must be among them.
    pub(crate) fn kill_at_each_step(mut self, expected: &[&str]) {
        let began = Instant::now();
        let from = self.daemon.log().len();
        self.rotate(&BTreeSet::new());
        let text = self.daemon.log().text();
        self.kills = text.lines().skip(from).filter_map(step).map(|(kind, _)| (kind, 0)).collect();
        for kind in expected {
            assert!(self.kills.contains_key(*kind), "no rotation logs `{kind}`:\n{text}");
        }
        for rotation in 0.. {
            // A kill that comes after a step keeps its "done" from being said: so the two take turns.
            let after = rotation % 2 == 1;
            let left = self.kills.iter().filter(|(_, kills)| **kills < KILLS);
            let left: BTreeSet<String> = left.map(|(kind, _)| kind.clone()).collect();
            if left.is_empty() {
                break;
            }
            assert!(rotation < MOST_ROTATIONS, "never killed often enough at {left:?}");
            let due = left.iter().filter(|kind| kind.starts_with("done") == after).cloned().collect();
            self.rotate(&due);
        }
        let kills: usize = self.kills.values().sum();
        println!(
            "{kills} kills at {} kinds of lines in {:?}; the document's write was missing {} times and there {} times; {} orphans",
            self.kills.len(),
            began.elapsed(),
            self.sides.0,
            self.sides.1,
            self.orphans,
        );
    }

    /// One rotation to its end, killed once at each kind that is due.
    fn rotate(&mut self, due: &BTreeSet<String>) {
        let before = self.document();
        let mut due = due.clone();
        let end = Instant::now() + PATIENCE * 2;
        self.ask();
        loop {
            let at = self.daemon.log().first(self.daemon.started_at(), Duration::from_millis(50), |line| {
                step(line).filter(|(kind, _)| due.contains(kind))
            });
            if let Some((kind, seq)) = at {
                self.kill(&kind, seq);
                due.remove(&kind);
                self.start_again(&before);
            } else if self.is_over(&before) {
                break;
            }
            let flaws = self.stored.flaws(&deployment::key_file(&self.daemon), &self.seen);
            assert!(
                Instant::now() < end,
                "the rotation does not end: {flaws:?}\n{}",
                self.daemon.log().text()
            );
        }
        self.settle();
        let after = self.document();
        assert_eq!(after.committed().count(), before.committed().count() + 1, "one rotation was asked for");
        assert_eq!(after.keys.len(), before.keys.len() + 1, "a rotation makes one key");
        let known: Vec<_> = after.keys.iter().map(|key| &key.id).take(before.keys.len()).collect();
        assert_eq!(
            known,
            before.keys.iter().map(|key| &key.id).collect::<Vec<_>>(),
            "no id is ever forgotten"
        );
    }

    /// Ends it a little after the line: within, before or after the change that the line announces.
    fn kill(&mut self, kind: &str, seq: Option<u64>) {
        let kills = self.kills.entry(kind.to_owned()).or_default();
        let chance =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").subsec_micros();
        // Twice at once, to come before the change; then ever later, to come after it.
        let pause =
            [0, 0, 500, 1_500, 4_000][*kills % KILLS] + u64::from(chance % 300) * (*kills as u64 / 2).min(1);
        *kills += 1;
        std::thread::sleep(Duration::from_micros(pause));
        self.daemon.kill();
        assert_eq!(self.stored.torn(), Vec::<String>::new(), "after a kill at `{kind}`");
        if let Some(seq) = seq {
            let written = self.document().seq >= seq;
            if written { self.sides.1 += 1 } else { self.sides.0 += 1 }
        }
    }

    /// Starts it, and asks anew if the kill came before the request was written.
    fn start_again(&mut self, before: &Document) {
        if self.is_asked(before) {
            self.daemon.spawn();
            return;
        }
        self.daemon.start_again();
        // A write that was under way at the kill has landed by now.
        if !self.is_asked(before) {
            self.ask();
        }
    }

    fn is_asked(&self, before: &Document) -> bool {
        let document = self.document();
        document.requested.is_some() || document.committed().count() > before.committed().count()
    }

    /// In a thread of its own, which is left to itself: whoever answers may be killed meanwhile.
    fn ask(&self) {
        let admin: Socket = self.daemon.admin();
        let request = http::request(
            "POST",
            &format!("/v1/keysets/{KEYSET}/rotate"),
            &[],
            json!({}).to_string().as_bytes(),
        );
        std::thread::spawn(move || admin.send(&request));
    }

    fn is_over(&mut self, before: &Document) -> bool {
        self.seen.extend(deployment::keys(&self.daemon));
        self.document().committed().count() > before.committed().count()
            && self.stored.flaws(&deployment::key_file(&self.daemon), &self.seen).is_empty()
    }

    /// Waits until all is as it should be, then checks what only then can be.
    fn settle(&mut self) {
        let key_file = deployment::key_file(&self.daemon);
        self.daemon.wait_until_it_answers();
        nothing_wrong(PATIENCE, || {
            self.seen.extend(deployment::keys(&self.daemon));
            self.stored.flaws(&key_file, &self.seen)
        });
        self.daemon.wait_until_ready();
        let (status, minted) = deployment::mint(&self.daemon);
        assert_eq!(status, 201, "a signer in touch with its store has a key: {minted}");
        self.drop_orphans();
        let document = self.document();
        let named: BTreeSet<String> =
            self.stored.versions().iter().flat_map(|version| ids(version.keys.iter())).collect();
        assert_eq!(named, ids(document.keys.iter()), "all versions name the same keys");
        let log = self.daemon.log().text();
        assert!(!self.seen.values().any(|secret| log.contains(secret)), "a secret was logged");
    }

    /// A secret that no document names goes after the next write of the document, as its maker's own write then fails.
    fn drop_orphans(&mut self) {
        let orphans = self.stored.orphans();
        if orphans.is_empty() {
            return;
        }
        self.orphans += orphans.len();
        let path = |what: &str| format!("/v1/keysets/{KEYSET}/{what}");
        for (what, body) in [("hold", json!({"until": "1h"})), ("resume", json!({}))] {
            let (status, answer) = self.daemon.admin().post(&path(what), &body);
            assert!((200..300).contains(&status), "{what}: {status} {answer}");
        }
        nothing_wrong(PATIENCE, || self.stored.orphans());
    }

    fn document(&self) -> Document {
        self.stored.document().expect("a document")
    }
}

/// Which kind of step a line of the log is about, and the seq of the document that it announces.
fn step(line: &str) -> Option<(String, Option<u64>)> {
    let message = line.split_once(" INFO ")?.1;
    if !STEPS.iter().any(|step| message.starts_with(step)) {
        return None;
    }
    let field =
        |name: &str| Some(message.split_once(&format!(" {name}="))?.1.split(' ').next()?.trim_matches('"'));
    let kind = match field("rule").filter(|_| message.starts_with("done: ")) {
        Some(rule) => format!("done: {rule}"),
        // Without the name of what is published, which stands in quotes.
        None => message.split('`').step_by(2).collect::<Vec<_>>().join("..."),
    };
    let ends = ["; ", " keyset=", " publisher=", " path="];
    let kind = ends.iter().fold(kind.as_str(), |kind, end| kind.split(end).next().unwrap_or(kind));
    Some((kind.to_owned(), field("seq").and_then(|seq| seq.parse().ok())))
}
