//! A token lives on with the same rights, for as long as policy, issuer, key and session let it.

use serde_json::{Value, json};

use super::company::{self, RULES, claims_of, exchange, issuer};
use super::provider::Provider;
use super::support::daemon::Daemon;
use super::support::deployment;
use super::tokens::{FIRST, claims, header, with};

const CALLER: &str = r#"
    profiles = ["participant", "moderator", "lobby"]
    allowed_rooms = ["web-*", "lobby"]
    allowed_identities = ["*"]
    allowed_grants = ["video.roomJoin", "video.canPublish"]
"#;

fn start(caller: &str, more: &str) -> Daemon {
    let mut daemon = Daemon::start(&company::config(&format!("{caller}\n{more}")));
    daemon.init("default");
    daemon.wait_until_ready();
    daemon
}

fn mint(daemon: &Daemon, request: &Value) -> String {
    let (status, minted) = daemon.sign().post("/v1/tokens", request);
    assert_eq!(status, 201, "{minted}");
    minted["token"].as_str().expect("a token").to_owned()
}

fn refresh(daemon: &Daemon, body: &Value) -> (u16, Value) {
    daemon.sign().post("/v1/tokens/refresh", body)
}

fn refused(daemon: &Daemon, token: &str, status: u16, why: &str) {
    let (given, said) = refresh(daemon, &json!({"token": token}));
    assert_eq!(given, status, "{why}: {said}");
    assert!(said["detail"].as_str().is_some_and(|said| said.contains(why)), "{why}: {said}");
}

/// Claims but for times.
fn lasting(daemon: &Daemon, token: &str) -> Value {
    let mut claims = claims_of(daemon, token);
    for name in ["nbf", "exp"] {
        claims.as_object_mut().expect("claims").remove(name);
    }
    claims
}

#[test]
fn rights_stay_as_they_are_and_policy_is_asked_again() {
    let daemon = start(CALLER, "");
    let requests = [
        json!({"identity": "ann", "room": "web-1", "profile": "participant", "name": "Ann", "metadata": "m",
               "attributes": {"a": "b"}, "room_config": {"maxParticipants": 3}}),
        json!({"identity": "ann", "room": "web-1", "profile": "participant", "grants": {"video": {"canSubscribe": false}}}),
        json!({"identity": "ann", "room": "web-1", "profile": "moderator"}),
        json!({"identity": "ann", "room": "web-1", "profile": "moderator",
               "grants": {"video": {"roomAdmin": false, "canPublishSources": ["camera"]}}}),
        json!({"identity": "ann", "profile": "lobby"}),
    ];
    let tokens = requests.each_ref().map(|request| mint(&daemon, request));
    for (token, request) in tokens.iter().zip(&requests) {
        let (status, said) = refresh(&daemon, &json!({"token": token, "ttl": 60}));
        assert_eq!((status, &said["expires_in"]), (201, &json!(60)), "{request}: {said}");
        let renewed = said["token"].as_str().expect("a token");
        assert_eq!(lasting(&daemon, renewed), lasting(&daemon, token), "{request}");
    }
    let reload = |caller: &str, change: (&str, &str)| {
        daemon.write_config(&company::config(caller).replace(change.0, change.1));
        let (status, answer) = daemon.admin().post("/v1/reload", &Value::Null);
        assert_eq!(status, 200, "{answer}");
    };
    // A profile that gives more by now gives nothing to a token with less, nor one that gives less.
    reload(CALLER, ("roomAdmin = true", "roomAdmin = true, canUpdateOwnMetadata = true"));
    let (status, said) = refresh(&daemon, &json!({"token": tokens[2]}));
    assert_eq!(status, 201, "{said}");
    assert_eq!(lasting(&daemon, said["token"].as_str().expect("a token")), lasting(&daemon, &tokens[2]));
    reload(CALLER, ("roomJoin = true, roomAdmin = true", "roomJoin = true"));
    refused(&daemon, &tokens[2], 403, "video.roomAdmin");
    reload(
        CALLER,
        ("roomJoin = true, roomAdmin = true", "roomJoin = true, roomAdmin = true, canSubscribe = false"),
    );
    refused(&daemon, &tokens[2], 403, "other rights");
    reload(&CALLER.replace("web-*", "blue-*"), ("", ""));
    refused(&daemon, &tokens[0], 403, "may not use room `web-1`");
    reload(&CALLER.replace("\"participant\", ", ""), ("", ""));
    refused(&daemon, &tokens[0], 403, "may not use profile `participant`");
    // Somebody else's token.
    daemon.write_config(&company::config(CALLER).replace("name = \"tests\"", "name = \"others\""));
    assert_eq!(daemon.admin().post("/v1/reload", &Value::Null).0, 200);
    refused(&daemon, &tokens[0], 403, "was not given this token");
}

