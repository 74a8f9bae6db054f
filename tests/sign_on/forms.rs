//! The two doors: what they take, what they answer, and who may use them.

use serde_json::{Value, json};

use super::company::{self, RULES, claims_of, endpoint, exchange, form, issuer};
use super::provider::Provider;
use super::support::daemon::Daemon;
use super::support::http;
use super::tokens::{FIRST, SECOND, claims, header, seconds};

fn company() -> (Daemon, String) {
    let company = Provider::start(&[(&FIRST, "one")]);
    let daemon = company::start(&issuer("company", company.url(), RULES));
    company::wait_for_keys(&daemon, "company");
    (daemon, FIRST.token(&header("one"), &claims(company.url())))
}

#[test]
fn the_endpoint_speaks_as_the_sdks_do() {
    let (daemon, token) = company();
    let asked = json!({
        "room_name": "web-1", "participant_identity": "root", "participant_name": "Somebody else",
        "participant_metadata": "m", "participant_attributes": {"plan": "free"}, "something_new": {"a": 1},
        "room_config": {
            "name": "web-1", "empty_timeout": 60,
            "agents": [{"agent_name": "helper", "metadata": "snake_case stays", "deployment": "blue"}],
        },
    });
    let answer = endpoint(&daemon, &token, &asked);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let said = answer.json();
    assert_eq!(said["server_url"], "wss://livekit.example.com");
    assert_eq!(said.as_object().expect("an object").len(), 2, "{said}");
    let made = claims_of(&daemon, said["participant_token"].as_str().expect("a token"));
    // Who takes part, and as what, is the user's token's affair.
    assert_eq!((&made["sub"], &made["name"]), (&json!("ann"), &json!("Ann")));
    assert_eq!((&made["attributes"], made.get("metadata")), (&json!({"plan": "gold"}), None));
    assert_eq!(
        made["roomConfig"],
        json!({
            "name": "web-1", "emptyTimeout": 60,
            "agents": [{"agentName": "helper", "metadata": "snake_case stays", "deployment": "blue"}],
        })
    );
    let origin = &made["livekit_keyd"];
    assert_eq!(
        (&origin["profile"], &origin["caller"], &origin["issuer"]),
        (&json!("participant"), &json!("tests"), &json!("company"))
    );
    assert!(origin["auth_time"].as_i64().is_some_and(|time| (time - seconds(0)).abs() < 60), "{origin}");
    // What Swift and others send where nothing is asked for.
    let empty =
        json!({"room_name": "", "participant_name": null, "participant_attributes": null, "room_config": {}});
    for body in [empty, json!({})] {
        assert_eq!(endpoint(&daemon, &token, &body).status, 201, "{body}");
    }
    let bearer = format!("bearer {token}");
    let nothing = http::request("POST", "/token", &[("authorization", &bearer)], b"");
    assert_eq!(daemon.sign().send(&nothing).expect("an answer").status, 201);
}

#[test]
fn the_endpoint_refuses_what_it_cannot_use() {
    let (daemon, token) = company();
    let send = |headers: &[(&str, &str)], body: &[u8]| {
        daemon.sign().send(&http::request("POST", "/token", headers, body)).expect("an answer")
    };
    let bearer = format!("Bearer {token}");
    for headers in [
        &[][..],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic YTpi")],
        &[("authorization", token.as_str())],
        &[("authorization", bearer.as_str()), ("authorization", bearer.as_str())],
    ] {
        let answer = send(headers, b"{}");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{headers:?}");
    }
    let answer = endpoint(&daemon, "opaque", &json!({}));
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer error=\"invalid_token\""))
    );
    assert!(answer.text().contains("opaque token"), "{}", answer.text());
    for body in [
        "[]",
        "{",
        "\"a\"",
        r#"{"room_name": 7}"#,
        r#"{"room_name": "a", "room_name": "b"}"#,
        r#"{"participant_attributes": {"a": 1}}"#,
        r#"{"room_config": []}"#,
    ] {
        assert_eq!(send(&[("authorization", &bearer)], body.as_bytes()).status, 400, "{body}");
    }
    for (config, status) in [
        (json!({"egress": {"room": {}}}), 403),
        (json!({"empty_timeout": "long"}), 422),
        (json!({"empty_timeout": 1, "emptyTimeout": 2}), 422),
    ] {
        let answer = endpoint(&daemon, &token, &json!({"room_config": config}));
        assert_eq!(answer.status, status, "{config}: {}", answer.text());
    }
    let (status, _) = daemon.sign().get("/token");
    assert_eq!(status, 405);
}

