//! What rules make of claims that people wrote, and of rules that go wrong.

use livekit_keyd::config::Config;
use serde_json::{Value, json};

use super::company::{self, claims_of, endpoint, exchange, issuer};
use super::provider::Provider;
use super::support::daemon::Daemon;
use super::tokens::{FIRST, claims, header, with};

fn signed(claims: &Value) -> String {
    FIRST.token(&header("one"), claims)
}

/// Rules of which most go wrong in some way for some claims.
const RULES: &str = r#"
    [[issuer.rule]]
    when = "1 / claims.divisor > 0"
    room = "'divided'"
    profile = "participant"
    [[issuer.rule]]
    when = "claims.groups.all(a, claims.groups.all(b, claims.groups.size() > 5000 || a != b || a == b))"
    identity = "claims.endless ? 'endless' : claims.sub"
    room = "'endless'"
    profile = "participant"
    [[issuer.rule]]
    when = "claims.plan"
    room = "'wrong type'"
    profile = "participant"
    [[issuer.rule]]
    when = "'host' in claims.groups"
    room = "claims.room"
    attributes = { seat = "claims.seat" }
    profile = "moderator"
    [[issuer.rule]]
    when = "'guest' in claims.groups"
    profile = "lobby"
    [[issuer.rule]]
    when = "has(claims.room) && request.room == claims.room"
    name = "has(request.name) ? request.name : claims.name"
    room = "claims.room"
    attributes = { plan = "claims.plan", device = "has(request.attributes.device) ? request.attributes.device : ''" }
    profile = "participant"
"#;

fn company() -> (Daemon, Provider) {
    let company = Provider::start(&[(&FIRST, "one")]);
    let daemon = company::start(&issuer("company", company.url(), RULES));
    company::wait_for_keys(&daemon, "company");
    (daemon, company)
}