#[test]
fn what_is_not_good_any_more_is_not_refreshed() {
    let daemon = start(CALLER, "[sign]\nsocket = \"{dir}/sign.sock\"\nmax_session = \"20s\"\n");
    let token = mint(&daemon, &json!({"identity": "ann", "room": "web-1", "profile": "participant"}));
    let (status, said) = refresh(&daemon, &json!({"token": token, "ttl": "10m"}));
    assert_eq!((status, &said["ttl_limited_by"]), (201, &json!("session")), "{said}");
    assert!(said["expires_in"].as_i64().is_some_and(|left| left <= 20), "{said}");

    let id = claims_of(&daemon, &token)["iss"].as_str().expect("a key").to_owned();
    let secret = deployment::keys(&daemon)[&id].clone();
    let sign = |claims: &Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256), claims, &key)
            .expect("a token")
    };
    let good = claims_of(&daemon, &token);
    let now = super::tokens::seconds(0);
    assert_eq!(refresh(&daemon, &json!({"token": sign(&good)})).0, 201, "the premise");
    let origin =
        |name: &str, value: Value| with(&good, "livekit_keyd", with(&good["livekit_keyd"], name, value));
    refused(&daemon, &sign(&with(&good, "exp", json!(now - 90))), 422, "expired");
    refused(&daemon, &sign(&with(&good, "livekit_keyd", Value::Null)), 422, "made elsewhere");
    refused(&daemon, &sign(&origin("auth_time", json!(now - 20))), 422, "session ended");
    refused(&daemon, &sign(&origin("auth_time", json!("now"))), 422, "says more");
    refused(&daemon, &sign(&with(&good, "iss", json!("APIunknown2345"))), 422, "no key of this id");
    refused(&daemon, &format!("{token}x"), 422, "signature");
    refused(&daemon, "hello", 422, "no JWT");
    assert_eq!(refresh(&daemon, &json!({"token": token, "more": 1})).0, 400);
    assert_eq!(refresh(&daemon, &json!({})).0, 400);
}

#[test]
fn a_user_of_an_issuer_needs_a_token_that_is_good_now() {
    let company = Provider::start(&[(&FIRST, "one")]);
    let daemon = company::start(&issuer("company", company.url(), RULES));
    company::wait_for_keys(&daemon, "company");
    let good = claims(company.url());
    let user = |claims: &Value| FIRST.token(&header("one"), claims);
    let answer = exchange(&daemon, &user(&good), &[("room", "web-3")]);
    let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
    refused(&daemon, &token, 403, "subject_token");
    let with_user =
        |claims: &Value| refresh(&daemon, &json!({"token": token, "subject_token": user(claims), "ttl": 60}));
    let (status, said) = with_user(&good);
    assert_eq!((status, &said["expires_in"]), (201, &json!(60)), "{said}");
    assert_eq!(lasting(&daemon, said["token"].as_str().expect("a token")), lasting(&daemon, &token));
    for (what, claims, why) in [
        ("an old one", with(&good, "exp", json!(super::tokens::seconds(-60))), "expired"),
        ("somebody else's", with(&good, "sub", json!("eve")), "somebody else"),
        ("one without the group", with(&good, "groups", json!([])), "no rule"),
    ] {
        let (status, said) = with_user(&claims);
        assert_eq!(status, 403, "{what}: {said}");
        assert!(said["detail"].as_str().is_some_and(|said| said.contains(why)), "{what}: {said}");
    }
}
