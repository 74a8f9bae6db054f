//! Bad bodies, each with the field's place and a sentence that says what to do; and good ones that look bad.

use std::time::Duration;

use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::request::{BatchRequest, LARGEST_BATCH, TokenRequest};

/// A body, the pointer to what is wrong with it, and what the sentence says.
type Bad<'a> = (&'a str, &'a str, &'a str);

const BAD: &[Bad<'_>] = &[
    ("", "", "the body is empty; send a JSON object like {\"identity\""),
    (" \r\n\t", "", "the body is empty"),
    ("{", "", "the body is no JSON: EOF while parsing an object (line 1, column 1)"),
    ("{\"identity\": \"alice\",}", "", "the body is no JSON: trailing comma (line 1, column 22)"),
    ("identity=alice", "", "the body is no JSON: expected value (line 1, column 1)"),
    ("{} {}", "", "something follows the JSON object; send one object"),
    ("null", "", "invalid type: null, expected an object"),
    ("[]", "", "invalid type: sequence, expected an object"),
    ("[\"alice\"]", "", "invalid type: sequence, expected an object"),
    ("\"alice\"", "", "invalid type: string \"alice\", expected an object"),
    ("{\"identity\": NaN}", "", "the body is no JSON"),
    // Unknown fields, with the nearest known one.
    ("{\"identiy\": \"a\"}", "/identiy", "there is no field `identiy`; did you mean `identity`?"),
    ("{\"roomConfig\": {}}", "/roomConfig", "there is no field `roomConfig`; did you mean `room_config`?"),
    ("{\"colour\": 1}", "/colour", "there is no field `colour`; there are: identity, name, room,"),
    ("{\"a/b~c\": 1}", "/a~1b~0c", "there is no field `a/b~c`"),
    ("{\"grants\": {\"vidoe\": {}}}", "/grants/vidoe", "did you mean `video`?"),
    ("{\"grants\": {\"video\": {\"roomjoin\": true}}}", "/grants/video/roomjoin", "did you mean `roomJoin`?"),
    (
        "{\"grants\": {\"video\": {\"room_join\": true}}}",
        "/grants/video/room_join",
        "did you mean `roomJoin`?",
    ),
    ("{\"grants\": {\"sip\": {\"cal\": true}}}", "/grants/sip/cal", "did you mean `call`?"),
    (
        "{\"grants\": {\"video\": {\"canAdminParticipants\": true}}}",
        "/grants/video/canAdminParticipants",
        "LiveKit has no grant `canAdminParticipants`: a moderator gets `roomAdmin` for one `room`",
    ),
    // A grant beside `grants`.
    ("{\"canPublish\": false}", "/canPublish", "it is a grant, so put it into `grants.video`"),
    ("{\"perform\": true}", "/perform", "it is a grant, so put it into `grants.inference`"),
    // A name that holds what the parser says of names.
    (
        "{\"x`, expected `y\": 1}",
        "/x`, expected `y",
        "there is no field `x`, expected `y`; there are: identity",
    ),
    // Names.
    ("{\"identity\": \"\"}", "/identity", "`identity` is empty: leave it out or give one"),
    ("{\"room\": \"\"}", "/room", "`room` is empty: leave it out or give one"),
    ("{\"identity\": \"a\\u0000b\"}", "/identity", "the control character U+0000: take it out"),
    ("{\"room\": \"a\\nb\"}", "/room", "the control character U+000A: take it out"),
    ("{\"identity\": 7}", "/identity", "invalid type: integer `7`, expected a string"),
    ("{\"identity\": \"a\", \"identity\": \"b\"}", "/identity", "`identity` is there twice: send it once"),
    (
        "{\"room\": \"a\", \"grants\": {\"video\": {\"room\": \"b\"}}}",
        "/room",
        "`room` is `a` and `grants.video.room` is `b`: name one room",
    ),
    ("{\"grants\": {\"video\": {\"room\": \"a\\tb\"}}}", "/grants/video/room", "U+0009"),
    (
        "{\"grants\": {\"video\": {\"destinationRoom\": \"a\\u0000\"}}}",
        "/grants/video/destinationRoom",
        "`destinationRoom` has the control character U+0000: take it out",
    ),
    (
        "{\"grants\": {\"sip\": {\"call\": true, \"call\": true}}}",
        "/grants/sip/call",
        "`call` is there twice",
    ),
    // Types.
    ("{\"grants\": null}", "/grants", "expected an object"),
    ("{\"grants\": []}", "/grants", "invalid type: sequence, expected an object"),
    ("{\"grants\": {\"video\": null}}", "/grants/video", "expected an object"),
    ("{\"grants\": {\"video\": [true]}}", "/grants/video", "invalid type: sequence, expected an object"),
    ("{\"grants\": {\"agentThread\": []}}", "/grants/agentThread", "expected an object"),
    (
        "{\"grants\": {\"video\": {\"canPublish\": \"yes\"}}}",
        "/grants/video/canPublish",
        "invalid type: string \"yes\", expected a boolean",
    ),
    ("{\"grants\": {\"video\": {\"roomJoin\": 1}}}", "/grants/video/roomJoin", "expected a boolean"),
    (
        "{\"grants\": {\"video\": {\"canPublishSources\": [\"camera\", \"webcam\"]}}}",
        "/grants/video/canPublishSources/1",
        "there is no `webcam`; there are: camera, microphone, screen_share",
    ),
    ("{\"kind\": \"robot\"}", "/kind", "there is no `robot`; there are: standard, ingress"),
    ("{\"kind\": \"agnet\"}", "/kind", "there is no `agnet`; did you mean `agent`?"),
    ("{\"metadata\": {}}", "/metadata", "expected a string"),
    ("{\"attributes\": {\"tier\": 1}}", "/attributes/tier", "expected a string"),
    ("{\"attributes\": {\"a/b\": null}}", "/attributes/a~1b", "expected a string"),
    ("{\"room_config\": \"small\"}", "/room_config", "expected a map"),
    // Lives.
    (
        "{\"ttl\": 0}",
        "/ttl",
        "a ttl must be at least one second: write whole seconds like 900, or text like \"15m\"",
    ),
    ("{\"ttl\": -1}", "/ttl", "a ttl must be at least one second"),
    ("{\"ttl\": -1.5}", "/ttl", "a ttl must be at least one second"),
    ("{\"ttl\": -1e30}", "/ttl", "a ttl must be at least one second"),
    ("{\"ttl\": 1.5}", "/ttl", "a ttl has no fraction: write whole seconds like 900"),
    ("{\"ttl\": \"\"}", "/ttl", "is not a duration"),
    (
        "{\"ttl\": \"1y\"}",
        "/ttl",
        "`1y` is not a duration; write whole numbers with a unit of ms, s, m, h or d",
    ),
    ("{\"ttl\": \"-5m\"}", "/ttl", "is not a duration"),
    ("{\"ttl\": \"1.5h\"}", "/ttl", "is not a duration"),
    ("{\"ttl\": \"1500ms\"}", "/ttl", "a ttl has no fraction of a second"),
    ("{\"ttl\": \"10dd\"}", "/ttl", "is not a duration"),
    ("{\"ttl\": \"0s\"}", "/ttl", "a ttl must be at least one second"),
    ("{\"ttl\": \"900\"}", "/ttl", "is not a duration"),
    ("{\"ttl\": \"NaN\"}", "/ttl", "is not a duration"),
    ("{\"ttl\": NaN}", "", "the body is no JSON"),
    ("{\"ttl\": [900]}", "/ttl", "expected a ttl: whole seconds like 900, or text like \"15m\""),
    ("{\"ttl\": true}", "/ttl", "expected a ttl"),
];

