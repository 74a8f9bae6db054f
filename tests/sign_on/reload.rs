//! A reload changes issuers and rules, and keeps the keys of those that stay.

use serde_json::Value;

use super::company::{self, RULES, exchange, issuer};
use super::provider::Provider;
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::tokens::{FIRST, claims, header};

fn reload(daemon: &Daemon, issuers: &str) -> (u16, Value) {
    daemon.write_config(&company::config(issuers));
    daemon.admin().post("/v1/reload", &Value::Null)
}

#[test]
fn issuers_and_rules_change_without_a_restart() {
    let [company, partner] = [Provider::start(&[(&FIRST, "one")]), Provider::start(&[(&FIRST, "one")])];
    let own = issuer("company", company.url(), RULES);
    let daemon = company::start(&own);
    company::wait_for_keys(&daemon, "company");
    let token = |provider: &Provider| FIRST.token(&header("one"), &claims(provider.url()));
    assert_eq!(exchange(&daemon, &token(&partner), &[]).status, 400);
    let (status, answer) = reload(&daemon, &(own.clone() + &issuer("partner", partner.url(), RULES)));
    assert_eq!(status, 200, "{answer}");
    assert!(answer.to_string().contains("issuers"), "{answer}");
    company::wait_for_keys(&daemon, "partner");
    assert_eq!(exchange(&daemon, &token(&partner), &[]).status, 200);
    // Rules change, and the keys of the company are not read for it.
    let strict = issuer("company", company.url(), &RULES.replace("'staff' in", "'board' in"));
    assert_eq!(reload(&daemon, &strict).0, 200);
    assert!(exchange(&daemon, &token(&company), &[]).text().contains("`when` is false"));
    assert_eq!(company.asked("/keys"), 1);
    // The partner is gone, with its series.
    assert!(exchange(&daemon, &token(&partner), &[]).text().contains("no [[issuer]]"));
    eventually(PATIENCE, "its series are gone", || {
        !daemon.telemetry("/metrics").contains("issuer=\"partner\"")
    });
    // A mistake changes nothing.
    let (status, answer) = reload(&daemon, &own.replace("claims.plan", "claims.plan +"));
    assert_eq!(status, 409, "{answer}");
    assert!(exchange(&daemon, &token(&company), &[]).text().contains("`when` is false"));
}
