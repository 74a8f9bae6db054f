//! Each reason why LiveKit or one of its verifiers refuses a token: one token for each, and for no other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_keyd_core::grants::GrantPattern;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::verify::{LEEWAY, LONGEST_TOKEN, Reason, Signature, Unverified};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Time {
    Time::from_millis(seconds * 1000)
}

/// A token that joins, with members replaced, or taken out where they are given as "-".
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": "APIone", "sub": "alice", "nbf": NOW, "exp": NOW + 900,
        "video": {"roomJoin": true, "room": "demo"},
    });
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| *value != json!("-"));
    claims
}

fn token_of(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(header), part(claims))
}

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

fn judge(token: &str, signature: Signature) -> Vec<Reason> {
    match Unverified::parse(token) {
        Ok(token) => token.reasons(signature, at(NOW)),
        Err(reason) => vec![reason],
    }
}

fn judge_claims(changes: &Value) -> Vec<Reason> {
    judge(&token_of(HEADER, &claims(changes).to_string()), Signature::Good)
}

/// A word for each reason; the compiler asks for a new one's place in the tests.
fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::TooLong => "too-long",
        Reason::NotThreeParts => "not-a-jwt",
        Reason::HeaderUnreadable => "header-unreadable",
        Reason::ClaimsUnreadable => "claims-unreadable",
        Reason::Algorithm => "algorithm",
        Reason::NoKeyId => "no-key-id",
        Reason::UnknownKey => "unknown-key",
        Reason::WrongSignature => "wrong-signature",
        Reason::CompromisedKey => "compromised-key",
        Reason::RetiredKey => "retired-key",
        Reason::Expired(_) => "expired",
        Reason::NotYetValid(_) => "not-yet-valid",
        Reason::NeverExpires => "never-expires",
        Reason::WrongType { .. } => "wrong-type",
        Reason::Repeated(_) => "repeated-claim",
        Reason::JoinWithoutRoom => "join-without-room",
        Reason::JoinWithoutIdentity => "join-without-identity",
        Reason::AdminOfNoRoom => "admin-of-no-room",
        Reason::LongName(_) => "long-name",
        Reason::Critical => "critical-header",
        Reason::OtherCase { .. } => "other-case",
    }
}

fn alone(reasons: &[Reason], expected: &Reason, what: &str) {
    assert_eq!(reasons, std::slice::from_ref(expected), "{what}");
    assert_eq!(expected.as_str(), word(expected), "a word that scripts rely on");
    assert!(!expected.to_string().is_empty());
}

#[test]
fn a_good_token_has_none() {
    assert_eq!(judge_claims(&json!({})), []);
    assert_eq!(judge_claims(&json!({"sub": "-", "jti": "alice"})), [], "LiveKit falls back to jti");
    assert_eq!(judge_claims(&json!({"nbf": "-", "iat": 1.5, "livekit_keyd": {"caller": "web"}})), []);
    let good = token_of(HEADER, &claims(&json!({})).to_string());
    assert_eq!(judge(&good, Signature::Unchecked), []);
}

#[test]
fn what_is_no_jwt() {
    let good = token_of(HEADER, &claims(&json!({})).to_string());
    let parts: Vec<_> = good.split('.').collect();
    let (header, payload) = (parts[0], parts[1]);
    for (token, reason) in [
        ("a".repeat(LONGEST_TOKEN + 1), Reason::TooLong),
        (String::new(), Reason::NotThreeParts),
        (format!("{header}.{payload}"), Reason::NotThreeParts),
        (format!("{good}.more"), Reason::NotThreeParts),
        (format!("!.{payload}.c2ln"), Reason::HeaderUnreadable),
        (format!("{header}=.{payload}.c2ln"), Reason::HeaderUnreadable),
        (token_of("[]", "{}"), Reason::HeaderUnreadable),
        (format!("{header}.!.c2ln"), Reason::ClaimsUnreadable),
        (token_of(HEADER, "\"text\""), Reason::ClaimsUnreadable),
        (token_of(HEADER, "{\"a\":"), Reason::ClaimsUnreadable),
    ] {
        let short = &token[..token.len().min(80)];
        alone(&judge(&token, Signature::Good), &reason, short);
    }
    let longest = "a".repeat(LONGEST_TOKEN);
    assert_eq!(judge(&longest, Signature::Good), [Reason::NotThreeParts], "the longest is looked at");
}

#[test]
fn the_key_and_the_signature() {
    let good = token_of(HEADER, &claims(&json!({})).to_string());
    for (signature, reason) in [
        (Signature::Wrong, Reason::WrongSignature),
        (Signature::UnknownKey, Reason::UnknownKey),
        (Signature::Compromised, Reason::CompromisedKey),
        (Signature::Retired, Reason::RetiredKey),
    ] {
        alone(&judge(&good, signature), &reason, &format!("{signature:?}"));
    }
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS512"}"#, r#"{"alg":"hs256"}"#, r#"{"typ":"JWT"}"#] {
        let token = token_of(header, &claims(&json!({})).to_string());
        alone(&judge(&token, Signature::Good), &Reason::Algorithm, header);
    }
    for issuer in ["-", ""] {
        // Whose signature it is cannot be known then.
        let token = token_of(HEADER, &claims(&json!({"iss": issuer})).to_string());
        alone(&judge(&token, Signature::UnknownKey), &Reason::NoKeyId, issuer);
    }
}