fn refused(problem: &Problem, pointer: &str, sentence: &str, body: &str) {
    assert_eq!(problem.kind, ProblemKind::Malformed, "{body}");
    assert_eq!(problem.pointer, pointer, "{body}: {}", problem.detail);
    assert!(problem.detail.contains(sentence), "{body}: {}", problem.detail);
}

#[test]
fn a_bad_body_is_refused_with_its_place_and_a_sentence() {
    for (body, pointer, sentence) in BAD {
        let problem = TokenRequest::parse(body.as_bytes()).expect_err(body);
        refused(&problem, pointer, sentence, body);
    }
}

#[test]
fn bodies_too_large_to_write_down() {
    let name = |field: &str, length| format!("{{\"{field}\": \"{}\"}}", "x".repeat(length));
    let deep = |depth| format!("{{\"room_config\": {}{}}}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, pointer, sentence) in [
        (name("identity", 257), "/identity", "`identity` has 257 bytes, and LiveKit takes at most 256"),
        (name("room", 257), "/room", "`room` has 257 bytes"),
        (format!("{{\"identity\": \"{}\"}}", "é".repeat(129)), "/identity", "has 258 bytes"),
        (deep(100_000), "", "recursion limit"),
        (nested, "", "expected an object"),
        (name(&"y".repeat(100_000), 1), &format!("/{}", "y".repeat(100_000)), "there is no field `yyy"),
    ] {
        let problem = TokenRequest::parse(body.as_bytes()).expect_err(pointer);
        refused(&problem, pointer, sentence, pointer);
    }
    TokenRequest::parse(name("identity", 256).as_bytes()).expect("the longest identity");
    TokenRequest::parse(name("metadata", 1_000_000).as_bytes()).expect("metadata of any length");
}

