//! Clients that drip, crowd or smuggle, and tokens that carry keys of their own.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use livekit_keyd::api::server::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use super::harness::{Harness, KEY, SECRET, limits};
use super::wire::{Wire, post};
use crate::support::eventually::{PATIENCE, eventually};

const SHORT: Duration = Duration::from_millis(200);

fn good() -> String {
    json!({"identity": "a", "room": "demo", "profile": "viewer"}).to_string()
}

fn open(harness: &Harness) -> i64 {
    harness.metrics.connections.with_label_values(&["sign"]).get()
}

/// Sends byte after byte until the server has closed, and says how long that took.
fn drip(wire: &mut Wire, bytes: &[u8]) -> Duration {
    let began = Instant::now();
    for byte in bytes {
        if wire.send(&[*byte]).is_err() {
            return began.elapsed();
        }
        thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}

#[test]
fn whoever_sends_a_byte_now_and_then_wins_no_time() {
    let harness = Harness::with(Limits { idle_timeout: SHORT, body_timeout: SHORT, ..limits() });
    let body = good() + &" ".repeat(4096);
    let request = post("/v1/tokens", body.as_bytes());
    let head_ends = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    // Each byte counts as a sign of life for whoever measures silence only.
    for at_once in [0, head_ends] {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        wire.send(&request[..at_once]).expect("it is sent");
        let slow = match at_once {
            0 => format!("POST /v1/tokens HTTP/1.1\r\nx-slow: {}", "x".repeat(4096)).into_bytes(),
            _ => request[at_once..].to_vec(),
        };
        let took = drip(&mut wire, &slow);
        assert!(took < Duration::from_secs(30), "{at_once}: it was borne for {took:?}");
        if at_once > 0 {
            assert_eq!(wire.answer().expect("whole").expect("an answer").status, 408);
        }
    }
    eventually(PATIENCE, "their places are free again", || open(&harness) == 0);
}

/// For clients and server are one process here.
fn raise_the_limit_of_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard limit");
}

#[test]
fn ten_thousand_connections_leave_room_for_those_that_are_there() {
    let harness = Harness::with(Limits { max_connections: 32, ..limits() });
    let served = |wire: &mut Wire| {
        wire.send(&post("/v1/tokens", good().as_bytes())).expect("it is sent");
        assert_eq!(wire.answer().expect("whole").expect("an answer").status, 201);
    };
    let mut held: Vec<_> = (0..32).map(|_| Wire::connect(&harness.path()).expect("a connection")).collect();
    held.iter_mut().for_each(served);
    raise_the_limit_of_files();
    let mut kept = Vec::new();
    for number in 0..10_000 {
        // Its client does not let go of it.
        kept.push(Wire::connect(&harness.path()).expect("a connection"));
        if number % 1000 == 0 {
            held.iter_mut().for_each(served);
            assert_eq!(open(&harness), 32, "{number}");
        }
    }
    for (number, surplus) in kept.iter_mut().enumerate() {
        assert_eq!(surplus.answer().expect("whole").expect("an answer").status, 503, "{number}");
    }
    drop(held);
    eventually(PATIENCE, "all are gone", || open(&harness) == 0);
    served(&mut Wire::connect(&harness.path()).expect("a connection"));
}

