//! Webhooks of a real livekit-server are verified through a rotation of its webhook key, and only once.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment::{self, QUICK_RULES};
use support::eventually::{PATIENCE, eventually};
use support::forged;
use support::http::{self, Answer};
use support::livekit::LiveKit;

/// A webhook as it came.
struct Delivery {
    authorization: String,
    body: Vec<u8>,
}

/// An application's webhook address, and what comes there.
fn receiver() -> (String, Receiver<Delivery>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    let (sender, deliveries) = channel();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let sender = sender.clone();
            thread::spawn(move || receive(client, &sender));
        }
    });
    (url, deliveries)
}

fn receive(mut client: TcpStream, sender: &Sender<Delivery>) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            read_more(&mut client, &mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length: usize = header("content-length")?.parse().ok()?;
        while bytes.len() < end + length {
            read_more(&mut client, &mut bytes)?;
        }
        let body = bytes[end..end + length].to_vec();
        sender.send(Delivery { authorization: header("authorization")?, body }).ok()?;
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
        bytes.drain(..end + length);
    }
}

fn read_more(client: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 4096];
    let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
    bytes.extend_from_slice(&buffer[..count]);
    Some(())
}

fn verify(daemon: &Daemon, authorization: &str, body: &[u8]) -> Answer {
    let headers = [("authorization", authorization), ("content-type", "application/webhook+json")];
    let request = http::request("POST", "/v1/webhooks/verify", &headers, body);
    daemon.sign().send(&request).expect("it answers")
}

/// Makes livekit-server send something, and waits for it.
fn event(daemon: &Daemon, livekit: &LiveKit, deliveries: &Receiver<Delivery>, room: &str) -> Delivery {
    let grants = json!({"video": {"roomCreate": true}});
    let (status, minted) = daemon.sign().post("/v1/tokens", &json!({"grants": grants}));
    assert_eq!(status, 201, "{minted}");
    let token = minted["token"].as_str().expect("a token");
    let answer = livekit.twirp("RoomService/CreateRoom", token, &json!({"name": room}).to_string());
    assert_eq!(answer.expect("it answers").status, 200);
    loop {
        let delivery = deliveries.recv_timeout(PATIENCE).expect("a webhook comes");
        let event: Value = serde_json::from_slice(&delivery.body).expect("an event");
        if event["event"] == "room_started" && event["room"]["name"] == room {
            return delivery;
        }
    }
}

fn start() -> Daemon {
    let store = "[store]\nkind = \"file\"\nfile.dir = \"{dir}/store\"\n";
    let rules = format!("rotation_period = \"168h\"\n{QUICK_RULES}")
        .replace("max_token_ttl = \"1s\"", "max_token_ttl = \"15s\"");
    let rules = rules.replace("overlap = \"1300ms\"", "overlap = \"30s\"");
    let daemon = Daemon::start(&deployment::config_on(store, "both", &rules));
    daemon.init("apps");
    eventually(PATIENCE, "a key signs", || deployment::active(&daemon).is_some());
    daemon
}

#[test]
fn webhooks_are_verified_through_a_rotation_and_only_once() {
    let daemon = start();
    let (url, deliveries) = receiver();
    let server = |key: &str| {
        let more = format!("webhook:\n  api_key: {key}\n  urls: [\"{url}\"]\n");
        LiveKit::start_with(&deployment::key_file(&daemon), &more)
    };
    let first = deployment::active(&daemon).expect("a key");
    let livekit = server(&first);
    let one = event(&daemon, &livekit, &deliveries, "one");
    let unseen = event(&daemon, &livekit, &deliveries, "unseen");

    let answer = verify(&daemon, &one.authorization, &one.body);
    assert_eq!((answer.status, &answer.body), (200, &one.body), "{}", answer.text());
    let replay = verify(&daemon, &one.authorization, &one.body);
    assert_eq!(
        (replay.status, &replay.json()["type"]),
        (401, &json!("urn:livekit-keyd:problem:webhook-replayed"))
    );

    let (status, answer) = daemon.admin().post("/v1/keysets/apps/rotate", &json!({}));
    assert_eq!(status, 202, "{answer}");
    eventually(PATIENCE, "another key signs", || deployment::active(&daemon).is_some_and(|key| key != first));
    let livekit = server(&deployment::active(&daemon).expect("a key"));
    let two = event(&daemon, &livekit, &deliveries, "two");
    assert_eq!(verify(&daemon, &two.authorization, &two.body).status, 200);
    // What the old key signed is on its way still.
    assert_eq!(verify(&daemon, &unseen.authorization, &unseen.body).status, 200);
    assert_eq!(verify(&daemon, &unseen.authorization, &unseen.body).status, 401);
}

#[test]
fn what_is_no_webhook_of_ours_is_refused() {
    let daemon = start();
    let key = deployment::active(&daemon).expect("a key");
    let secret = deployment::keys(&daemon)[&key].clone();
    let now = forged::now();
    let body = br#"{"event": "room_started", "something_new": 1}"#;
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, body));
    let good = json!({"iss": key, "nbf": now, "exp": now + 300, "sha256": hash});
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        forged::sign(&secret, &claims)
    };
    let no_json = STANDARD.encode(digest::digest(&digest::SHA256, b"event"));
    for (what, authorization, body, why) in [
        ("another secret", forged::sign("x".repeat(43).as_str(), &good), &body[..], "not by the key"),
        ("an unknown key", changed("iss", json!("APIunknown2345")), body, "no key of this id"),
        ("another body", forged::sign(&secret, &good), b"{}", "not the one"),
        (
            "a byte more",
            forged::sign(&secret, &good),
            br#"{"event": "room_started", "something_new": 1} "#,
            "not the one",
        ),
        ("no body", forged::sign(&secret, &good), b"", "not the one"),
        ("no hash", changed("sha256", Value::Null), body, "sha256"),
        ("an old one", changed("exp", json!(now - 61)), body, "expired"),
        ("one of tomorrow", changed("nbf", json!(now + 3600)), body, "valid from"),
        ("one that lives for ever", changed("exp", json!(now + 86_400)), body, "lives longer"),
        (
            "no end",
            {
                let mut claims = good.clone();
                claims.as_object_mut().expect("claims").remove("exp");
                forged::sign(&secret, &claims)
            },
            body,
            "no `exp`",
        ),
        ("no JSON", changed("sha256", json!(no_json)), b"event", "no JSON"),
        ("no token", "hello".to_owned(), body, "no JWT"),
    ] {
        let answer = verify(&daemon, &authorization, body);
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(answer.text().contains(why), "{what}: {}", answer.text());
    }
    let without = http::request("POST", "/v1/webhooks/verify", &[], body);
    assert_eq!(daemon.sign().send(&without).expect("an answer").status, 401);
    // None of that spoils the good one, with or without a scheme before it.
    assert_eq!(verify(&daemon, &format!("Bearer {}", forged::sign(&secret, &good)), body).status, 200);
    assert_eq!(verify(&daemon, &forged::sign(&secret, &good), body).status, 401);
}
