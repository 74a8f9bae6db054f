//! A sign-on is written down with its issuer and its user, refused or not.

use serde_json::{Value, json};

use super::company::{self, RULES, endpoint, exchange, issuer};
use super::provider::Provider;
use super::support::trail;
use super::tokens::{FIRST, claims, header, seconds, with};

#[test]
fn a_sign_on_names_issuer_and_user_refused_or_not() {
    let company = Provider::start(&[(&FIRST, "one")]);
    let audit = "[audit]\nsink = \"file\"\npath = \"{dir}/audit.jsonl\"\n";
    let daemon = company::start(&format!("{}{audit}", issuer("company", company.url(), RULES)));
    company::wait_for_keys(&daemon, "company");
    let good = claims(company.url());
    let signed = |claims: &Value| FIRST.token(&header("one"), claims);
    let forged = format!("{}AAAA", &signed(&good)[..signed(&good).len() - 4]);

    exchange(&daemon, &signed(&good), &[]);
    for refused in [
        signed(&with(&good, "exp", json!(seconds(-60)))),
        signed(&with(&good, "groups", json!([]))),
        forged,
        signed(&with(&good, "iss", json!("https://evil.example.com"))),
        signed(&with(&good, "sub", json!(format!("{}\nforged", "s".repeat(2000))))),
        signed(&with(&good, "sub", json!(["ann"]))),
        "2YotnFZFEjr1zCsicMWpAA".to_owned(),
    ] {
        assert_eq!(exchange(&daemon, &refused, &[]).status, 400);
    }
    assert_eq!(endpoint(&daemon, "", &json!({})).status, 401);

    let told: Vec<_> = trail::events_of(&daemon, "token-exchange", 9)
        .iter()
        .map(|event| {
            ["event.reason", "livekit_keyd.issuer", "livekit_keyd.subject"].map(|field| event[field].clone())
        })
        .collect();
    let (none, company, ann) = (Value::Null, json!("company"), json!("ann"));
    let cut = json!("s".repeat(1024));
    let no_rule = json!("denied:issuer.rule");
    assert_eq!(
        told,
        [
            [none.clone(), company.clone(), ann.clone()],
            [json!("expired"), company.clone(), ann.clone()],
            [no_rule.clone(), company.clone(), ann.clone()],
            [json!("wrong-signature"), company.clone(), ann.clone()],
            [json!("unknown-issuer"), none.clone(), ann],
            [json!("denied:issuer.identity"), company.clone(), cut],
            [no_rule, company, none.clone()],
            [json!("opaque"), none.clone(), none.clone()],
            [json!("subject-token"), none.clone(), none],
        ]
    );
    let (whole, said) = trail::verify(&[], &[&trail::file(&daemon)]);
    assert!(whole, "{said}");
}