/// Requests whose end is a matter of opinion, with another one hidden behind.
#[test]
fn a_request_that_is_smuggled_behind_another_is_never_answered() {
    let harness = Harness::new();
    let hidden = String::from_utf8(post("/v1/tokens", good().as_bytes())).expect("text");
    let head = |lines: &str| format!("POST /v1/tokens HTTP/1.1\r\nhost: x\r\n{lines}\r\n\r\n");
    let (long, short) = (good().len() + hidden.len(), good().len());
    let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", good().len(), good());
    for (what, request) in [
        ("two lengths", head(&format!("content-length: {short}\r\ncontent-length: {long}")) + &good()),
        ("two lengths in a list", head(&format!("content-length: {short}, {long}")) + &good()),
        ("a length with a sign", head(&format!("content-length: +{short}")) + &good()),
        ("a length in hexadecimal", head(&format!("content-length: 0x{short:x}")) + &good()),
        (
            "chunks, and a length before them",
            head(&format!("content-length: {}\r\ntransfer-encoding: chunked", chunk.len() + hidden.len()))
                + &chunk,
        ),
        (
            "chunks, and a length behind them",
            head(&format!("transfer-encoding: chunked\r\ncontent-length: {}", chunk.len() + hidden.len()))
                + &chunk,
        ),
        ("chunks, and a length of nothing", head("content-length: 0\r\ntransfer-encoding: chunked") + &chunk),
        ("chunks under another name", head("transfer-encoding: xchunked") + &chunk),
        ("chunks within something else", head("transfer-encoding: chunked, identity") + &chunk),
        ("a space before the colon", head(&format!("content-length : {short}")) + &good()),
        ("a line that goes on", head(&format!("x-a: b\r\n content-length: {short}")) + &good()),
        ("a chunk of a negative length", head("transfer-encoding: chunked") + "-1\r\n\r\n"),
        ("a chunk of an endless length", head("transfer-encoding: chunked") + "fffffffffffffffff\r\n"),
    ] {
        let mut wire = Wire::connect(&harness.path()).expect("a connection");
        // The server may close before it has read all of it.
        let _ = wire.send(format!("{request}{hidden}").as_bytes());
        let mut answers = Vec::new();
        while let Ok(Some(reply)) = wire.answer() {
            answers.push(reply.status);
        }
        assert!(answers.len() <= 1, "{what}: {answers:?}");
        let well_formed = what.starts_with("chunks, and a length");
        assert!(well_formed || answers.iter().all(|status| *status == 400), "{what}: {answers:?}");
    }
    // Honest ones, in chunks or not, are each answered.
    let mut wire = Wire::connect(&harness.path()).expect("a connection");
    let chunked = head("transfer-encoding: chunked") + &chunk;
    wire.send(format!("{chunked}{hidden}{chunked}{hidden}").as_bytes()).expect("it is sent");
    for _ in 0..4 {
        assert_eq!(wire.answer().expect("whole").expect("an answer").status, 201);
    }
}

#[test]
fn keys_that_a_token_brings_along_or_points_at_mean_nothing() {
    let harness = Harness::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener");
    let place = format!("http://{}/keys", listener.local_addr().expect("an address"));
    let own = "the-key-that-a-thief-brings-along-with-a-token";
    let jwk = json!({"kty": "oct", "alg": "HS256", "kid": KEY, "k": URL_SAFE_NO_PAD.encode(own)});
    let seconds = livekit_keyd::clock::now().as_secs();
    let claims = json!({"iss": KEY, "sub": "a", "nbf": seconds, "exp": seconds + 60, "video": {"roomJoin": true, "room": "demo"}});
    let sign = |header: &Value, secret: &str| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(&claims));
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.expect("a signature"))
    };
    let ask = |token: &str| harness.socket().post("/v1/tokens/verify", &json!({"token": token})).1;
    for (name, value) in [
        ("jwk", jwk),
        ("jku", json!(place)),
        ("x5u", json!(place)),
        ("x5c", json!([URL_SAFE_NO_PAD.encode(own)])),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'x'; --")),
    ] {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        header[name] = value;
        assert_eq!(ask(&sign(&header, own))["reason"], "wrong-signature", "{name} of a thief");
        // LiveKit's own verifier looks at none of them either, and whoever has the secret needs none.
        assert_eq!(ask(&sign(&header, SECRET))["active"], true, "{name} beside the good key's signature");
        header["crit"] = json!([name]);
        assert_eq!(ask(&sign(&header, SECRET))["reason"], "critical-header", "{name}");
    }
    let nobody = listener.accept().expect_err("nothing that a token points at is fetched");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_signature_in_another_spelling_is_another_signature() {
    let harness = Harness::new();
    let token = harness.socket().post("/v1/tokens", &serde_json::from_str(&good()).expect("JSON")).1;
    let token = token["token"].as_str().expect("a token").to_owned();
    let ask = |token: &str| harness.socket().post("/v1/tokens/verify", &json!({"token": token})).1;
    assert_eq!(ask(&token)["active"], true, "the premise");
    // Of the last of 43 characters two bits count for nothing: this one decodes to the same bytes elsewhere.
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let last = token.chars().last().expect("a signature");
    let place = alphabet.iter().position(|known| *known == last).expect("base64url");
    let changed_last = format!("{}{}", &token[..token.len() - 1], alphabet[place ^ 1]);
    let (unsigned, _) = token.rsplit_once('.').expect("three parts");
    for (what, other) in [
        ("padding", format!("{token}=")),
        ("a changed last character", changed_last),
        ("a cut signature", token[..token.len() - 2].to_owned()),
        ("no signature", format!("{unsigned}.")),
    ] {
        assert_eq!(ask(&other)["reason"], "wrong-signature", "{what}");
    }
}
