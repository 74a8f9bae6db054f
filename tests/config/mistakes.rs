//! One mistake is one sentence, at its place, with its remedy.

use crate::{LEAST, asking, keyset_with, least_with, problem, sound};

#[test]
fn one_mistake_in_a_keyset_is_one_sentence_at_its_place() {
    for (line, path, part) in [
        ("overlap = 30", "overlap", "must be a duration in quotes"),
        ("overlap = \"1y\"", "overlap", "not a duration"),
        ("overlap = \"1h1m29s\"", "overlap", "raise overlap"),
        ("clock_skew = \"61s\"", "clock_skew", "at most 1m"),
        ("max_token_ttl = \"0s\"", "max_token_ttl", "at least 1s"),
        ("refresh_interval = \"0s\"", "refresh_interval", "at least 100ms"),
        ("offline = \"sing\"", "offline", "did you mean \"sign\""),
        ("mode = \"externl\"", "mode", "did you mean \"external\""),
        ("source = \"cloud/livekit\"", "source", "mode = \"external\""),
        ("path = \"/livekit\"", "path", "no leading slash"),
        ("path = \"livekit/../x\"", "path", "begins with a dot"),
        ("path = \"livekit/deployment/nodes\"", "path", "would belong to"),
        ("rotation_schedule = \"0 0 3 * * *\"", "rotation_schedule", "it takes five"),
        ("rotation_schedule = \"0 * * * *\"", "rotation_schedule", "as closely as 1h apart"),
        ("rotation_period = \"1d\"", "rotation_period", "rotate less often"),
        ("rotation_period = \"0s\"", "rotation_period", "out of the range"),
        (
            "rotation_period = \"7d\"\nrotation_schedule = \"0 3 * * 1\"",
            "rotation_period",
            "keep one of the two",
        ),
        ("rotation_period = \"7d\"\ntimezone = \"UTC\"", "timezone", "take it out"),
        ("rotation_schedule = \"0 3 * * 1\"\ntimezone = \"Europe/Berln\"", "timezone", "Europe/Berlin"),
        ("publish_client = \"yes\"", "publish_client", "true or false"),
        ("on_change = [\"restart-egress\"]", "on_change", "publish_client = true"),
        ("publish_client = true\non_change = []", "on_change", "names no program"),
    ] {
        let problem = problem(&keyset_with(line));
        assert_eq!(problem.path, format!("keyset[0].{path}"), "{line}");
        assert!(problem.sentence.contains(part), "{line}: {}", problem.sentence);
        let place = problem.place.expect("a place");
        assert!((8..=9).contains(&place.line), "{line}: {place:?}");
    }
}

#[test]
fn the_shortest_overlap_and_the_closest_firings_that_are_allowed() {
    sound(&keyset_with("overlap = \"1h1m30s\""));
    // Five minutes, a day, one and a half minutes and ten minutes.
    assert!(problem(&keyset_with("rotation_period = \"24h16m30s\"")).sentence.contains("up to 1d16m30s"));
    sound(&keyset_with("rotation_period = \"24h16m31s\""));
}

