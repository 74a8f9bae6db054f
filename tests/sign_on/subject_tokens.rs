//! Every way to forge, bend or borrow a token that is known, and the ones that are good.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::company::{self, RULES, exchange, issuer};
use super::provider::{Provider, set};
use super::support::daemon::Daemon;
use super::tokens::{CURVE, FIRST, SECOND, THIEF, claims, header, message, seconds, with};

/// An issuer with discovery, and one with a file, whose key has the same name and whose algorithms are two.
fn two_issuers() -> (Daemon, Provider) {
    let company = Provider::start(&[(&FIRST, "one")]);
    let partner = "https://partner.example.com";
    let more = format!("jwks_file = \"{{dir}}/partner.json\"\nalgorithms = [\"RS256\", \"ES256\"]\n{RULES}");
    let issuers = issuer("company", company.url(), RULES) + &issuer("partner", partner, &more);
    let mut daemon = Daemon::new(&company::config(&issuers));
    let partners = set(&[(&SECOND, "one"), (&CURVE, "curve")]).to_string();
    std::fs::write(daemon.folder().join("partner.json"), partners).expect("a file");
    daemon.start_again();
    daemon.init("default");
    daemon.wait_until_ready();
    company::wait_for_keys(&daemon, "company");
    company::wait_for_keys(&daemon, "partner");
    (daemon, company)
}

const PARTNER: &str = "https://partner.example.com";

#[test]
fn good_tokens_are_believed() {
    let (daemon, company) = two_issuers();
    let good = claims(company.url());
    let mut others = header("one");
    // Headers that nobody acts upon.
    for (name, value) in [
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/cert")),
        ("jwk", THIEF.public("one")),
        ("x5t", json!("AAAA")),
        ("x5c", json!(["MIIB"])),
    ] {
        others[name] = value;
    }
    let both = json!({"alg": "ES256", "kid": "curve"});
    for (what, token) in [
        ("a plain one", FIRST.token(&header("one"), &good)),
        ("an access token", FIRST.token(&with(&header("one"), "typ", json!("at+jwt")), &good)),
        ("one without typ", FIRST.token(&with(&header("one"), "typ", Value::Null), &good)),
        (
            "one that names no key where there is one",
            FIRST.token(&with(&header("one"), "kid", Value::Null), &good),
        ),
        ("one for several", FIRST.token(&header("one"), &with(&good, "aud", json!(["them", "livekit"])))),
        ("one for our other name", FIRST.token(&header("one"), &with(&good, "aud", json!("other")))),
        ("one that carries and points at keys", FIRST.token(&others, &good)),
        ("one that has just expired", FIRST.token(&header("one"), &with(&good, "exp", json!(seconds(-10))))),
        (
            "one of a clock that is ahead",
            FIRST.token(&header("one"), &with(&good, "nbf", json!(seconds(20)))),
        ),
        ("the partner's", SECOND.token(&header("one"), &claims(PARTNER))),
        ("the partner's on a curve", CURVE.token(&both, &claims(PARTNER))),
    ] {
        let answer = exchange(&daemon, &token, &[("room", "web-7")]);
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        let made = company::claims_of(&daemon, &token);
        assert_eq!(made["sub"], "ann", "{what}");
        assert_eq!(made["video"], json!({"roomJoin": true, "room": "web-7", "canPublish": false}), "{what}");
        assert_eq!(made["attributes"], json!({"plan": "gold"}), "{what}");
    }
}