#[test]
fn a_body_that_is_no_utf_8() {
    for (body, at) in [(&b"{\"identity\": \"\xff\"}"[..], 14), (b"\xff\xfe{\0}\0", 0), (b"{\"a\xc3\": 1}", 3)]
    {
        let problem = TokenRequest::parse(body).expect_err("no text");
        refused(&problem, "", &format!("the body is no UTF-8 text (byte {at})"), "bytes");
        let problem = BatchRequest::parse(body).expect_err("no text");
        refused(&problem, "", "the body is no UTF-8 text", "bytes");
    }
}

fn life(ttl: &str) -> Option<Duration> {
    let body = format!("{{\"ttl\": {ttl}}}");
    TokenRequest::parse(body.as_bytes()).expect(ttl).ttl.map(|ttl| ttl.0)
}

#[test]
fn lives_that_are_fine() {
    let most = Some(Duration::from_secs(u64::MAX));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (written, read) in [
        ("null", None),
        ("1", seconds(1)),
        ("900", seconds(900)),
        ("900.0", seconds(900)),
        ("\"15m\"", seconds(900)),
        ("\"1h30m\"", seconds(5400)),
        // Shortened by policy, not refused here.
        ("1000000000000000000", seconds(1_000_000_000_000_000_000)),
        ("1e18", seconds(1_000_000_000_000_000_000)),
        ("18446744073709551615", most),
        ("18446744073709551616", most),
        ("1e300", most),
        ("\"1000000000000000000s\"", most),
        ("\"99999999999999999999999d\"", most),
    ] {
        assert_eq!(life(written), read, "{written}");
    }
}

#[test]
fn false_is_not_unset_and_the_room_goes_where_tokens_have_it() {
    let body = r#"{"room": "demo", "grants": {"video": {"canPublish": false, "canSubscribe": null}}}"#;
    let request = TokenRequest::parse(body.as_bytes()).expect("a request");
    let video = &request.grants.video;
    assert_eq!((video.can_publish, video.can_subscribe, video.can_publish_data), (Some(false), None, None));
    assert_eq!(video.room, "demo");
    assert_eq!(TokenRequest::parse(b"{}").expect("nothing is needed"), TokenRequest::default());
}

#[test]
fn batches() {
    let of = |count: usize| format!("{{\"tokens\": [{}]}}", vec!["{}"; count].join(","));
    for (body, pointer, sentence) in [
        (of(0), "/tokens", "a batch has 1 to 10000 tokens, and this one has 0"),
        (of(LARGEST_BATCH + 1), "/tokens", "a batch has 1 to 10000 tokens, and this one has 10001"),
        (String::new(), "", "the body is empty"),
        ("{}".to_owned(), "", "missing field `tokens`"),
        ("[]".to_owned(), "", "invalid type: sequence, expected an object"),
        ("[[{}]]".to_owned(), "", "invalid type: sequence, expected an object"),
        ("{\"token\": []}".to_owned(), "/token", "did you mean `tokens`?"),
        ("{\"tokens\": {}}".to_owned(), "/tokens", "invalid type: map, expected a sequence"),
        ("{\"tokens\": [{]}".to_owned(), "", "the body is no JSON"),
    ] {
        let problem = BatchRequest::parse(body.as_bytes()).expect_err(sentence);
        refused(&problem, pointer, sentence, sentence);
    }
    let batch = of(LARGEST_BATCH);
    assert_eq!(BatchRequest::parse(batch.as_bytes()).expect("the largest").len(), LARGEST_BATCH);
    // What is wrong with one of them is for that one alone.
    let batch = BatchRequest::parse(b"{\"tokens\": [{}, {\"ttl\": 0}, 7, [\"alice\"]]}").expect("a batch");
    let read: Vec<_> = batch.into_requests().collect();
    assert_eq!(read[0], Ok(TokenRequest::default()));
    refused(
        read[1].as_ref().expect_err("no life"),
        "/ttl",
        "a ttl must be at least one second",
        "the second",
    );
    for (other, sentence) in [(2, "integer `7`, expected an object"), (3, "sequence, expected an object")] {
        refused(read[other].as_ref().expect_err("no request"), "", sentence, "another");
    }
    // All are of the right form, and one is not what it must be.
    let batch = BatchRequest::parse(b"{\"tokens\": [{\"identity\": \"\"}, {}]}").expect("a batch");
    let read: Vec<_> = batch.into_requests().collect();
    refused(read[0].as_ref().expect_err("no name"), "/identity", "is empty", "the first");
    assert_eq!(read[1], Ok(TokenRequest::default()));
}