#[test]
fn the_first_rule_that_fits_decides_and_an_error_is_no_match() {
    let (daemon, company) = company();
    let plain = with(&with(&claims(company.url()), "groups", json!([])), "room", json!("blue"));
    let room_of = |claims: &Value, asked: &[(&str, &str)]| {
        let answer = exchange(&daemon, &signed(claims), asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        claims_of(&daemon, &token)
    };
    let blue = [("room", "blue")];
    assert_eq!(room_of(&with(&plain, "divisor", json!(1)), &[])["video"]["room"], "divided");
    // Division by zero, by text, and by nothing.
    for divisor in [json!(0), json!("1"), Value::Null] {
        assert_eq!(room_of(&with(&plain, "divisor", divisor), &blue)["video"]["room"], "blue");
    }
    // A rule that would go on for as long as the claims are many.
    let many: Vec<_> = (0..800).map(|number| json!(format!("group-{number}"))).collect();
    let endless = with(&with(&plain, "endless", json!(true)), "groups", json!(many));
    let began = std::time::Instant::now();
    assert_eq!(room_of(&endless, &blue)["video"]["room"], "blue");
    assert!(began.elapsed().as_secs() < 5, "it took {:?}", began.elapsed());
    // Rights follow from the rule's profile.
    let host = with(&with(&plain, "groups", json!(["host"])), "seat", json!("front"));
    assert_eq!(room_of(&host, &[])["video"], json!({"roomJoin": true, "roomAdmin": true, "room": "blue"}));
    assert_eq!(room_of(&host, &[])["attributes"], json!({"seat": "front"}));
    let guest = with(&plain, "groups", json!(["guest"]));
    assert_eq!(room_of(&guest, &[])["video"]["room"], "lobby");
    assert_eq!(room_of(&guest, &[("room", "lobby")])["video"]["room"], "lobby");
    // A claim of the wrong type in an attribute leads on to the next rule, which asks for a room.
    let wrong_seat = with(&host, "seat", json!(7));
    assert_eq!(room_of(&wrong_seat, &blue)["video"].get("roomAdmin"), None);
}

#[test]
fn explain_says_offline_what_the_daemon_answers() {
    let (daemon, company) = company();
    let plain = with(&with(&claims(company.url()), "groups", json!([])), "room", json!("blue"));
    let host = with(&with(&plain, "groups", json!(["host"])), "seat", json!("front"));
    let (file, config) = (daemon.folder().join("claims.json"), daemon.config());
    for (claims, room, rule) in [
        (&host, None, json!(4)),
        (&host, Some("red"), json!(4)),
        (&plain, Some("blue"), json!(6)),
        (&plain, None, Value::Null),
        (&with(&plain, "groups", json!(["guest"])), None, json!(5)),
        (&with(&host, "sub", json!("ann\n")), None, json!(4)),
        (&with(&plain, "divisor", json!(1)), None, json!(1)),
    ] {
        let body = room.map_or_else(|| json!({}), |room| json!({"room_name": room}));
        let answered = endpoint(&daemon, &signed(claims), &body);
        std::fs::write(&file, claims.to_string()).expect("a file");
        let (file, config) = (file.to_str().expect("text"), config.to_str().expect("text"));
        let mut arguments =
            vec!["--json", "explain", "--config", config, "--issuer", "company", "--claims", file];
        arguments.extend(room.into_iter().flat_map(|room| ["--room", room]));
        let output = daemon.run(&arguments);
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(told["issuer_rule"], rule, "{told}");
        assert_eq!(told["allowed"], answered.status == 201, "{told}: {}", answered.text());
        assert_eq!(output.status.code(), Some(i32::from(answered.status != 201)));
        if answered.status == 201 {
            let token = answered.json()["participant_token"].as_str().expect("a token").to_owned();
            let made = claims_of(&daemon, &token);
            assert_eq!(told["identity"], made["sub"]);
            assert_eq!(told["grants"]["video"], made["video"]);
            assert_eq!(told["name"], made["name"].as_str().unwrap_or_default());
        } else {
            assert_eq!(
                answered.json()["type"],
                json!(format!(
                    "urn:livekit-keyd:problem:denied:{}",
                    told["rule"].as_str().unwrap_or_default()
                ))
            );
            assert_eq!(answered.json()["detail"], told["detail"]);
        }
    }
}

#[test]
fn what_no_rule_gives_is_refused_with_reasons() {
    let (daemon, company) = company();
    let plain = with(&with(&claims(company.url()), "groups", json!([])), "room", json!("blue"));
    let refused = |claims: &Value, asked: &[(&str, &str)], why: &str| {
        let answer = exchange(&daemon, &signed(claims), asked);
        let said = answer.json();
        assert_eq!((answer.status, &said["error"]), (400, &json!("invalid_request")), "{said}");
        assert!(said["error_description"].as_str().is_some_and(|said| said.contains(why)), "{why}: {said}");
    };
    refused(&plain, &[("room", "red")], "rule 1: `when` needs a claim that is not there; rule 2:");
    refused(&plain, &[], "rule 3: `when` gave a value of the wrong type; rule 4: `when` is false");
    refused(&with(&plain, "groups", json!("host")), &[], "no rule");
    let host = with(&with(&plain, "groups", json!(["host"])), "seat", json!("front"));
    refused(&host, &[("room", "red")], "gives another room than `red`");
    let guest = with(&plain, "groups", json!(["guest"]));
    refused(&guest, &[("room", "red")], "does not give room `red`");
    refused(&host, &[("room_config", r#"{"maxParticipants": 2}"#)], "room_config is refused");
    let blue = [("room", "blue"), ("room_config", r#"{"egress": {}}"#)];
    refused(&plain, &blue, "egress");
}

#[test]
fn identities_that_deceive_are_refused() {
    let (daemon, company) = company();
    let plain = with(&with(&claims(company.url()), "groups", json!([])), "room", json!("blue"));
    let ask = |claims: &Value| endpoint(&daemon, &signed(claims), &json!({"room_name": "blue"}));
    for (what, sub, why) in [
        ("a line break", json!("ann\nlevel=info forged=yes"), "U+000A"),
        ("NUL", json!("ann\u{0}"), "U+0000"),
        ("an escape", json!("ann\u{1b}[2J"), "U+001B"),
        ("text turned around", json!("nna\u{202e}"), "U+202E"),
        ("no width", json!("an\u{200b}n"), "U+200B"),
        ("a joiner", json!("an\u{200d}n"), "U+200D"),
        ("tags", json!("ann\u{e0041}"), "U+E0041"),
        ("a blank letter", json!("\u{3164}"), "U+3164"),
        ("white space around it", json!("ann "), "white space"),
        ("nothing", json!(""), "empty"),
        ("10 kB", json!("a".repeat(10_000)), "10000 bytes"),
    ] {
        let answer = ask(&with(&plain, "sub", sub));
        let said = answer.json();
        assert_eq!(
            (answer.status, &said["type"]),
            (403, &json!("urn:livekit-keyd:problem:denied:issuer.identity")),
            "{what}: {said}"
        );
        assert!(said["detail"].as_str().is_some_and(|said| said.contains(why)), "{what}: {said}");
    }
    // A number is no text: no rule fits.
    assert_eq!(
        ask(&with(&plain, "sub", json!(7))).json()["type"],
        "urn:livekit-keyd:problem:denied:issuer.rule"
    );
    for room in ["blue\n", "b\u{200b}lue"] {
        let answer =
            endpoint(&daemon, &signed(&with(&plain, "room", json!(room))), &json!({"room_name": room}));
        assert_eq!(answer.json()["type"], "urn:livekit-keyd:problem:denied:issuer.room");
    }
    assert!(!daemon.log().text().contains("forged"), "a claim is in the log");
    // A look-alike is somebody else, letter by letter: nothing is folded or composed into another user's name.
    for sub in ["ann.müller@example.com", "ann.mu\u{308}ller@example.com", "\u{430}nn", "\u{ff41}nn", "Ann"]
    {
        let good = ask(&with(&plain, "sub", json!(sub)));
        assert_eq!(good.status, 201, "{}", good.text());
        let token = good.json()["participant_token"].as_str().expect("a token").to_owned();
        assert_eq!(claims_of(&daemon, &token)["sub"], sub);
    }
}

#[test]
fn rules_that_cannot_be_are_refused_when_they_are_loaded() {
    let load = |rule: &str| {
        let more = format!("[[issuer.rule]]\nprofile = \"participant\"\n{rule}\n");
        let text = company::config(&issuer("company", "https://id.example.com", &more));
        Config::parse(&text, "keyd.toml".as_ref()).map(|_| ()).map_err(|errors| errors.to_string())
    };
    let room = "room = \"'a'\"";
    assert_eq!(load(&format!("when = \"true\"\n{room}")), Ok(()));
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    let long = format!("{}true{}", "(".repeat(1000), ")".repeat(1000));
    let chain = vec!["1"; 1000].join("+");
    for (rule, why) in [
        (room.to_owned(), "when: is missing"),
        ("when = \"true\"".to_owned(), "room: is missing"),
        (format!("when = \"{deep}\"\n{room}"), "20004 bytes"),
        (format!("when = \"{long}\"\n{room}"), "1000 opening brackets"),
        (format!("when = \"{chain} > 0\"\n{room}"), "nested"),
        (format!("when = \"claims.sub ==\"\n{room}"), "no CEL"),
        (format!("when = \"environment.secret\"\n{room}"), "only `claims` and `request`"),
        (format!("when = \"claims.a.matches(claims.b)\"\n{room}"), "pattern"),
        (format!("when = true\n{room}"), "must be text"),
        (format!("when = \"true\"\n{room}\nattributes = {{ a = 7 }}"), "must be text"),
        (format!("when = \"true\"\n{room}\nmetadata = \"claims.sub\""), "no such setting"),
        (format!("when = \"true\"\n{room}\nkeyset = \"defautl\""), "did you mean `default`"),
    ] {
        let refused = load(&rule).expect_err("it is refused");
        assert!(refused.contains(why), "{why}: {refused}");
    }
    let rule = "[[issuer.rule]]\nwhen = \"false\"\nprofile = \"lobby\"\n";
    let count = |count: usize| {
        let text = company::config(&issuer("company", "https://id.example.com", &rule.repeat(count)));
        Config::parse(&text, "keyd.toml".as_ref()).map(|config| config.issuers[0].rules.len())
    };
    assert_eq!(count(64).expect("64 are allowed"), 64);
    assert!(count(65).is_err_and(|errors| errors.to_string().contains("has 65 rules")));
}