#[test]
fn every_attack_on_a_subject_token_is_refused() {
    let (daemon, company) = two_issuers();
    let url = company.url();
    let good = claims(url);
    let head = header("one");
    let token = FIRST.token(&head, &good);
    let by_first = |head: &Value| FIRST.token(head, &good);
    let claim = |name: &str, value: Value| FIRST.token(&head, &with(&good, name, value));
    let public = FIRST.public("one");
    let (unsigned, signature) = token.rsplit_once('.').expect("three parts");
    let hmac = |secret: &[u8], head: &Value| {
        let message = message(&head.to_string(), &good.to_string());
        let key = EncodingKey::from_secret(secret);
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.expect("a signature"))
    };
    let key_id = daemon.sign().get("/v1/keys").1["keysets"][0]["keys"][0]["id"].clone();
    let secret = super::support::deployment::keys(&daemon)[key_id.as_str().expect("an id")].clone();
    let kid = |kid: &str| THIEF.token(&header(kid), &good);
    let carrying = |name: &str, value: Value, kid: &str| {
        let mut head = header(kid);
        head[name] = value;
        THIEF.token(&head, &good)
    };
    let text = good.to_string();
    let twice =
        |again: &str| FIRST.token_of(&head.to_string(), &text.replacen('{', &format!("{{{again},"), 1));
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let last = signature.chars().last().expect("a signature");
    // Of the last of 342 characters four bits count for nothing: this one decodes to the same bytes elsewhere.
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect();
    let place = alphabet.iter().position(|known| *known == last).expect("base64url");
    let changed_last = format!("{unsigned}.{}{}", &signature[..signature.len() - 1], alphabet[place ^ 1]);
    let (head_part, claims_part) = unsigned.split_once('.').expect("two parts");
    let padded_claims = URL_SAFE.encode(format!("{text} "));
    let padded_claims =
        if padded_claims.ends_with('=') { padded_claims } else { URL_SAFE.encode(format!("{text}  ")) };
    let padded = format!("{head_part}.{padded_claims}");
    let padded = format!("{padded}.{}", FIRST.sign(&padded, Algorithm::RS256));
    let ps256 = with(&head, "alg", json!("PS256"));
    let ps256 = message(&ps256.to_string(), &text);
    let ps256 = format!("{ps256}.{}", FIRST.sign(&ps256, Algorithm::PS256));
    let server = format!("{url}/stolen");

    let attacks: Vec<(&str, String, &str)> = vec![
        ("alg none without a signature", message(r#"{"alg":"none"}"#, &text) + ".", "is not among"),
        ("alg none with a signature", by_first(&with(&head, "alg", json!("none"))), "is not among"),
        ("alg None", by_first(&with(&head, "alg", json!("nOnE"))), "is not among"),
        ("no alg", by_first(&with(&head, "alg", Value::Null)), "is not among"),
        ("alg as a list", by_first(&with(&head, "alg", json!(["RS256"]))), "`alg`"),
        ("a good algorithm that is not allowed", ps256, "is not among"),
        (
            "HS256 with the public key's modulus",
            hmac(public["n"].as_str().expect("n").as_bytes(), &with(&head, "alg", json!("HS256"))),
            "is not among",
        ),
        (
            "HS256 with the public key as JSON",
            hmac(public.to_string().as_bytes(), &with(&head, "alg", json!("HS256"))),
            "is not among",
        ),
        (
            "RS256 claimed over an HMAC of the public key",
            hmac(public.to_string().as_bytes(), &head),
            "signature",
        ),
        ("RS256 with LiveKit's secret as kid", kid(&secret), "no such key"),
        (
            "HS256 with LiveKit's own secret and key id",
            hmac(secret.as_bytes(), &json!({"alg": "HS256", "kid": key_id})),
            "is not among",
        ),
        ("an embedded jwk under a known name", carrying("jwk", THIEF.public("one"), "one"), "signature"),
        ("an embedded jwk under its own name", carrying("jwk", THIEF.public("new"), "new"), "no such key"),
        ("a jku", carrying("jku", json!(server), "new"), "no such key"),
        ("an x5u", carrying("x5u", json!(server), "new"), "no such key"),
        ("an x5c", carrying("x5c", json!(["MIIB"]), "one"), "signature"),
        ("a kid with a path", kid("../../../../dev/null"), "no such key"),
        ("a kid with SQL", kid("one' UNION SELECT 'x'; --"), "no such key"),
        ("a kid with NUL", kid("one\u{0}"), "no such key"),
        ("an empty kid", kid(""), "no such key"),
        ("a kid that is a number", THIEF.token(&with(&head, "kid", json!(1)), &good), "`kid`"),
        ("a kid of 10 kB", kid(&"k".repeat(10_000)), "no such key"),
        ("crit", by_first(&with(&head, "crit", json!(["exp"]))), "crit"),
        ("an empty crit", by_first(&with(&head, "crit", json!([]))), "crit"),
        ("a logout token", by_first(&with(&head, "typ", json!("logout+jwt"))), "typ"),
        ("a proof of possession", by_first(&with(&head, "typ", json!("dpop+jwt"))), "typ"),
        ("sub twice", twice(r#""sub":"root""#), "twice"),
        ("exp twice", twice(r#""exp":9999999999"#), "twice"),
        ("a name twice within a claim", twice(r#""org":{"a":1,"a":2}"#), "twice"),
        (
            "alg twice in the header",
            FIRST.token_of(r#"{"alg":"RS256","kid":"one","alg":"none"}"#, &text),
            "twice",
        ),
        ("70 kB", claim("more", json!("x".repeat(70_000))), "longer"),
        ("nested 10 000 deep", twice(&format!("\"deep\":{deep}")), "payload"),
        (
            "a header nested 10 000 deep",
            FIRST.token_of(&format!(r#"{{"alg":"RS256","x":{deep}}}"#), &text),
            "header",
        ),
        ("claims that are a list", FIRST.token_of(&head.to_string(), "[1]"), "payload"),
        ("claims that are no JSON", FIRST.token_of(&head.to_string(), "sub=ann"), "payload"),
        ("no exp", claim("exp", Value::Null), "`exp`"),
        ("exp as text", claim("exp", json!("9999999999")), "`exp`"),
        ("exp as a fraction", claim("exp", json!(9_999_999_999.5)), "`exp`"),
        ("exp out of range", claim("exp", json!(1e30)), "`exp`"),
        ("expired", claim("exp", json!(seconds(-31))), "expired"),
        ("nbf in the future", claim("nbf", json!(seconds(90))), "not valid yet"),
        ("nbf as text", claim("nbf", json!("0")), "`nbf`"),
        ("iat in the future", claim("iat", json!(seconds(90))), "not valid yet"),
        ("no iss", claim("iss", Value::Null), "`iss`"),
        ("iss as a list", claim("iss", json!([url])), "`iss`"),
        ("iss with a slash more", claim("iss", json!(format!("{url}/"))), "no [[issuer]]"),
        ("an unknown iss", claim("iss", json!("https://evil.example.com")), "no [[issuer]]"),
        ("no aud", claim("aud", Value::Null), "`aud`"),
        ("aud of somebody else", claim("aud", json!("them")), "audience"),
        ("aud as a list of others", claim("aud", json!(["them", "livekit2", "live"])), "audience"),
        ("an empty list as aud", claim("aud", json!([])), "audience"),
        ("aud as a list of lists", claim("aud", json!([["livekit"]])), "`aud`"),
        ("aud as an object", claim("aud", json!({"livekit": true})), "`aud`"),
        ("a signature with padding", format!("{token}=="), "signature"),
        ("a signature whose last character is changed", changed_last, "signature"),
        ("a signature that is cut", token[..token.len() - 4].to_owned(), "signature"),
        ("no signature", format!("{unsigned}."), "signature"),
        ("a claim with padding", padded, "payload"),
        ("white space in a part", format!("{head_part}. {claims_part}.{signature}"), "payload"),
        (
            "other claims under the same signature",
            format!(
                "{head_part}.{}.{signature}",
                URL_SAFE_NO_PAD.encode(with(&good, "sub", json!("root")).to_string())
            ),
            "signature",
        ),
        ("another issuer's key of the same name", SECOND.token(&head, &good), "signature"),
        ("the company's key for the partner", FIRST.token(&head, &claims(PARTNER)), "signature"),
        (
            "the partner's curve at the company",
            CURVE.token(&json!({"alg": "ES256", "kid": "curve"}), &good),
            "is not among",
        ),
        (
            "an RSA token that names a curve's key",
            SECOND.token(&json!({"alg": "RS256", "kid": "curve"}), &claims(PARTNER)),
            "no such key",
        ),
        ("a thief's key under a good name", THIEF.token(&head, &good), "signature"),
        (
            "an opaque token",
            "2YotnFZFEjr1zCsicMWpAA".to_owned(),
            "opaque token, which only its issuer can read",
        ),
        ("two parts", "a.b".to_owned(), "opaque"),
        ("an encrypted token", "a.b.c.d.e".to_owned(), "encrypted"),
        ("six parts", "a.b.c.d.e.f".to_owned(), "opaque"),
    ];
    assert_eq!(exchange(&daemon, &token, &[]).status, 200, "the premise: but for the attack it is good");
    let mut wrong = Vec::new();
    for (what, token, why) in &attacks {
        let answer = exchange(&daemon, token, &[]);
        let said = answer.json();
        let sentence = said["error_description"].as_str().unwrap_or_default();
        if answer.status != 400 || said["error"] != "invalid_request" || !sentence.contains(why) {
            wrong.push(format!("{what}: {} {said}", answer.status));
        }
        // The same at the other door, where a token stands in the head, which has its own limit.
        let answer = company::endpoint(&daemon, token, &json!({}));
        let refused = if token.len() > 60_000 { 431 } else { 401 };
        if answer.status != refused {
            wrong.push(format!("{what}, at the endpoint: {} {}", answer.status, answer.text()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} attacks were not refused as they should be:\n{}",
        wrong.len(),
        attacks.len(),
        wrong.join("\n")
    );
    // Nothing that a token pointed at was fetched, and nothing of the tokens was logged.
    assert_eq!(company.asked("/stolen"), 0);
    let log = daemon.log().text();
    for secret in [signature, claims_part, &secret, "root", "UNION"] {
        assert!(!log.contains(secret), "the log repeats what a token says: {log}");
    }
}