#[test]
fn exchange_is_that_of_rfc_8693() {
    let (daemon, token) = company();
    let answer = exchange(&daemon, &token, &[("room", "web-2"), ("unknown", "ignored")]);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{}", answer.text());
    let said = answer.json();
    assert_eq!(said["issued_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!((&said["token_type"], &said["expires_in"]), (&json!("N_A"), &json!(900)));
    claims_of(&daemon, said["access_token"].as_str().expect("a token"));

    const GRANT: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    const KIND: (&str, &str) = ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token");
    let subject = ("subject_token", token.as_str());
    let whole = |more: &[(&'static str, &'static str)]| [&[GRANT, KIND, subject], more].concat();
    assert_eq!(form(&daemon, &whole(&[("scope", "")])).status, 200, "an empty parameter is none");
    for (what, parameters, error) in [
        ("nothing", vec![], "invalid_request"),
        (
            "another grant",
            vec![("grant_type", "client_credentials"), KIND, subject],
            "unsupported_grant_type",
        ),
        ("no grant", vec![KIND, subject], "invalid_request"),
        ("no token", vec![GRANT, KIND], "invalid_request"),
        ("no type", vec![GRANT, subject], "invalid_request"),
        (
            "a SAML type",
            vec![GRANT, ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), subject],
            "invalid_request",
        ),
        ("a parameter twice", [&whole(&[])[..], &[subject]].concat(), "invalid_request"),
        ("an actor", whole(&[("actor_token", "a")]), "invalid_request"),
        (
            "a refresh token",
            whole(&[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]),
            "invalid_request",
        ),
        ("an audience", whole(&[("audience", "other")]), "invalid_target"),
        ("a resource", whole(&[("resource", "https://a.example.com")]), "invalid_target"),
        ("a scope", whole(&[("scope", "admin")]), "invalid_scope"),
        ("attributes that are no object", whole(&[("attributes", "[1]")]), "invalid_request"),
    ] {
        let answer = form(&daemon, &parameters);
        let said = answer.json();
        assert_eq!((answer.status, &said["error"]), (400, &json!(error)), "{what}: {said}");
        let sentence = said["error_description"].as_str().expect("a sentence");
        let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(!sentence.is_empty() && sentence.bytes().all(allowed), "{what}: {sentence}");
    }
    let json = http::request(
        "POST",
        "/v1/token-exchange",
        &[],
        json!({"subject_token": token}).to_string().as_bytes(),
    );
    assert_eq!(daemon.sign().send(&json).expect("an answer").json()["error"], "invalid_request");
}

#[test]
fn a_caller_is_limited_by_its_issuers() {
    let [company, partner] = [Provider::start(&[(&FIRST, "one")]), Provider::start(&[(&SECOND, "one")])];
    let all = |issuers: &str| {
        let issuers = format!(
            "{issuers}\n{}{}",
            issuer("company", company.url(), RULES),
            issuer("partner", partner.url(), RULES)
        );
        company::config(&issuers)
    };
    let mut daemon = Daemon::start(&all("issuers = [\"partner\"]"));
    daemon.init("default");
    daemon.wait_until_ready();
    company::wait_for_keys(&daemon, "company");
    company::wait_for_keys(&daemon, "partner");
    let companys = FIRST.token(&header("one"), &claims(company.url()));
    let partners = SECOND.token(&header("one"), &claims(partner.url()));
    let statuses = || [&companys, &partners].map(|token| exchange(&daemon, token, &[]).status);
    assert_eq!(statuses(), [400, 200]);
    let reload = |issuers: &str| {
        daemon.write_config(&all(issuers));
        let (status, answer) = daemon.admin().post("/v1/reload", &Value::Null);
        assert_eq!(status, 200, "{answer}");
    };
    reload("");
    assert_eq!(statuses(), [200, 200]);
    reload("issuers = []");
    assert_eq!(statuses(), [400, 400]);
    // Its own rights are of no account: it may ask for nothing itself.
    let (status, _) = daemon.sign().post(
        "/v1/tokens",
        &json!({"identity": "ann", "room": "web-1", "grants": {"video": {"roomJoin": true}}}),
    );
    assert_eq!(status, 403);
}

#[test]
fn who_is_no_caller_signs_nobody_on() {
    let company = Provider::start(&[(&FIRST, "one")]);
    let config = company::config(&issuer("company", company.url(), RULES));
    let own = format!("uid = {}", rustix::process::getuid().as_raw());
    let daemon = Daemon::start(&config.replace(&own, "uid = 64999"));
    daemon.init("default");
    company::wait_for_keys(&daemon, "company");
    let token = FIRST.token(&header("one"), &claims(company.url()));
    assert_eq!(exchange(&daemon, &token, &[]).status, 403);
    assert_eq!(endpoint(&daemon, &token, &json!({})).status, 403);
}
