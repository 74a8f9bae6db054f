//! Providers that lie about their keys, are slow, are gone, or change them.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::company::{self, RULES, exchange, issuer};
use super::provider::{Keys, Provider, set};
use super::support::daemon::Daemon;
use super::support::eventually::{PATIENCE, eventually};
use super::tokens::{FIRST, SECOND, THIEF, claims, header};

/// A daemon that has read the first key of a provider, and the provider.
fn company() -> (Daemon, Provider) {
    let company = Provider::start(&[(&FIRST, "one")]);
    let daemon = company::start(&issuer("company", company.url(), RULES));
    company::wait_for_keys(&daemon, "company");
    (daemon, company)
}

fn by_first(company: &Provider) -> String {
    FIRST.token(&header("one"), &claims(company.url()))
}

/// Signed by a key that makes the daemon ask for keys once more.
fn by_second(company: &Provider) -> String {
    SECOND.token(&header("two"), &claims(company.url()))
}

fn condition(daemon: &Daemon) -> String {
    let status = daemon.admin().get("/v1/status").1;
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    let unread = all.iter().find(|condition| condition["type"] == "IssuerKeysUnread");
    unread.map(|condition| condition["message"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[test]
fn a_new_key_is_believed_at_once_and_the_old_ones_end_goes_with_it() {
    let (daemon, company) = company();
    assert_eq!(exchange(&daemon, &by_first(&company), &[]).status, 200);
    company.publishes(&[(&SECOND, "two")]);
    assert_eq!(exchange(&daemon, &by_second(&company), &[]).status, 200);
    let answer = exchange(&daemon, &by_first(&company), &[]);
    assert!(answer.text().contains("no such key"), "{}", answer.text());
}

#[test]
fn unknown_keys_cause_one_reading_a_minute() {
    let (daemon, company) = company();
    let before = company.asked("/keys");
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let token = THIEF.token(&header(&format!("unknown-{number}")), &claims(company.url()));
            let socket = daemon.sign();
            std::thread::spawn(move || {
                let body = format!(
                    "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={token}\
                     &subject_token_type=urn:ietf:params:oauth:token-type:jwt"
                );
                let request =
                    super::support::http::request("POST", "/v1/token-exchange", &[], body.as_bytes());
                socket.send(&request).expect("it answers").status
            })
        })
        .collect();
    for one in asking {
        assert_eq!(one.join().expect("it does not panic"), 400);
    }
    assert_eq!(company.asked("/keys"), before + 1);
    // A good key's tokens have nothing to do with it.
    assert_eq!(exchange(&daemon, &by_first(&company), &[]).status, 200);
}

/// What a provider may answer, and what is said of it.
fn bad_answers(elsewhere: &Provider) -> Vec<(&'static str, Keys, &'static str)> {
    let point = |number: usize| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": number.to_string(), "x": URL_SAFE_NO_PAD.encode(bytes)})
    };
    let many = |count: usize| {
        let mut all = set(&[(&SECOND, "two")]);
        all["keys"].as_array_mut().expect("a list").extend((0..count).map(point));
        all
    };
    let text = |text: &str| Keys::Bytes(200, text.as_bytes().to_vec());
    let mut symmetric =
        json!({"kty": "oct", "kid": "two", "k": URL_SAFE_NO_PAD.encode("everybody can read this")});
    symmetric["alg"] = json!("HS256");
    vec![
        ("10 000 keys", Keys::Set(many(10_000)), "more than 262144 bytes"),
        ("101 keys", Keys::Set(many(100)), "101 keys"),
        ("a redirect", Keys::Redirect(format!("{}/keys", elsewhere.url())), "redirects are not followed"),
        ("a byte now and then", Keys::Drip, "failed"),
        ("half of it", Keys::Half(many(1)), "failed"),
        ("an error", Keys::Bytes(500, many(0).to_string().into_bytes()), "500"),
        ("a page", text("<html>two</html>"), "no JWK set"),
        ("nested without end", text(&"[".repeat(100_000)), "no JWK set"),
        ("no keys", Keys::Set(json!({"keys": []})), "none of its 0 keys"),
        ("a shared secret", Keys::Set(json!({"keys": [symmetric]})), "none of its 1 keys"),
    ]
}

