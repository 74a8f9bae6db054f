//! What answers late, wrongly, by another clock, or is no LiveKit.

use std::thread;
use std::time::Duration;

use livekit_keyd_core::plan::Verdict;

use crate::fake::{Fake, answer, like_livekit};
use crate::support::eventually::PATIENCE;
use crate::{ONE, Watched};

#[test]
fn what_is_no_livekit_proves_nothing_and_is_named() {
    let all = Fake::answering(|_| answer("200 OK", "", "{}"));
    let polite = Fake::answering(|_| answer("400 Bad Request", "", "identity cannot be empty"));
    let stripped = Fake::answering(|_| answer("401 Unauthorized", "", "no permissions to access the room"));
    let target = all.address.clone();
    let redirect = Fake::answering(move |_| answer("302 Found", &format!("location: {target}/\r\n"), ""));
    let gateway = Fake::answering(|_| answer("503 Service Unavailable", "", ""));
    let gibberish = Fake::answering(|_| "220 mail.example.com ESMTP\r\n".to_owned());
    let endless = Fake::answering(|_| {
        format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: 9999999\r\n\r\n{}", "x".repeat(100_000))
    });
    let fakes = [
        (&all, "answers 200 to all"),
        (&polite, "does not refuse a key that nobody knows"),
        (&stripped, "Authorization header is taken away"),
        (&redirect, "302 is a redirect"),
        (&gateway, "a gateway without its server does, with 503"),
        (&gibberish, "does not answer"),
        (&endless, "does not answer as LiveKit does: 401"),
    ];
    let addresses: Vec<_> = fakes.iter().map(|(fake, _)| fake.address.as_str()).collect();
    let watched = Watched::start(&addresses);
    watched.ask_about(&[("APIone", Some(ONE))]);
    for (fake, part) in fakes {
        let node = watched.wait_for_trouble(&fake.address, part);
        assert_eq!(node.answering_since, None, "{part}");
        assert!(node.answers.values().all(|answer| answer.verdict != Verdict::Accepted), "{part}");
    }
    let followed = all.seen.lock().expect("nobody panicked").iter().any(|asked| asked.starts_with("GET / "));
    assert!(!followed, "a redirect was followed, with the token");
}

#[test]
fn an_answer_after_its_timeout_is_none() {
    let slow = Fake::answering(|request| {
        thread::sleep(Duration::from_millis(400));
        like_livekit("APIone", "", request)
    });
    let watched = Watched::with_timeout(&[&slow.address], Duration::from_millis(100));
    watched.ask_about(&[("APIone", Some(ONE))]);
    let node = watched.wait_for_trouble(&slow.address, "does not answer within 100ms");
    assert!(node.answers.is_empty());
    let patient = Watched::with_timeout(&[&slow.address], PATIENCE);
    patient.ask_about(&[("APIone", Some(ONE))]);
    patient.wait_for(&slow.address, &[("APIone", Verdict::Accepted)]);
}

#[test]
fn clocks_a_minute_apart_show_in_the_answers() {
    let date = |seconds: i64| {
        let now = std::time::SystemTime::now();
        let shift = Duration::from_secs(seconds.unsigned_abs());
        httpdate::fmt_http_date(if seconds < 0 { now - shift } else { now + shift })
    };
    let fake = move |seconds| {
        Fake::answering(move |request| {
            like_livekit("APIone", &format!("date: {}\r\n", date(seconds)), request)
        })
    };
    let (ahead, behind) = (fake(60), fake(-60));
    let watched = Watched::start(&[&ahead.address, &behind.address]);
    watched.ask_about(&[("APIone", Some(ONE))]);
    for fake in [&ahead, &behind] {
        let node = watched.wait_for(&fake.address, &[("APIone", Verdict::Accepted)]);
        let difference = node.clock_difference.as_millis();
        assert!((50_000..=60_000).contains(&difference), "{difference} ms");
    }
    let metrics = watched.metrics();
    let skew = metrics.lines().find_map(|line| line.strip_prefix("livekit_keyd_clock_skew_seconds "));
    assert!(skew.and_then(|skew| skew.parse::<f64>().ok()).is_some_and(|skew| skew > 50.0), "{metrics}");
}
