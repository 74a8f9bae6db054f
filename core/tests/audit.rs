//! A trail of 100 000 events, tampered with in every way: each is found at its place.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

use std::sync::OnceLock;

use livekit_keyd_core::audit::{
    Action, Broken, Chain, Event, Finding, Hash, Outcome, Place, Report, Subject, Verifier,
};
use livekit_keyd_core::time::Time;

const EVENTS: usize = 100_000;

/// Lines without their breaks.
type Lines = Vec<Vec<u8>>;

fn event(number: usize) -> Vec<u8> {
    let (room, token) = (format!("room-{number}"), Hash::of(&number.to_le_bytes()));
    let mut event = Event {
        caller: Some("app"),
        room: Some(&room),
        token: Some(token),
        ..Event::new(Time::from_millis(number as i64), Action::TokenIssue, Outcome::Success)
    };
    event = event.by(Subject { uid: 1000, gid: 1000, pid: 7 });
    let mut out = Vec::new();
    event.write(&mut out);
    out
}

fn sealed(chain: &mut Chain, event: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    chain.seal(event, &mut line);
    assert_eq!(line.pop(), Some(b'\n'), "a line ends with a break");
    line
}

fn trail() -> &'static Lines {
    static TRAIL: OnceLock<Lines> = OnceLock::new();
    TRAIL.get_or_init(|| {
        let mut chain = Chain::default();
        (1..=EVENTS).map(|number| sealed(&mut chain, &event(number))).collect()
    })
}

/// The chain behind line `number`, counted from 1.
fn chain_at(number: usize) -> Chain {
    livekit_keyd_core::audit::Link::parse(&trail()[number - 1]).expect("a line").chain()
}

fn verify(lines: &Lines, head: Option<Hash>) -> Report {
    let mut verifier = Verifier::new(head);
    verifier.next_file(0);
    for line in lines {
        verifier.feed(line);
    }
    verifier.finish(true)
}

/// The line in another room, as somebody would change it who forgets, or does not know, the hash.
fn in_another_room(line: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(line).replace("room-", "door-").into_bytes()
}

/// The same with its hash made anew.
fn with_a_hash_of_its_own(number: usize) -> Vec<u8> {
    sealed(&mut chain_at(number - 1), &event(number + 7))
}

fn at(line: u64, broken: Broken) -> Vec<Finding> {
    vec![Finding { place: Place { file: 0, line }, broken }]
}

#[test]
fn a_whole_trail_is_whole_and_every_tampering_is_found_at_its_place() {
    // All but the end is read once; each case tampers with the rest, around line AT.
    const BEFORE: usize = 98_000;
    const AT: u64 = 98_500;
    let mut before = Verifier::new(None);
    trail()[..BEFORE].iter().for_each(|line| before.feed(line));
    type Tamper = fn(&mut Lines);
    let cases: [(&str, Tamper, Vec<Finding>); 16] = [
        ("nothing", |_| {}, vec![]),
        ("changed", |lines| lines[499] = in_another_room(&lines[499]), at(AT, Broken::Changed)),
        (
            "changed, last line",
            |lines| lines[1999] = in_another_room(&lines[1999]),
            at(EVENTS as u64, Broken::Changed),
        ),
        ("changed and hashed", |lines| lines[499] = with_a_hash_of_its_own(98_500), at(AT, Broken::Changed)),
        ("changed to no line at all", |lines| lines[499] = b"{}".to_vec(), at(AT, Broken::Changed)),
        (
            "changed number",
            |lines| {
                let text = String::from_utf8_lossy(&lines[499]).replace(":98500,", ":98501,");
                lines[499] = text.into_bytes();
            },
            at(AT, Broken::Changed),
        ),
        ("removed", |lines| drop(lines.remove(499)), at(AT, Broken::Removed { first: AT, last: AT })),
        (
            "removed, many",
            |lines| drop(lines.drain(499..1499)),
            at(AT, Broken::Removed { first: AT, last: AT + 999 }),
        ),
        ("inserted, no line", |lines| lines.insert(499, b"hello".to_vec()), at(AT, Broken::Inserted)),
        (
            "inserted, well linked",
            |lines| lines.insert(499, with_a_hash_of_its_own(98_500)),
            at(AT, Broken::Inserted),
        ),
        (
            "inserted, out of the blue",
            |lines| {
                let mut blue = Chain { seq: 98_499, hash: Hash::of(b"blue") };
                lines.insert(499, sealed(&mut blue, &event(1)));
            },
            at(AT, Broken::Inserted),
        ),
        ("inserted, a copy", |lines| lines.insert(499, lines[49].clone()), at(AT, Broken::Inserted)),
        // Of two equal neighbours nobody can say which was there first.
        ("inserted, the same again", |lines| lines.insert(499, lines[499].clone()), at(AT, Broken::Inserted)),
        (
            "moved back a little",
            |lines| {
                let line = lines.remove(509);
                lines.insert(499, line);
            },
            at(AT, Broken::Reordered { seq: AT + 10 }),
        ),
        (
            "moved far on",
            |lines| {
                let line = lines.remove(499);
                lines.insert(1500, line);
            },
            at(99_501, Broken::Reordered { seq: AT }),
        ),
        (
            "moved far back",
            |lines| {
                let line = lines.remove(1499);
                lines.insert(499, line);
            },
            at(AT, Broken::Reordered { seq: 99_500 }),
        ),
    ];
    for (name, tamper, expected) in cases {
        let mut lines = trail()[BEFORE..].to_vec();
        tamper(&mut lines);
        let mut verifier = before.clone();
        lines.iter().for_each(|line| verifier.feed(line));
        assert_eq!(verifier.finish(true).broken, expected, "{name}");
    }
    let mut lines = trail()[..100].to_vec();
    lines[0] = in_another_room(&lines[0]);
    assert_eq!(verify(&lines, None).broken, at(1, Broken::Changed), "changed, first line");
    let report = verify(trail(), Some(chain_at(EVENTS).hash));
    assert_eq!((report.lines, report.first, report.last), (EVENTS as u64, Some(1), Some(EVENTS as u64)));
    assert!(report.broken.is_empty());
}