#[test]
fn times_and_the_leeway() {
    for (exp, accepted) in [(NOW - LEEWAY, false), (NOW - LEEWAY + 1, true), (i64::MIN, false)] {
        let reasons = judge_claims(&json!({"nbf": "-", "exp": exp}));
        if accepted {
            assert_eq!(reasons, [], "exp {exp}");
        } else {
            let expired = Reason::Expired(Time::from_millis(exp.saturating_mul(1000)));
            alone(&reasons, &expired, &format!("exp {exp}"));
        }
    }
    assert_eq!(judge_claims(&json!({"nbf": NOW + LEEWAY})), []);
    let early = judge_claims(&json!({"nbf": NOW + LEEWAY + 1}));
    alone(&early, &Reason::NotYetValid(at(NOW + LEEWAY + 1)), "nbf ahead");
    alone(&judge_claims(&json!({"exp": "-"})), &Reason::NeverExpires, "no exp");
}

#[test]
fn rooms_and_identities() {
    let long = "é".repeat(129);
    let video = |video: Value| json!({"video": video});
    for (changes, reason) in [
        (video(json!({"roomJoin": true})), Reason::JoinWithoutRoom),
        (video(json!({"roomJoin": true, "room": ""})), Reason::JoinWithoutRoom),
        (json!({"sub": "-"}), Reason::JoinWithoutIdentity),
        (json!({"sub": "", "jti": ""}), Reason::JoinWithoutIdentity),
        (video(json!({"roomAdmin": true})), Reason::AdminOfNoRoom),
        (video(json!({"roomAdmin": true, "room": "*"})), Reason::AdminOfNoRoom),
        (video(json!({"roomJoin": true, "room": long})), Reason::LongName("room")),
        (json!({"sub": long}), Reason::LongName("identity")),
        (json!({"sub": "-", "jti": long}), Reason::LongName("identity")),
    ] {
        alone(&judge_claims(&changes), &reason, &changes.to_string());
    }
    assert_eq!(judge_claims(&json!({"sub": "-", "video": {"roomJoin": false, "room": "*"}})), []);
}

/// The claim of the one reason, which must be a wrong type.
fn wrong_type(changes: &Value) -> String {
    match judge_claims(changes).as_slice() {
        [reason @ Reason::WrongType { claim, wanted }] => {
            assert_eq!(reason.as_str(), word(reason));
            assert!(reason.to_string().contains(wanted));
            claim.clone()
        }
        other => format!("{changes} has {other:?}"),
    }
}

#[test]
fn claims_of_the_wrong_type() {
    for (name, value) in [
        ("jti", json!(1)),
        ("name", json!(null)),
        ("kind", json!(3)),
        ("kindDetails", json!("CLOUD_AGENT")),
        ("kindDetails", json!([1])),
        ("metadata", json!({})),
        ("sha256", json!([])),
        ("roomPreset", json!(true)),
        ("exp", json!(NOW as f64 + 900.5)),
        ("exp", json!((NOW + 900).to_string())),
        ("nbf", json!(null)),
        ("attributes", json!({"a": 1})),
        ("attributes", json!([])),
        ("roomConfig", json!("small")),
        ("sip", json!(null)),
        ("agent", json!([])),
        ("agentEndpoint", json!(null)),
        ("agentThread", json!(true)),
        ("inference", json!(null)),
        ("observability", json!("write")),
        ("iat", json!("now")),
        // Python's and Rust's verifiers refuse a token for somebody, as nobody said who they are.
        ("aud", json!("livekit")),
        ("aud", json!(["livekit"])),
    ] {
        assert_eq!(wrong_type(&json!({name: value})), name);
    }
    // These are the identity and the key as well, which a number is not.
    for (name, other) in [("sub", Reason::JoinWithoutIdentity), ("iss", Reason::NoKeyId)] {
        let reasons = judge_claims(&json!({name: 7}));
        assert!(reasons.contains(&other), "{reasons:?}");
        let wrong = Reason::WrongType { claim: name.to_owned(), wanted: "text" };
        assert!(reasons.contains(&wrong), "{reasons:?}");
    }
    assert_eq!(wrong_type(&json!({"video": null})), "video");
}

