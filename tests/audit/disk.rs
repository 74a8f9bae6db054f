//! A disk that is full, fills or hangs.

use std::process::Command;
use std::time::{Duration, Instant};

use livekit_keyd_core::audit::Hash;
use rustix::process::{Pid, Resource, Rlimit};
use serde_json::{Value, json};

use super::file_system::FileSystem;
use super::harness::{FILE, config, daemon, start};
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::support::{deployment, trail};

#[test]
fn a_full_disk_stops_tokens_or_not_as_it_is_configured() {
    for (on_failure, status) in [("refuse", 503), ("drop", 201)] {
        let daemon = daemon(&format!("sink = \"file\"\npath = \"/dev/full\"\non_failure = \"{on_failure}\""));
        let (answered, problem) = deployment::mint(&daemon);
        assert_eq!(answered, status, "{on_failure}: {problem}");
        if status == 503 {
            assert_eq!(problem["type"], "urn:livekit-keyd:problem:audit-refused");
        }
        let metrics = daemon.telemetry("/metrics");
        let given_out = u64::from(status == 201);
        for (metric, value) in [
            ("tokens_issued_total{caller=\"test\",keyset=\"apps\"}", given_out),
            ("token_requests_total{caller=\"test\",result=\"ok\"}", given_out),
            ("token_requests_total{caller=\"test\",result=\"unavailable\"}", 1 - given_out),
        ] {
            let line = format!("livekit_keyd_{metric} {value}");
            assert!(metrics.lines().any(|found| found == line), "{on_failure}: {line}");
        }
        let of_key = metrics.lines().filter(|line| line.starts_with("livekit_keyd_key_tokens_issued_total"));
        let of_key: u64 = of_key.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
        assert_eq!(of_key, given_out, "{on_failure}: tokens of its keys");
        assert!(events(&daemon, "failed") > 0, "{on_failure}: the loss is counted");
        assert!(says_so(&daemon), "{on_failure}: it is a condition");
    }
}

#[test]
fn a_sink_that_hangs_never_holds_a_request_beyond_its_limit() {
    for (on_failure, status) in [("refuse", 503), ("drop", 201)] {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let path = pipe.display();
        let daemon = daemon(&format!(
            "sink = \"file\"\npath = \"{path}\"\non_failure = \"{on_failure}\"\ntimeout = \"300ms\"\nqueue = 16"
        ));
        let mut answers = Vec::new();
        for _ in 0..400 {
            let began = Instant::now();
            answers.push(deployment::mint(&daemon).0);
            assert!(began.elapsed() < Duration::from_secs(5), "a request was held");
        }
        assert_eq!(answers[0], 201, "the pipe takes some");
        assert_eq!(answers.last(), Some(&status), "{on_failure}");
        for result in ["late", "overflowed"] {
            assert!(events(&daemon, result) > 0, "{on_failure}: {result}");
        }
    }
}

#[test]
fn a_disk_that_hangs_within_a_write_never_holds_a_request_beyond_its_limit() {
    for (on_failure, status) in [("refuse", 503), ("drop", 201)] {
        let disk = FileSystem::mount();
        let path = disk.path().join("audit.jsonl");
        let mut daemon = daemon(&format!(
            "sink = \"file\"\npath = \"{}\"\non_failure = \"{on_failure}\"\ntimeout = \"400ms\"",
            path.display()
        ));
        assert_eq!(deployment::mint(&daemon).0, 201, "the premise");
        let hanging = disk.hang();
        let in_time = |request: &(dyn Fn() -> u16 + Sync)| {
            let began = Instant::now();
            let answered = request();
            assert!(began.elapsed() < Duration::from_secs(3), "{on_failure}: a request was held");
            answered
        };
        let mint = || deployment::mint(&daemon).0;
        // The first is the one whose thread hangs, and nothing else is under way that could wake another.
        assert_eq!(in_time(&mint), status, "{on_failure}");
        assert_eq!(in_time(&|| daemon.sign().get("/healthz").0), 200);
        for _ in 0..3 {
            std::thread::scope(|scope| {
                let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| in_time(&mint))).collect();
                for client in clients {
                    assert_eq!(client.join().expect("a client"), status, "{on_failure}");
                }
            });
        }
        assert!(says_so(&daemon), "{on_failure}: it is a condition");
        assert!(events(&daemon, "late") > 0, "{on_failure}: who was freed is counted");

        drop(hanging);
        eventually(PATIENCE, "the disk is back", || mint() == 201 && !says_so(&daemon));
        daemon.terminate();
        let (whole, said) = trail::verify(&[], &[&path]);
        assert!(whole, "{on_failure}: {said}");
    }
}