#[test]
fn two_neighbours_that_changed_places_are_one_finding() {
    for first in [0, 498, 998] {
        let mut lines = trail()[..1000].to_vec();
        lines.swap(first, first + 1);
        let broken = verify(&lines, None).broken;
        let [Finding { place, broken: Broken::Reordered { .. } }] = broken.as_slice() else {
            panic!("{first}: {broken:?}");
        };
        assert!((first as u64 + 1..=first as u64 + 2).contains(&place.line), "{place:?}");
    }
}

#[test]
fn several_tamperings_are_all_found() {
    let mut lines = trail()[..9_000].to_vec();
    lines[99] = in_another_room(&lines[99]);
    lines[100] = with_a_hash_of_its_own(101);
    lines.remove(5000);
    lines.insert(7_000, b"hello".to_vec());
    let broken: Vec<_> =
        verify(&lines, None).broken.iter().map(|found| (found.place.line, found.broken)).collect();
    let expected = [
        (100, Broken::Changed),
        (101, Broken::Changed),
        (5001, Broken::Removed { first: 5001, last: 5001 }),
        (7_001, Broken::Inserted),
    ];
    assert_eq!(broken, expected);
}

#[test]
fn a_cut_tail_shows_against_a_head() {
    let head = chain_at(1000).hash;
    let mut lines = trail()[..1000].to_vec();
    assert!(verify(&lines, Some(head)).broken.is_empty());
    lines.truncate(900);
    assert!(verify(&lines, None).broken.is_empty(), "without a head nothing is missing");
    assert_eq!(verify(&lines, Some(head)).broken, at(900, Broken::Cut));
    lines.push(with_a_hash_of_its_own(901));
    assert_eq!(verify(&lines, Some(head)).broken, at(901, Broken::Cut));
    // A head noted earlier is in a trail that went on.
    assert!(verify(&trail()[..1000].to_vec(), Some(chain_at(500).hash)).broken.is_empty());
}

#[test]
fn a_trail_may_go_on_in_another_file_and_begin_behind_one_that_is_archived() {
    let mut verifier = Verifier::new(None);
    for (file, lines) in trail()[10..1000].chunks(450).enumerate() {
        verifier.next_file(file);
        lines.iter().for_each(|line| verifier.feed(line));
    }
    let report = verifier.finish(true);
    assert_eq!((report.broken, report.first), (vec![], Some(11)));
}

#[test]
fn a_chain_that_starts_anew_is_named() {
    let mut lines = trail()[..100].to_vec();
    lines.extend_from_slice(&trail()[..50]);
    let broken = verify(&lines, None).broken;
    assert!(!broken.is_empty(), "a second beginning");
    // Of other events, as on a file that was moved away with its noted head.
    let (mut lines, mut chain) = (trail()[..100].to_vec(), Chain::default());
    lines.extend((5000..5100).map(|number| sealed(&mut chain, &event(number))));
    assert_eq!(verify(&lines, None).broken, at(101, Broken::Anew));
}

#[test]
fn torn_bytes_count_only_if_the_next_line_answers_for_them() {
    let torn = &trail()[100][..50];
    let resume = Event {
        torn_bytes: Some(torn.len() as u64),
        torn_hash: Some(Hash::of(torn)),
        ..Event::new(Time::MIN, Action::TrailResume, Outcome::Success)
    };
    let mut body = Vec::new();
    resume.write(&mut body);
    let mut chain = chain_at(100);
    let mut lines = trail()[..100].to_vec();
    lines.push(torn.to_vec());
    let mut whole = lines.clone();
    whole.push(sealed(&mut chain, &body));
    whole.push(sealed(&mut chain, &event(5)));
    let report = verify(&whole, None);
    assert_eq!(report.broken, vec![], "the line behind answers for it");
    assert_eq!(report.torn.iter().map(|note| note.place.line).collect::<Vec<_>>(), [101]);
    whole[100].push(b'x');
    assert_eq!(verify(&whole, None).broken, at(101, Broken::Inserted), "other bytes than it answers for");

    let mut verifier = Verifier::new(None);
    lines.iter().for_each(|line| verifier.feed(line));
    let report = verifier.finish(false);
    assert_eq!((report.broken, report.torn.len()), (vec![], 1), "at the very end a line may be torn");
}

#[test]
fn a_line_break_in_a_name_cannot_forge_a_line() {
    let forged = String::from_utf8_lossy(&trail()[1]).into_owned();
    let nasty = format!("a\n{forged}\r\n\u{2028}\u{0}\",\"event.action\":\"trail-resume\"");
    let event = Event {
        identity: Some(&nasty),
        room: Some(&nasty),
        caller: Some(&nasty),
        reason: Some(&nasty),
        request_id: Some(&nasty),
        ..Event::new(Time::MIN, Action::TokenIssue, Outcome::Failure)
    };
    let mut body = Vec::new();
    event.write(&mut body);
    let mut sealed = Vec::new();
    Chain::default().seal(&body, &mut sealed);
    assert_eq!(sealed.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
    let line: serde_json::Value = serde_json::from_slice(&sealed).expect("JSON");
    assert_eq!(line["user.name"], nasty.as_str(), "it is there, escaped");
    assert_eq!(line["event.action"], "token-issue");
}