#[test]
fn what_a_provider_answers_wrongly_changes_nothing() {
    let elsewhere = Provider::start(&[(&SECOND, "two")]);
    let cases = bad_answers(&elsewhere);
    // Each has a provider of its own, since an unknown key is asked for once a minute only; one daemon has them all.
    let companies: Vec<_> = cases.iter().map(|_| Provider::start(&[(&FIRST, "one")])).collect();
    let name = |number: usize| format!("company-{number}");
    let issuers = companies.iter().enumerate().map(|(number, one)| issuer(&name(number), one.url(), RULES));
    let daemon = company::start(&issuers.collect::<String>());
    for number in 0..companies.len() {
        company::wait_for_keys(&daemon, &name(number));
    }
    std::thread::scope(|scope| {
        for (number, (company, (what, answer, why))) in companies.iter().zip(&cases).enumerate() {
            let (daemon, name) = (&daemon, name(number));
            scope.spawn(move || {
                company.answers(answer.clone());
                let began = Instant::now();
                let refused = exchange(daemon, &by_second(company), &[]);
                assert_eq!(refused.status, 400, "{what}: {}", refused.text());
                assert!(began.elapsed() < Duration::from_secs(11), "{what} took {:?}", began.elapsed());
                // The last good keys are used on.
                assert_eq!(exchange(daemon, &by_first(company), &[]).status, 200, "{what}");
                eventually(PATIENCE, "it is said", || {
                    let status = daemon.admin().get("/v1/status").1.to_string();
                    status.contains(&format!("the keys of issuer `{name}` could not be read"))
                });
                let status = daemon.admin().get("/v1/status").1;
                let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
                let own = conditions.iter().find(|one| one["reason"] == name.as_str());
                let message = own.map_or(Value::Null, |one| one["message"].clone());
                assert!(message.as_str().is_some_and(|said| said.contains(why)), "{what}: {message}");
            });
        }
    });
    assert_eq!(elsewhere.asked("/keys"), 0, "a redirect was followed");
    assert_eq!(daemon.sign().get("/readyz").0, 200, "a provider's outage is nothing to signing");
}

#[test]
fn a_discovery_document_must_be_the_issuers_own() {
    let company = Provider::start(&[(&FIRST, "one")]);
    company.speaks_for("https://somebody.example.com");
    let daemon = company::start(&issuer("company", company.url(), RULES));
    eventually(PATIENCE, "it is refused", || condition(&daemon).contains("speaks for"));
    let answer = exchange(&daemon, &by_first(&company), &[]);
    assert!(answer.text().contains("could not be read so far"), "{}", answer.text());
    assert_eq!(company.asked("/keys"), 0);
    company.speaks_for(company.url());
    company.points_at("http://keys.example.com/keys");
    eventually(PATIENCE, "it is refused", || condition(&daemon).contains("neither https:// nor on loopback"));
    company.points_at(&format!("{}/keys", company.url()));
    eventually(PATIENCE, "it is over", || condition(&daemon).is_empty());
    assert_eq!(exchange(&daemon, &by_first(&company), &[]).status, 200);
}

#[test]
fn with_a_file_nothing_is_fetched() {
    let company = Provider::start(&[(&THIEF, "one")]);
    let more = format!("jwks_file = \"{{dir}}/keys.json\"\n{RULES}");
    let mut daemon = Daemon::new(&company::config(&issuer("company", company.url(), &more)));
    let file = daemon.folder().join("keys.json");
    daemon.start_again();
    daemon.init("default");
    daemon.wait_until_ready();
    eventually(PATIENCE, "it is missed", || condition(&daemon).contains("keys.json cannot be read"));
    fs::write(&file, set(&[(&FIRST, "one")]).to_string()).expect("a file");
    company::wait_for_keys(&daemon, "company");
    assert_eq!(exchange(&daemon, &by_first(&company), &[]).status, 200);
    fs::write(&file, set(&[(&SECOND, "two")]).to_string()).expect("a file");
    assert_eq!(exchange(&daemon, &by_second(&company), &[]).status, 200);
    assert_eq!(company.asked("/.well-known/openid-configuration"), 0);
    assert_eq!(company.asked("/keys"), 0);
}
