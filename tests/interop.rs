//! Tokens with every grant and claim are read alike by the verifiers of four official SDKs.
//!
//! Each field is compared, those that are unset included: *unset* must not
//! arrive as *false*. Where an SDK holds less than a token says, or something
//! else, `interop/readers.rs` says so as data.

mod support;

#[path = "interop/cases.rs"]
mod cases;
#[path = "interop/readers.rs"]
mod readers;

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_keyd_core::claims::{Claims, Kind, Origin, Participant};
use livekit_keyd_core::grants::Grants;
use livekit_keyd_core::time::Time;
use serde_json::{Value, json};
use support::daemon::Daemon;
use support::deployment;

use cases::TTL;
use readers::Reader;

/// A caller that may have everything, without a profile or with one of two.
fn config() -> String {
    format!(
        r#"{}
        [[profile]]
        name = "recorded"
        allowed_room_config = "egress"
        [[profile]]
        name = "host"
        kind = "agent"
        metadata = "by the profile"
        attributes = {{ tier = "paid" }}
        room_config = {{ emptyTimeout = 60 }}
        video = {{ roomJoin = true, canPublish = false }}
        [[caller]]
        name = "tests"
        uid = {}
        keyset = "default"
        profiles = ["recorded", "host"]
        allowed_grants = ["*"]
        allowed_rooms = ["*"]
        allowed_identities = ["*"]"#,
        deployment::ALONE,
        rustix::process::getuid().as_raw()
    )
}

/// Has every reader read every token, and compares what each holds with what the token must say.
fn compare(tokens: &[(String, String, Value)], key: &str, secret: &str) {
    let texts: Vec<_> = tokens.iter().map(|(_, token, _)| token.as_str()).collect();
    let mut wrong = Vec::new();
    for reader in Reader::ALL {
        for ((name, _, says), read) in tokens.iter().zip(reader.read(&texts, key, secret)) {
            let expected = reader.expects(says);
            if read.as_ref() != Ok(&expected) {
                let read = read.unwrap_or_else(Value::String);
                wrong.push(format!("{reader:?}, {name}:\n  expected {expected}\n  read     {read}"));
            }
        }
    }
    let of = Reader::ALL.len() * tokens.len();
    assert!(wrong.is_empty(), "{} of {of} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_the_socket_signs_is_read_alike_by_every_sdk() {
    let mut daemon = Daemon::start(&config());
    daemon.init("default");
    daemon.wait_until_ready();

    let cases = cases::of_requests();
    let requests: Vec<_> = cases.iter().map(|case| case.request.clone()).collect();
    let (status, answer) = daemon.sign().post("/v1/tokens/batch", &json!({"tokens": requests}));
    assert_eq!(status, 200, "{answer}");
    let results = answer["results"].as_array().expect("results");
    let key = results[0]["key_id"].as_str().expect("a key");
    let tokens = cases.into_iter().zip(results).map(|(case, result)| {
        let token = result["token"].as_str().unwrap_or_default();
        assert!(!token.is_empty(), "{}: {result}", case.name);
        assert_eq!(result["key_id"], key, "one key signs them all");
        let mut says = case.says;
        says["iss"] = json!(key);
        says["ttl"] = json!(TTL);
        says["livekit_keyd"] = json!({"caller": "tests"});
        if let Some(profile) = case.profile {
            says["livekit_keyd"]["profile"] = json!(profile);
        }
        (case.name, token.to_owned(), says)
    });
    let tokens: Vec<_> = tokens.collect();
    compare(&tokens, key, &deployment::keys(&daemon)[key]);
}

const KEY: &str = "APIinterop";
const SECRET: &str = "an-example-of-a-secret-that-is-long-enough";

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Time::from_millis(i64::try_from(since.as_secs()).expect("a time") * 1000)
}

/// Signs the core's claims without the daemon.
fn sign(participant: &Participant, grants: &Grants, from: Time, until: Time) -> String {
    let origin = Origin { profile: "", caller: "tests", issuer: "", auth_time: from.as_secs() };
    let claims = Claims::new(KEY, participant, grants, origin, from, until).expect("LiveKit accepts it");
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token")
}

#[test]
fn claims_that_no_request_can_ask_for_are_read_alike_too() {
    let details = || vec!["CLOUD_AGENT".to_owned(), "FORWARDED".to_owned()];
    // As a webhook has it: the hash of a body, here an empty one.
    let sha256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned();
    let base = Participant::default;
    let participants = [
        (
            "kindDetails",
            Participant { kind: Kind::Agent, kind_details: details(), ..base() },
            json!({"kind": "agent", "kindDetails": details()}),
        ),
        (
            "roomPreset",
            Participant { room_preset: "small".to_owned(), ..base() },
            json!({"roomPreset": "small"}),
        ),
        ("sha256", Participant { sha256: sha256.clone(), ..base() }, json!({"sha256": sha256})),
        (
            "all three",
            Participant {
                kind: Kind::Sip,
                kind_details: details(),
                room_preset: "small".to_owned(),
                sha256: sha256.clone(),
                ..base()
            },
            json!({"kind": "sip", "kindDetails": details(), "roomPreset": "small", "sha256": sha256}),
        ),
    ];
    let from = now();
    let until = from + Duration::from_secs(TTL.unsigned_abs());
    let tokens = participants.map(|(name, participant, mut says)| {
        says["iss"] = json!(KEY);
        says["ttl"] = json!(TTL);
        says["livekit_keyd"] = json!({"caller": "tests"});
        (name.to_owned(), sign(&participant, &Grants::default(), from, until), says)
    });
    compare(&tokens, KEY, SECRET);
}

#[test]
fn every_sdk_refuses_a_bad_token() {
    let (participant, grants) = (Participant::default(), Grants::default());
    let (now, minute) = (now(), Duration::from_secs(60));
    let good = sign(&participant, &grants, now, now + minute);
    // Verifiers allow for clocks that differ by a minute, and some for none.
    let expired = sign(&participant, &grants, now - minute * 10, now - minute * 5);
    let early = sign(&participant, &grants, now + minute * 5, now + minute * 10);
    let (message, signature) = good.rsplit_once('.').expect("a signature");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{message}.{other}{}", &signature[1..]);
    let unsigned =
        format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).expect("claims"));
    for reader in Reader::ALL {
        let read = reader.read(&[&good, &expired, &early, &forged, &unsigned], KEY, SECRET);
        for (answer, what) in read.iter().zip(["good", "expired", "early", "forged", "unsigned"]) {
            assert_eq!(answer.is_ok(), what == "good", "{reader:?}, {what}: {answer:?}");
        }
        for (key, secret) in [(KEY, "another-secret-that-is-long-enough-too"), ("APIanother", SECRET)] {
            reader.read(&[&good], key, secret)[0].as_ref().expect_err("another key");
        }
    }
}