#[test]
fn mistakes_outside_keysets() {
    let long = format!("[sign]\nsocket = \"/run/{}\"", "x".repeat(99));
    let command = "[[publish]]\nkind = \"command\"\npublish = [\"bring-keys\"]\n";
    let secret = "[[publish]]\nkind = \"kubernetes_secret\"\nnamespace = \"media\"\n";
    for (text, path, part) in [
        (LEAST.replace("role = \"both\"\n", ""), "role", "is missing"),
        (LEAST.replace("livekit.proof = \"disabled\"\n", ""), "livekit.nodes", "proof = \"disabled\""),
        (LEAST.replace("[[keyset]]", "[keyset]"), "keyset", "[[keyset]]"),
        (LEAST.replace("\"default\"", "\"../x\""), "keyset[0].name", "letters"),
        (least_with("role = \"both\"", "audit.sink = \"file\""), "audit.path", "is missing"),
        (least_with("role = \"both\"", "config_revision = -1"), "config_revision", "whole number"),
        (least_with("role = \"both\"", "colour = 1"), "colour", "known here are role"),
        (
            format!("{LEAST}[[keyset]]\nname = \"default\"\npath = \"x\""),
            "keyset[1].name",
            "another [[keyset]]",
        ),
        (
            format!("{LEAST}[[keyset]]\nname = \"b\"\npath = \"livekit/keysets/default/standby/b\""),
            "keyset[1].path",
            "keyset `default`",
        ),
        (
            format!("{LEAST}[[keyset]]\nname = \"b\"\npath = \"livekit/keysets/default\""),
            "keyset[1].path",
            "keyset `default`",
        ),
        (
            format!("{LEAST}[[publish]]\nkind = \"key_file\"\npath = \"keys.yaml\""),
            "publish[1].path",
            "another [[publish]]",
        ),
        (format!("{LEAST}[[publish]]\nkind = \"comand\""), "publish[1].kind", "did you mean \"command\""),
        (format!("{LEAST}[[publish]]\nkind = \"command\"\nname = \"c\""), "publish[1].publish", "is missing"),
        (format!("{LEAST}{command}name = \"a/b\""), "publish[1].name", "letters, digits"),
        (format!("{LEAST}{command}name = \"store\""), "publish[1].name", "the store's own publication"),
        (format!("{LEAST}{command}name = \"c\"\npath = \"k\""), "publish[1].path", "kind = \"key_file\""),
        (
            format!("{LEAST}{command}name = \"c\"\nrestart = [\"r\"]"),
            "publish[1].restart",
            "nobody would ever be restarted",
        ),
        (format!("{LEAST}{secret}"), "publish[1].name", "is missing"),
        (format!("{LEAST}{secret}name = \"Keys\""), "publish[1].name", "small letters"),
        (format!("{LEAST}{secret}name = \"k\"\nkey = \"a/b\""), "publish[1].key", "letters, digits"),
        (format!("{LEAST}{secret}name = \"k\"\npath = \"k\""), "publish[1].path", "kind = \"key_file\""),
        (
            format!("{LEAST}{secret}name = \"k\"\nrestart = \"daemonset/livekit\""),
            "publish[1].restart",
            "like \"statefulset/livekit\"",
        ),
        (
            format!("{LEAST}{secret}name = \"k\"\n{secret}name = \"k\""),
            "publish[2].name",
            "another [[publish]] has this name",
        ),
        (
            format!("{LEAST}{secret}name = \"k\"\nrestart = \"statefulset/livekit\""),
            "publish[1].restart",
            "nobody would ever be restarted",
        ),
        (format!("{LEAST}nodes = \"dns:livekit:7880\""), "publish[0].nodes", "may stand for many"),
        (format!("{LEAST}restart = []"), "publish[0].restart", "names no program"),
        (format!("{LEAST}publish = [\"p\"]"), "publish[0].publish", "kind = \"command\""),
        (format!("{LEAST}owner = \"nobody-of-that-name\""), "publish[0].owner", "/etc/passwd knows no user"),
        (format!("{LEAST}owner = 4294967295"), "publish[0].owner", "number of a user"),
        (format!("{LEAST}mode = 640"), "publish[0].mode", "octal"),
        (format!("{LEAST}mode = \"4600\""), "publish[0].mode", "0777"),
        (format!("{LEAST}mode = \"0060\""), "publish[0].mode", "nobody could read"),
        (format!("{LEAST}{long}"), "sign.socket", "the path has 104 bytes"),
        (
            format!("{LEAST}[admin]\nsocket = \"/run/livekit-keyd/sign.sock\""),
            "admin.socket",
            "signing socket",
        ),
        (format!("{LEAST}[admin]\nsocket_mode = \"0666\""), "admin.socket_mode", "revoke"),
        (format!("{LEAST}[metrics]\nlisten = \"localhost\""), "metrics.listen", "off"),
        (format!("{LEAST}[log]\nlevel = \"inof\""), "log.level", "did you mean \"info\""),
        (format!("{LEAST}[sign]\nmax_connections = 0"), "sign.max_connections", "from 1"),
        (format!("{LEAST}[sign]\nidle_timeout = \"0s\""), "sign.idle_timeout", "longer than 0s"),
    ] {
        let problem = problem(&text);
        assert_eq!(problem.path, path, "{text}\n{}", problem.sentence);
        assert!(problem.sentence.contains(part), "{path}: {}", problem.sentence);
    }
    let without = LEAST.split("[[publish]]").next().expect("a part");
    assert_eq!(sound(without).publish, [], "the store's own publication is always there");
}

#[test]
fn without_proof_firings_lie_further_apart() {
    // activation_lead + overlap + 2 x clock_skew are 24h6m, and publish_delay and another skew 10m30s more.
    let period = "rotation_period = \"24h10m\"";
    let asked =
        asking("nodes = \"http://10.0.0.1\"").replace("\"default\"", &format!("\"default\"\n{period}"));
    sound(&asked);
    let sentence = problem(&keyset_with(period)).sentence;
    assert!(sentence.contains("publish_delay"), "{sentence}");
    let sentence = problem(&asked.replace("24h10m", "24h5m")).sentence;
    assert!(!sentence.contains("publish_delay"), "{sentence}");
}