/// No file of the daemon may grow beyond that, as if the disk had no more room; without a limit it has again.
fn leave_room(daemon: &mut Daemon, bytes: Option<u64>) {
    let pid = i32::try_from(daemon.process().id()).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: bytes, maximum: None };
    rustix::process::prlimit(pid, Resource::Fsize, limit).expect("the limit of a child can be set");
}

fn says_so(daemon: &Daemon) -> bool {
    let status = daemon.admin().get("/v1/status").1;
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "AuditFailing")
}

/// How many events ended like this, as the metric has it.
fn events(daemon: &Daemon, result: &str) -> u64 {
    let metrics = daemon.telemetry("/metrics");
    let name = format!("livekit_keyd_audit_events_total{{result=\"{result}\"}} ");
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
    count.parse().expect("a number")
}

#[test]
fn a_disk_that_fills_within_a_line_leaves_a_chain_that_goes_on() {
    for on_failure in ["refuse", "drop"] {
        let mut daemon = Daemon::new(&config(&format!("{FILE}on_failure = \"{on_failure}\"")));
        // What ends a process that goes beyond the limit by default is an error of its writes then, like a full disk.
        daemon.start_by(&["env", "--ignore-signal=XFSZ"]);
        let mut daemon = start(daemon);
        let file = trail::file(&daemon);
        let length = || std::fs::metadata(&file).expect("the trail").len();
        assert_eq!(deployment::mint(&daemon).0, 201, "the premise");
        // Events of what the rotator still does may come in between: less than a line is left for whatever is next.
        deployment::wait_until_steady(&daemon);
        let mut given_out: Vec<String> = Vec::new();
        let mut asked = 0;
        let mut mint = |daemon: &Daemon| -> (u16, Value) {
            // Each is another token.
            asked += 1;
            let grants = json!({"video": {"roomJoin": true}});
            let request = json!({"identity": format!("p{asked}"), "room": "demo", "grants": grants});
            let (status, answer) = daemon.sign().post("/v1/tokens", &request);
            given_out.extend(answer["token"].as_str().map(str::to_owned));
            (status, answer)
        };
        assert_eq!(mint(&daemon).0, 201);
        let full_at = length() + 100;
        leave_room(&mut daemon, Some(full_at));
        for _ in 0..5 {
            let (status, answer) = mint(&daemon);
            match on_failure {
                "refuse" => {
                    assert_eq!(status, 503, "{answer}");
                    assert_eq!(answer["type"], "urn:livekit-keyd:problem:audit-refused");
                }
                _ => assert_eq!(status, 201, "{answer}"),
            }
        }
        assert!(events(&daemon, "failed") > 0, "{on_failure}: what is lost is counted");
        assert!(length() < full_at, "{on_failure}: half a line is taken back");
        assert!(says_so(&daemon), "{on_failure}: it is a condition");

        leave_room(&mut daemon, None);
        eventually(PATIENCE, "there is room again", || mint(&daemon).0 == 201 && length() > full_at);
        assert!(!says_so(&daemon), "{on_failure}: the condition is over");
        daemon.terminate();
        let (whole, said) = trail::verify(&[], &[&file]);
        assert!(whole && !said.contains("tore"), "{on_failure}: {said}");
        let text = std::fs::read_to_string(&file).expect("the trail");
        let missing =
            given_out.iter().filter(|token| !text.contains(&Hash::of(token.as_bytes()).to_string())).count();
        assert_eq!(
            missing,
            if on_failure == "drop" { 5 } else { 0 },
            "{on_failure}: tokens without an event"
        );
    }
}
