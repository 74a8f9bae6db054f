//! Who asks is what the kernel says: processes of other users, and of users that nobody knows.

use std::process::{Command, Stdio};

use livekit_keyd_core::policy::CallerMatch;
use serde_json::Value;

use super::harness::{Harness, document, limits};
use super::wire::{Wire, post};

const REQUEST: &str = r#"{"identity":"a","room":"demo","profile":"viewer"}"#;

/// Asks for a token in a process of another user, of a primary group and others: status and body.
fn ask_as(harness: &Harness, uid: u32, gid: u32, others: &[u32]) -> (u16, Value) {
    let others = others.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let groups = if others.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={others}") };
    let output = Command::new("setpriv")
        .args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), &groups])
        .args(["curl", "--silent", "--show-error", "--unix-socket"])
        .arg(harness.path())
        .args(["--write-out", "\n%{http_code}", "--data", REQUEST, "http://keyd/v1/tokens"])
        .stdin(Stdio::null())
        .output()
        .expect("setpriv (util-linux) and curl are installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    let status = status.parse().unwrap_or_else(|_| panic!("{output:?}"));
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn users(uids: &[u32]) -> CallerMatch {
    CallerMatch { uids: Some(uids.to_vec()), gids: None }
}

fn caller_in(answer: &Value) -> String {
    let token = answer["token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let claims = livekit_keyd_core::verify::Unverified::parse(token).expect("a token").claims;
    claims["livekit_keyd"]["caller"].as_str().expect("the private claim").to_owned()
}

#[test]
fn the_first_caller_that_matches_decides() {
    assert!(rustix::process::getuid().is_root(), "this test starts processes of other users: run it as root");
    let harness = Harness::bare(limits());
    harness.offer(document());
    std::fs::set_permissions(harness.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("others may reach the socket");
    let group = CallerMatch { uids: None, gids: Some(vec![70_200]) };
    harness.know(vec![
        harness.caller("one", users(&[70_001])),
        harness.caller("team", group),
        harness.caller("two", users(&[70_001, 70_002])),
    ]);
    for (uid, gid, others, wanted) in [
        (70_001, 70_100, &[][..], "one"),
        (70_002, 70_100, &[], "two"),
        (70_002, 70_200, &[], "team"),
        (70_009, 70_200, &[], "team"),
        (70_009, 70_100, &[70_300, 70_200], "team"),
        (70_002, 70_100, &[70_200], "team"),
        (70_001, 70_100, &[70_200], "one"),
    ] {
        let (status, answer) = ask_as(&harness, uid, gid, others);
        assert_eq!(status, 201, "{uid}:{gid}: {answer}");
        assert_eq!(caller_in(&answer), wanted, "{uid}:{gid}");
    }
    // Not even root gets what no caller gives it.
    for (uid, gid) in [(70_003, 70_100), (0, 0)] {
        let (status, answer) = ask_as(&harness, uid, gid, &[70_300]);
        assert_eq!(status, 403, "{answer}");
        assert_eq!(answer["type"], "urn:livekit-keyd:problem:denied:no-caller");
        let detail = answer["detail"].as_str().expect("a sentence");
        assert!(
            detail.contains(&format!("uid {uid} with groups [{gid}, 70300]"))
                && detail.contains("[[caller]]"),
            "{detail}"
        );
    }
}

#[test]
fn an_open_connection_follows_a_reload() {
    let harness = Harness::new();
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    let mut ask = || {
        wire.send(&post("/v1/tokens", REQUEST.as_bytes())).expect("it is sent");
        wire.answer().expect("whole").expect("an answer")
    };
    assert_eq!(caller_in(&ask().json()), "app");
    let uid = rustix::process::getuid().as_raw();
    harness.know(vec![harness.caller("renamed", users(&[uid]))]);
    assert_eq!(caller_in(&ask().json()), "renamed");
    harness.know(Vec::new());
    assert_eq!(ask().status, 403);
    harness.know(vec![harness.caller("app", users(&[uid]))]);
    assert_eq!(ask().status, 201);
}