#[test]
fn grants_of_the_wrong_type() {
    let flags = GrantPattern::known()
        .into_iter()
        .filter(|name| name != "roomConfig" && name != "video.destinationRoom" && !name.starts_with("kind."));
    let mut count = 0;
    for name in flags {
        let (group, flag) = name.split_once('.').expect("a group");
        for value in [json!(null), json!("true"), json!(1)] {
            assert_eq!(wrong_type(&json!({group: {flag: value}})), name);
            count += 1;
        }
    }
    assert!(count > 60, "every flag of every group: {count}");
    for name in [
        "video.room",
        "video.destinationRoom",
        "video.canPublishSources",
        "agentEndpoint.agentName",
        "agentEndpoint.deployment",
        "agentThread.scope",
        "agentThread.threadIds",
    ] {
        let (group, member) = name.split_once('.').expect("a group");
        for value in [json!(null), json!(1), json!([1])] {
            assert_eq!(wrong_type(&json!({group: {member: value}})), name);
        }
    }
}

#[test]
fn a_name_that_is_there_twice() {
    let text = claims(&json!({"attributes": {"tier": "free"}})).to_string();
    for (from, to, name) in [
        ("{", "{\"sub\":\"mallory\",", "sub"),
        ("\"roomJoin\"", "\"roomJoin\":false,\"roomJoin\"", "video.roomJoin"),
        ("\"tier\"", "\"tier\":\"paid\",\"tier\"", "attributes.tier"),
        ("{", "{\"other\":[1,{\"a\":{\"b\":1,\"b\":1}}],", "other.a.b"),
    ] {
        let twice = text.replacen(from, to, 1);
        let reasons = judge(&token_of(HEADER, &twice), Signature::Good);
        alone(&reasons, &Reason::Repeated(name.to_owned()), &twice);
    }
    let reasons = judge(&token_of(r#"{"alg":"none","alg":"HS256"}"#, &text), Signature::Good);
    alone(&reasons, &Reason::Repeated("alg".to_owned()), "in the header");
}

#[test]
fn a_name_in_a_case_that_only_livekit_server_takes() {
    let other =
        |claim: &str, meant: &str| [Reason::OtherCase { claim: claim.to_owned(), meant: meant.to_owned() }];
    let reasons = judge_claims(&json!({"Exp": NOW + 90_000}));
    assert_eq!(reasons, other("Exp", "exp"));
    assert_eq!(reasons[0].as_str(), word(&reasons[0]));
    let video = json!({"roomJoin": true, "room": "demo", "roomadmin": true});
    assert_eq!(judge_claims(&json!({"video": video})), other("video.roomadmin", "video.roomAdmin"));
    // To livekit-server the long s is an s, and the Kelvin sign a k.
    assert_eq!(judge_claims(&json!({"\u{17f}ip": {"admin": true}})), other("\u{17f}ip", "sip"));
    assert_eq!(judge_claims(&json!({"\u{212a}ind": "agent"})), other("\u{212a}ind", "kind"));
    assert_eq!(judge_claims(&json!({"attributes": {"Tier": "a", "tier": "b"}})), [], "these are anybody's");
}

#[test]
fn what_a_header_asks_for() {
    let good = claims(&json!({})).to_string();
    let token = token_of(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, &good);
    alone(&judge(&token, Signature::Good), &Reason::Critical, "crit");
    // Keys are looked up by `iss` alone; what else a header offers is nothing to anybody.
    let header = r#"{"alg":"HS256","kid":"../../etc/passwd","jku":"https://example.org","jwk":{},"x5u":""}"#;
    assert_eq!(judge(&token_of(header, &good), Signature::Good), []);
}

#[test]
fn times_as_livekit_server_reads_them() {
    let past = NOW - 3600;
    for exp in [json!(past as f64 + 0.5), json!(past.to_string())] {
        let reasons = judge_claims(&json!({"exp": exp, "nbf": "-"}));
        assert!(reasons.contains(&Reason::Expired(at(past))), "{exp}: {reasons:?}");
        assert!(matches!(reasons[0], Reason::WrongType { .. }), "{exp}: {reasons:?}");
    }
    let reasons = judge_claims(&json!({"exp": null}));
    assert!(reasons.contains(&Reason::NeverExpires), "null is none to livekit-server: {reasons:?}");
    assert_eq!(judge_claims(&json!({"exp": u64::MAX})), [], "far ahead");
}

#[test]
fn a_room_configuration_that_livekit_cannot_read() {
    assert_eq!(wrong_type(&json!({"roomConfig": {"maxParticipants": -1}})), "roomConfig.maxParticipants");
    let agents = json!([{"agentName": "a"}, {"agentName": null}]);
    assert_eq!(wrong_type(&json!({"roomConfig": {"agents": agents}})), "roomConfig.agents.1.agentName");
    let fine = json!({"empty_timeout": "60", "unknown": null, "agents": [], "egress": {"anything": 1}});
    assert_eq!(judge_claims(&json!({"roomConfig": fine})), []);
}

#[test]
fn every_reason_is_told_the_key_first() {
    let token = token_of(r#"{"alg":"none"}"#, &claims(&json!({"exp": NOW - 3600, "sub": "-"})).to_string());
    let expired = Reason::Expired(at(NOW - 3600));
    assert_eq!(
        judge(&token, Signature::Wrong),
        [Reason::Algorithm, Reason::WrongSignature, expired, Reason::JoinWithoutIdentity]
    );
}
