//! What is written becomes true, or is refused with every mistake, its place and its remedy.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

use std::path::Path;
use std::time::Duration;

use livekit_keyd::config::dev::Dev;
use livekit_keyd::config::reload::{Part, Reload, diff};
use livekit_keyd::config::review::{Verdict, review};
use livekit_keyd::config::{Config, ConfigErrors, Problem, Proof, PublisherConfig, Role, StoreConfig};
use livekit_keyd::fleet::Source;
use livekit_keyd::store::vault::VaultAuth;
use livekit_keyd_core::request::TokenRequest;
use livekit_keyd_core::rules::{Offline, Rotation};

/// The least that a process in both roles needs.
const LEAST: &str = r#"role = "both"
livekit.proof = "disabled"
[store]
kind = "file"
file.dir = "store"
[[keyset]]
name = "default"
[[publish]]
kind = "key_file"
path = "keys.yaml"
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new("/etc/livekit-keyd/keyd.toml"))
}

fn sound(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("refused:\n{errors}"))
}

/// As `line:column path`, and the sentences.
fn problems(text: &str) -> Vec<Problem> {
    parse(text).expect_err("it is wrong").problems().to_vec()
}

/// The only problem of a text.
fn problem(text: &str) -> Problem {
    let mut all = problems(text);
    let one = all.pop().expect("a problem");
    assert_eq!(all, [], "beside {one:?}");
    one
}

/// The least, with some text put behind a line.
fn least_with(line: &str, more: &str) -> String {
    assert!(LEAST.contains(line), "{line}");
    LEAST.replacen(line, &format!("{line}\n{more}"), 1)
}

/// The least, with more settings of its keyset.
fn keyset_with(more: &str) -> String {
    least_with("name = \"default\"", more)
}

#[test]
fn the_least_is_enough_and_the_rest_has_defaults() {
    let config = sound(LEAST);
    assert_eq!(config.role, Role::Both);
    assert_eq!(config.revision, None);
    assert_eq!(config.livekit.path, "livekit/deployment");
    assert_eq!(config.store, StoreConfig::File { folder: "/etc/livekit-keyd/store".into() });
    let [keyset] = &config.keysets[..] else { panic!("one keyset") };
    assert_eq!(keyset.keyset.path, "livekit/keysets/default");
    let rules = &keyset.keyset.rules;
    assert_eq!(rules.rotation, Rotation::Manual);
    assert_eq!(rules.offline, Offline::Sign);
    assert_eq!(rules.overlap, Duration::from_secs(86_400));
    assert_eq!(rules.max_token_ttl, Duration::from_secs(3600));
    let [file] = &config.publish[..] else { panic!("one publication") };
    let file = file.key_file().expect("a key file");
    assert_eq!((file.name.as_str(), file.mode), ("/etc/livekit-keyd/keys.yaml", 0o600));
    assert_eq!(config.sign.socket.path, Path::new("/run/livekit-keyd/sign.sock"));
    assert_eq!(config.metrics, Some("127.0.0.1:7899".parse().expect("an address")));
    assert_eq!(config.drain_timeout, Duration::from_secs(10));
}

#[test]
fn five_mistakes_are_shown_at_once_with_their_places() {
    let errors = parse(
        r#"role = "bth"
livekit.proof = "requird"
[store]
kind = "file"
file.dir = "/var/lib/livekit-keyd"
[[keyset]]
name = "default"
overlpa = "24h"
overlap = "30m"
rotation_schedule = "0 0 30 2 *"
[[publish]]
kind = "key_file"
path = "/keys.yaml"
mode = "0644"
"#,
    )
    .expect_err("it is wrong");
    assert_eq!(
        errors.to_string(),
        "\
/etc/livekit-keyd/keyd.toml:1:8: role: must be \"rotator\" or \"signer\" or \"both\"; did you mean \"both\"?
/etc/livekit-keyd/keyd.toml:2:17: livekit.proof: must be \"required\" or \"disabled\"; did you mean \"required\"?
/etc/livekit-keyd/keyd.toml:8:1: keyset[0].overlpa: there is no such setting; did you mean `overlap`?
/etc/livekit-keyd/keyd.toml:9:11: keyset[0].overlap: 30m is too short for tokens that live 1h: max_token_ttl + 2 x refresh_interval + clock_skew are 1h1m30s; raise overlap to that or lower max_token_ttl
/etc/livekit-keyd/keyd.toml:10:21: keyset[0].rotation_schedule: the schedule `0 0 30 2 *` never fires: no day from 1970 to 2100 fits its day of month, month and day of week; change one of the three
/etc/livekit-keyd/keyd.toml:14:8: publish[0].mode: LiveKit does not start with a key file that others may use: end the mode in 0, like \"0640\""
    );
}

#[test]
fn broken_toml_is_shown_with_every_place_and_nothing_made_up() {
    let errors =
        problems("overlap = 1\nrole = \"both\nlivekit.proof = \"disabled\"\n[store\nkind = \"fil\"\n");
    let lines: Vec<_> = errors.iter().map(|p| (p.place.map(|place| place.line), p.path.as_str())).collect();
    assert_eq!(lines, [(Some(1), "overlap"), (Some(2), ""), (Some(4), "")], "{errors:?}");
    assert!(errors[1].sentence.starts_with("this is not TOML: "), "{errors:?}");
}

#[test]
fn what_cannot_be_read_as_text_is_said() {
    let missing = Config::load(Path::new("/nonexistent/keyd.toml")).expect_err("no file").to_string();
    assert!(missing.starts_with("/nonexistent/keyd.toml: the configuration cannot be read: "), "{missing}");
    assert!(missing.contains("LIVEKIT_KEYD_CONFIG"), "{missing}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keyd.toml");
    std::fs::write(&file, b"# \xc3\xbc\n# \xff").expect("written");
    let broken = Config::load(&file).expect_err("not UTF-8").to_string();
    assert!(broken.contains(":2:3: is not UTF-8 here"), "{broken}");
}

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
        ("mode = \"external\"", "mode", "mode = \"managed\""),
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
fn users_and_groups_are_names_or_numbers() {
    let config = sound(&format!("{LEAST}owner = \"root\"\ngroup = 12\n[sign]\nsocket_user = \"7\""));
    let owner = config.publish[0].key_file().expect("a key file").owner;
    assert_eq!((owner.uid, owner.gid), (Some(0), Some(12)));
    assert_eq!(config.sign.socket.owner.uid, Some(7));
}

const ACCESS: &str = r#"
[[profile]]
name = "viewer"
max_ttl = "1h"
kind = "standard"
attributes = { tier = "free" }
allowed_room_config = true
[profile.video]
roomJoin = true
canPublish = false
canPublishSources = ["camera"]
[profile.room_config]
emptyTimeout = 300
[[caller]]
name = "web"
user = ["root", 1000]
uid = 1001
group = "root"
profiles = ["viewer"]
allowed_rooms = ["{caller}-*"]
allowed_identities = "*"
allowed_grants = ["video.roomJoin"]
"#;

#[test]
fn callers_and_profiles_become_policies() {
    let config = sound(&format!("{LEAST}{ACCESS}"));
    let [caller] = &config.callers[..] else { panic!("one caller") };
    assert_eq!(caller.who.uids, Some(vec![0, 1000, 1001]));
    assert_eq!(caller.who.gids, Some(vec![0]));
    assert_eq!(caller.keyset, "default", "the only one");
    let request = br#"{"identity": "alice", "room": "web-1"}"#;
    let request = TokenRequest::parse(request).expect("a request");
    let approved = config.policy(caller).decide(request).expect("allowed");
    assert_eq!(approved.profile, "viewer");
    assert_eq!(approved.grants.video.can_publish, Some(false));
    assert_eq!(approved.grants.video.can_subscribe, None, "unset stays unset");
    assert_eq!(approved.participant.attributes["tier"], "free");
    assert_eq!(approved.participant.room_config.expect("the profile's")["emptyTimeout"], 300);
    let bounded = sound(&format!("{}{ACCESS}", keyset_with("allowed_grants = [\"sip.*\"]")));
    let request = TokenRequest::parse(br#"{"identity": "alice", "room": "web-1"}"#).expect("a request");
    let denied = bounded.policy(&bounded.callers[0]).decide(request).expect_err("outside the keyset's bound");
    assert_eq!(denied.rule, "keyset.allowed_grants");
}

#[test]
fn one_mistake_in_callers_and_profiles_is_one_sentence_at_its_place() {
    for (from, to, path, part) in [
        (
            "allowed_identities = \"*\"",
            "allowed_identities = [\"x\", \"{identity}\"]",
            "caller[0].allowed_identities[1]",
            "vouch for itself",
        ),
        ("roomJoin", "room_join", "profile[0].video.room_join", "did you mean `roomJoin`"),
        ("roomJoin", "canAdminParticipants", "profile[0].video.canAdminParticipants", "roomAdmin"),
        ("= false", "= \"no\"", "profile[0].video.canPublish", "boolean"),
        ("[\"camera\"]", "[\"camra\"]", "profile[0].video.canPublishSources", "camera"),
        ("\"free\"", "1", "profile[0].attributes.tier", "quotes"),
        ("= 300", "= 1979-05-27", "profile[0].room_config.emptyTimeout", "quotes"),
        ("= true\n[profile.video]", "= 1\n[profile.video]", "profile[0].allowed_room_config", "egress"),
        ("\"standard\"", "\"standrad\"", "profile[0].kind", "did you mean \"standard\""),
        ("max_ttl = \"1h\"", "max_ttl = \"1h\"\nttl = \"2h\"", "profile[0].ttl", "max_ttl"),
        ("max_ttl = \"1h\"", "ttl = \"0s\"", "profile[0].ttl", "at least 1s"),
        ("\"viewer\"\nmax", "\"\"\nmax", "profile[0].name", "empty"),
        ("= [\"viewer\"]", "= [\"viewr\"]", "caller[0].profiles[0]", "did you mean `viewer`"),
        ("\"root\", 1000", "\"nobody-of-that-name\", 1000", "caller[0].user[0]", "/etc/passwd"),
        ("= 1001", "= -1", "caller[0].uid", "number of a user"),
        ("= [\"root\", 1000]\nuid = 1001\ngroup = \"root\"", "= []", "caller[0].user", "nobody"),
        ("user = [\"root\", 1000]\nuid = 1001\ngroup = \"root\"", "", "caller[0].user", "say who this is"),
        ("uid = 1001", "keyset = \"defualt\"", "caller[0].keyset", "did you mean `default`"),
        ("{caller}", "{room}", "caller[0].allowed_rooms[0]", "{caller}"),
        ("[\"video.roomJoin\"]", "[\"video.rooJoin\"]", "caller[0].allowed_grants[0]", "did you mean"),
        ("uid = 1001", "rate = \"5/d\"", "caller[0].rate", "\"600/m\""),
        ("uid = 1001", "rate = \"0/s\"", "caller[0].rate", "number of tokens"),
        ("uid = 1001", "rate = 0", "caller[0].rate", "from 1 to"),
        ("uid = 1001", "rate = 1.5", "caller[0].rate", "like \"50/s\""),
        ("uid = 1001", "burst = 5", "caller[0].burst", "set rate too"),
        ("uid = 1001", "rate = 1\nburst = -1", "caller[0].burst", "from 1 to"),
        ("= [\"root\", 1000]", "= [\"*\", 1000]", "caller[0].user[1]", "everybody"),
        ("= [\"root\", 1000]", "= \"*\"", "caller[0].uid", "everybody"),
    ] {
        assert!(ACCESS.contains(from), "{from}");
        let problem = problem(&format!("{LEAST}{}", ACCESS.replacen(from, to, 1)));
        assert_eq!(problem.path, path, "{to}: {}", problem.sentence);
        assert!(problem.sentence.contains(part), "{path}: {}", problem.sentence);
        assert!(problem.place.is_some_and(|place| place.line > 11), "{path}: {:?}", problem.place);
    }
    let twice = problem(&format!("{LEAST}{ACCESS}[[caller]]\nname = \"web\"\nuid = 5"));
    assert_eq!(twice.path, "caller[1].name");
    let two = format!("{LEAST}[[keyset]]\nname = \"b\"\n[[caller]]\nname = \"web\"\nuid = 5");
    assert!(problem(&two).sentence.contains("name one of default, b"));
}

fn warnings(text: &str) -> Vec<(&'static str, String)> {
    let findings = review(&sound(text));
    let warned = findings.into_iter().filter(|finding| finding.verdict == Verdict::Warn);
    warned.map(|finding| (finding.what, finding.why)).collect()
}

#[test]
fn the_review_warns_of_what_somebody_should_have_wanted() {
    let whats: Vec<_> = warnings(LEAST).iter().map(|(what, _)| *what).collect();
    assert_eq!(
        whats,
        ["storage", "least privilege", "rotation", "proof", "rules", "restored store", "audit"]
    );
    let careful = format!(
        "config_revision = 1\nstate_dir = \"/var/lib/livekit-keyd\"\n{}{ACCESS}\n[audit]\nsink = \"stdout\"\n",
        keyset_with("rotation_schedule = \"0 4 * * 0\"")
    );
    let whats: Vec<_> = warnings(&careful).iter().map(|(what, _)| *what).collect();
    assert_eq!(whats, ["storage", "proof"]);
    let signer = careful.replace("\"both\"", "\"signer\"").replace("livekit.proof = \"disabled\"\n", "");
    assert_eq!(warnings(&signer).iter().map(|(what, _)| *what).collect::<Vec<_>>(), ["storage"]);
}

#[test]
fn the_review_sees_each_danger() {
    let caller = |rights: &str| format!("{LEAST}[[caller]]\nname = \"app\"\nuid = 5\n{rights}\n");
    for (text, what, part) in [
        (keyset_with("max_token_ttl = \"30h\"\noverlap = \"31h\""), "ttl", "cannot revoke"),
        (caller(""), "least privilege", "can do nothing"),
        (keyset_with("max_token_ttl = \"61m\""), "ttl", "LiveKit cannot revoke"),
        (caller("max_ttl = \"61m\""), "least privilege", "caller `app` lets tokens live 1h1m"),
        (
            format!(
                "{LEAST}[[profile]]\nname = \"long\"\nttl = \"2h\"\n{}",
                "[[caller]]\nname = \"a\"\nuid = 1"
            ),
            "least privilege",
            "profile `long` lets tokens live 2h",
        ),
        (
            format!("{LEAST}[[profile]]\nname = \"idle\"\n{}", "[[caller]]\nname = \"a\"\nuid = 1"),
            "least privilege",
            "profile `idle` is used by no [[caller]] and no [[issuer.rule]]",
        ),
        (
            caller("allowed_grants = \"video.roomAdmin\"\nallowed_rooms = \"*\""),
            "least privilege",
            "may grant roomAdmin in every room",
        ),
        (caller("").replace("uid = 5", "user = \"*\""), "least privilege", "everybody who can connect"),
        (least_with("role = \"both\"", "livekit.url = \"ws://10.0.0.1:7880\""), "transport", "write wss://"),
        (caller("allowed_grants = [\"*\"]"), "least privilege", "may grant everything"),
        (
            caller("allowed_grants = [\"video.roomList\"]"),
            "least privilege",
            "roomList, which reach every room",
        ),
        (
            caller(
                "allowed_grants = [\"video.roomJoin\"]\nallowed_rooms = \"*\"\nallowed_identities = \"*\"",
            ),
            "least privilege",
            "any room under any name",
        ),
        (
            format!(
                "{}[[caller]]\nname = \"late\"\nuid = 5\ngid = 7",
                caller("allowed_grants = \"sip.call\"")
            ),
            "least privilege",
            "never reached",
        ),
        (format!("{LEAST}mode = \"0640\""), "secrets in reach", "`group`"),
        (format!("{LEAST}[admin]\nsocket_mode = \"0660\""), "admin socket", "socket_group"),
        (format!("{LEAST}[sign]\nsocket = \"keyd.sock\""), "secrets in reach", "keep them apart"),
    ] {
        let warnings = warnings(&text);
        assert!(warnings.iter().any(|(w, why)| *w == what && why.contains(part)), "{part}: {warnings:#?}");
    }
}

#[test]
fn the_review_warns_of_nothing_that_is_bounded() {
    let caller = |rights: &str| format!("{LEAST}[[caller]]\nname = \"app\"\nuid = 5\n{rights}\n");
    let rule = "[[profile]]\nname = \"user\"\nvideo = { roomJoin = true, room = \"lobby\" }\n[[issuer]]\nname = \"company\"\nurl = \"https://id.example.com\"\naudience = [\"livekit\"]\n[[issuer.rule]]\nwhen = \"true\"\nprofile = \"user\"\n";
    for (text, part) in [
        (format!("{}{rule}", caller("")), "is used by no"),
        (caller("max_ttl = \"1h\""), "lets tokens live"),
        (caller("allowed_grants = \"video.*\"\nallowed_rooms = \"a-*\""), "roomAdmin in every room"),
        (caller("allowed_grants = \"video.*\""), "reach every room"),
        (caller("").replace("uid = 5", "user = \"*\"\ngid = 5"), "everybody who can connect"),
        (least_with("role = \"both\"", "livekit.url = \"ws://localhost:7880\""), "write wss://"),
        (least_with("role = \"both\"", "livekit.url = \"ws://127.0.0.1/livekit\""), "write wss://"),
        (least_with("role = \"both\"", "livekit.url = \"wss://livekit.example\""), "write wss://"),
    ] {
        let warnings = warnings(&text);
        assert!(warnings.iter().all(|(_, why)| !why.contains(part)), "{part}: {warnings:#?}");
    }
}

#[test]
fn a_reload_changes_callers_profiles_level_and_rules_and_nothing_else() {
    let old = format!("{LEAST}[log]\nlevel = \"info\"\n[sign]\nmax_body = 2048\n{ACCESS}");
    let compare = |new: &str| diff(&sound(&old), &sound(new));
    assert_eq!(compare(&old), Reload::default());
    for (from, to, part) in [
        ("{caller}-*", "*", Part::Callers),
        ("canPublish = false", "canPublish = true", Part::Profiles),
        ("\"info\"", "\"debug\"", Part::LogLevel),
        ("\"default\"", "\"default\"\noverlap = \"30h\"", Part::Rules),
        ("\"default\"", "\"default\"\nrotation_period = \"168h\"", Part::Rules),
        ("\"default\"", "\"default\"\nallowed_grants = \"*\"", Part::AllowedGrants),
        ("role =", "config_revision = 2\nrole =", Part::Rules),
        ("livekit.proof", "livekit.url = \"wss://x\"\nlivekit.proof", Part::Rules),
    ] {
        assert!(old.contains(from), "{from}");
        let reload = compare(&old.replacen(from, to, 1));
        assert_eq!(reload.allowed(), Ok(&[part][..]), "{to}");
    }
    for (from, to, path) in [
        ("\"both\"", "\"signer\"", "role"),
        ("role =", "drain_timeout = \"5s\"\nrole =", "drain_timeout"),
        ("role =", "state_dir = \"x\"\nrole =", "state_dir"),
        ("role =", "metrics.listen = \"off\"\nrole =", "metrics.listen"),
        ("role =", "admin.socket_mode = \"0660\"\nrole =", "admin.socket_mode"),
        ("livekit.proof", "livekit.path = \"x\"\nlivekit.proof", "livekit.path"),
        ("proof = \"disabled\"", "nodes = \"http://10.0.0.1\"", "livekit.proof"),
        ("\"store\"", "\"other\"", "store"),
        ("\"default\"", "\"default\"\npath = \"x\"", "keyset `default`.path"),
        ("2048", "4096", "sign.max_body"),
        ("2048", "2048\nsocket = \"/x\"", "sign.socket"),
        ("\"info\"", "\"info\"\nformat = \"json\"", "log.format"),
        ("\"keys.yaml\"", "\"keys.yaml\"\nmode = \"0640\"", "publish `/etc/livekit-keyd/keys.yaml`"),
    ] {
        assert!(old.contains(from), "{from}");
        // With a change that would be fine by itself: it is refused too.
        let new = old.replacen(from, to, 1).replace("canPublish = false", "canPublish = true");
        let refused = compare(&new).allowed().map(<[Part]>::to_vec).expect_err(to);
        assert!(refused.starts_with(&format!("nothing was changed: {path} can change")), "{refused}");
    }
    let more = format!(
        "{}[[keyset]]\nname = \"b\"\n",
        old.replace("profiles =", "keyset = \"default\"\nprofiles =")
    );
    assert_eq!(compare(&more).needs_restart, ["keyset `b` (new)"]);
    assert_eq!(diff(&sound(&more), &sound(&old)).needs_restart, ["keyset `b` (gone)"]);
}

#[test]
fn dev_writes_a_configuration_that_holds_at_every_pace() {
    let seconds = [5, 7, 20, 60, 3600, 86_400, 7 * 86_400];
    for rotate_every in seconds.map(|seconds| Some(Duration::from_secs(seconds))).into_iter().chain([None]) {
        let dev = Dev { uid: 1000, revision: 7, rotate_every, ..Dev::default() };
        let config = sound(&dev.text().expect("long enough"));
        let rules = &config.keysets[0].keyset.rules;
        assert_eq!(rules.rotation, rotate_every.map_or(Rotation::Manual, Rotation::Period));
        assert!(rules.activation_lead <= Duration::from_secs(2), "{rotate_every:?}");
        assert_eq!(rules.publish_delay, Duration::ZERO);
        assert_eq!(config.revision, Some(7));
        let caller = &config.callers[0];
        assert_eq!(caller.who.uids, Some(vec![1000]));
        let request = TokenRequest::parse(
            br#"{"identity": "a", "room": "r", "grants": {"video": {"roomJoin": true, "roomList": true}}}"#,
        );
        config.policy(caller).decide(request.expect("a request")).expect("everything is allowed");
    }
    let metrics = Some("127.0.0.1:0".parse().expect("an address"));
    assert_eq!(sound(&Dev { metrics, ..Dev::default() }.text().expect("a text")).metrics, metrics);
    let often =
        Dev { rotate_every: Some(Duration::from_secs(4)), ..Dev::default() }.text().expect_err("too often");
    assert!(often.to_string().contains("choose 5s or more"), "{often}");
}

/// The least, with LiveKit's nodes asked, and some settings for that.
fn asking(settings: &str) -> String {
    LEAST.replace("livekit.proof = \"disabled\"", &format!("[livekit]\n{settings}")) + "\n"
}

#[test]
fn nodes_are_asked_unless_somebody_says_otherwise() {
    let config = sound(&asking("nodes = [\"http://10.0.0.1:7880\", \"dns:livekit-headless:7880\"]"));
    let Proof::Required(fleet) = &config.livekit.proof else { panic!("proof is the default") };
    let nodes: Vec<_> = fleet.settings.nodes.iter().map(Source::as_str).collect();
    assert_eq!(nodes, ["http://10.0.0.1:7880", "dns:livekit-headless:7880"]);
    assert_eq!((fleet.min_nodes, fleet.settings.probe_timeout), (1, Duration::from_secs(2)));
    assert_eq!(fleet.settings.probe_interval, Duration::from_secs(15));
    assert_eq!(fleet.settings.fresh_for(), Duration::from_secs(34));
    assert_eq!(fleet.node_restart_timeout, Duration::from_secs(6 * 3600));
    assert!(warnings(&asking("nodes = \"http://10.0.0.1\"")).iter().all(|(what, _)| *what != "proof"));
    // Without a node there is nobody to ask, and two ways out.
    let missing = problem(&asking("nodes = []"));
    assert_eq!(missing.path, "livekit.nodes");
    assert!(missing.sentence.contains("nodes = [\"http://10.0.0.1:7880\"]"), "{missing:?}");
    assert!(missing.sentence.contains("proof = \"disabled\""), "{missing:?}");
    // A signer asks nobody.
    let signer = asking("").replace("\"both\"", "\"signer\"");
    sound(&signer);
    // It may be switched off for a while with its settings in place.
    let off = sound(&asking("proof = \"disabled\"\nnodes = \"http://10.0.0.1\"\nmin_nodes = 1"));
    assert_eq!(off.livekit.proof, Proof::Disabled);
}

#[test]
fn one_mistake_about_nodes_is_one_sentence_at_its_place() {
    let node = "nodes = [\"http://10.0.0.1\", \"http://10.0.0.1:80/\"]";
    for (settings, path, part) in [
        ("nodes = \"wss://livekit.example.com\"", "livekit.nodes", "dns:livekit-headless:7880"),
        ("nodes = [\"http://10.0.0.1\", \"dns:livekit\"]", "livekit.nodes[1]", "this is `dns:livekit`"),
        ("min_nodes = 0", "livekit.min_nodes", "at least 1"),
        ("min_nodes = 2", "livekit.min_nodes", "which is 1"),
        ("probe_interval = \"1ms\"\nprobe_timeout = \"1ms\"", "livekit.probe_interval", "at least 100ms"),
        ("probe_timeout = \"16s\"", "livekit.probe_timeout", "longer than probe_interval"),
        ("probe_timeout = \"1ms\"", "livekit.probe_timeout", "at least 10ms"),
        ("node_restart_timeout = \"0s\"", "livekit.node_restart_timeout", "at least 1s"),
        ("proof = \"none\"", "livekit.proof", "\"required\" or \"disabled\""),
    ] {
        let settings =
            if settings.starts_with("nodes") { settings.to_owned() } else { format!("{node}\n{settings}") };
        let all = problems(&asking(&settings));
        let found = all.iter().any(|one| one.path == path && one.sentence.contains(part));
        assert!(found, "{settings}: {all:?}");
    }
}

#[test]
fn each_setting_about_nodes_needs_a_restart() {
    let all = "nodes = \"http://10.0.0.1\"\nprobe_interval = \"9s\"\nprobe_timeout = \"1s\"\nnode_restart_timeout = \"1h\"\nmin_nodes = 1";
    for (from, to, path) in [
        ("http://10.0.0.1", "http://10.0.0.2", "livekit.nodes"),
        ("\"9s\"", "\"8s\"", "livekit.probe_interval"),
        ("\"1s\"", "\"2s\"", "livekit.probe_timeout"),
        ("\"1h\"", "\"2h\"", "livekit.node_restart_timeout"),
    ] {
        let reload = diff(&sound(&asking(all)), &sound(&asking(&all.replace(from, to))));
        assert_eq!(reload.needs_restart, [path]);
    }
    let names = |min| asking(&format!("nodes = \"dns:livekit:7880\"\nmin_nodes = {min}"));
    assert_eq!(diff(&sound(&names(1)), &sound(&names(2))).needs_restart, ["livekit.min_nodes"]);
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

#[test]
fn dev_asks_the_livekit_that_it_is_told_of() {
    let dev = Dev {
        livekit: Some("http://127.0.0.1:7880".to_owned()),
        restart: Some("pkill -f \"livekit-server\"; true".to_owned()),
        ..Dev::default()
    };
    let config = sound(&dev.text().expect("a text"));
    let Proof::Required(fleet) = &config.livekit.proof else { panic!("it asks") };
    assert_eq!(fleet.settings.nodes[0].as_str(), "http://127.0.0.1:7880");
    let PublisherConfig::KeyFile(file) = &config.publish[0] else { panic!("a key file") };
    let restart = file.restart.as_ref().expect("a restart");
    assert_eq!(restart.program.argv, ["sh", "-c", "pkill -f \"livekit-server\"; true"]);
    assert_eq!(sound(&Dev::default().text().expect("a text")).livekit.proof, Proof::Disabled);
}

const VAULT: &str = r#"[store.vault]
address = "https://vault.example.com:8200/"
ca_cert = "ca.pem"
[store.vault.auth]
method = "approle"
role_id_file_path = "role-id"
secret_id_file_path = "/run/credentials/livekit-keyd.service/secret-id"
"#;

fn with_vault(vault: &str) -> String {
    LEAST.replace("kind = \"file\"\nfile.dir = \"store\"\n", &format!("kind = \"vault\"\n{vault}"))
}

#[test]
fn vault_is_told_as_vault_agent_is() {
    let StoreConfig::Vault(vault) = sound(&with_vault(VAULT)).store else { panic!("Vault") };
    assert_eq!(vault.address, "https://vault.example.com:8200");
    assert_eq!((vault.mount.as_str(), vault.timeout), ("secret", Duration::from_secs(10)));
    assert_eq!(vault.ca_cert.as_deref(), Some(Path::new("/etc/livekit-keyd/ca.pem")));
    let VaultAuth::AppRole { mount_path, role_id, .. } = vault.auth else { panic!("an AppRole") };
    assert_eq!(
        (mount_path.as_str(), role_id.as_path()),
        ("auth/approle", Path::new("/etc/livekit-keyd/role-id"))
    );
}

/// A signer with this login.
fn with_login(login: &str) -> String {
    with_vault(&format!("[store.vault]\naddress = \"https://v\"\n[store.vault.auth]\n{login}\n"))
}

#[test]
fn each_login_has_its_settings_and_a_mount_of_its_own() {
    let login = |text: &str| {
        let StoreConfig::Vault(vault) = sound(&with_login(text)).store else { panic!("Vault") };
        vault.auth
    };
    let account = login("method = \"kubernetes\"\nrole = \"keyd\"");
    let VaultAuth::Kubernetes { mount_path, role, token_path } = account else { panic!("{account:?}") };
    assert_eq!((mount_path.as_str(), role.as_str()), ("auth/kubernetes", "keyd"));
    assert_eq!(token_path, Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token"));
    let jwt = login("method = \"jwt\"\nmount_path = \"auth/ci\"\nrole = \"keyd\"\npath = \"jwt\"");
    let VaultAuth::Jwt { mount_path, path, .. } = jwt else { panic!("{jwt:?}") };
    assert_eq!((mount_path.as_str(), path.as_path()), ("auth/ci", Path::new("/etc/livekit-keyd/jwt")));
    let cert = "method = \"cert\"\nname = \"keyd\"\nclient_cert = \"c.pem\"\nclient_key = \"c.key\"";
    let VaultAuth::Cert { mount_path, name, key, .. } = login(cert) else { panic!("a certificate") };
    assert_eq!((mount_path.as_str(), name.as_str()), ("auth/cert", "keyd"));
    assert_eq!(key, Path::new("/etc/livekit-keyd/c.key"));

    let plain = problem(&with_login(cert).replace("https://v", "http://v"));
    assert!(plain.path == "store.vault.address" && plain.sentence.contains("https://"), "{plain:?}");
    let path = problem(&with_login("method = \"kubernetes\"\nrole = \"a/b\""));
    assert!(path.path == "store.vault.auth.role" && path.sentence.contains("a role's name"), "{path:?}");
    let jwt = problem(&with_login("method = \"jwt\"\nrole = \"r\"\npath = \"p\"\njwt = \"ey.s3cret\""));
    assert!(jwt.path == "store.vault.auth.jwt" && !jwt.sentence.contains("s3cret"), "{jwt:?}");
}

#[test]
fn one_mistake_in_vaults_section_is_one_sentence_at_its_place() {
    let mistakes = [
        ("https://", "", "address", "like \"https://"),
        (":8200/", "/v1", "address", "like \"https://"),
        ("ca_cert", "ca_crt", "ca_crt", "did you mean `ca_cert`"),
        ("ca_cert = \"ca.pem\"", "timeout = \"0s\"", "timeout", "100ms"),
        ("ca_cert = \"ca.pem\"", "mount = \"a//b\"", "mount", "mount's path"),
        ("ca_cert = \"ca.pem\"", "token = \"s.123\"", "token", "a secret never stands"),
        ("\"approle\"", "\"aprole\"", "auth.method", "did you mean \"approle\""),
        ("role_id_file_path = \"role-id\"\n", "", "auth.role_id_file_path", "is missing"),
        (
            "role_id_file_path = \"role-id\"",
            "secret_id = \"x\"\nrole_id_file_path = \"r\"",
            "auth.secret_id",
            "secret",
        ),
    ];
    for (from, to, path, part) in mistakes {
        assert!(VAULT.contains(from), "{from}");
        let problem = problem(&with_vault(&VAULT.replacen(from, to, 1)));
        assert_eq!(problem.path, format!("store.vault.{path}"), "{to}: {}", problem.sentence);
        assert!(problem.sentence.contains(part), "{path}: {}", problem.sentence);
        assert!(!problem.sentence.contains("s.123"), "a secret is not repeated");
    }
    let both = with_vault(&format!("file.dir = \"x\"\n{VAULT}"));
    assert_eq!(problem(&both).path, "store.file");
    let neither = LEAST.replace("\"file\"", "\"valt\"");
    assert!(problem(&neither).sentence.contains("did you mean \"vault\""));
}

#[test]
fn the_review_knows_a_good_login_and_an_open_line() {
    let what = |vault: &str| warnings(&with_vault(vault)).iter().map(|(what, _)| *what).collect::<Vec<_>>();
    let usual = ["least privilege", "rotation", "proof", "rules", "restored store", "audit"];
    assert_eq!(what(VAULT), usual);
    assert_eq!(what(&VAULT.replace("https", "http"))[0], "storage");
    assert_eq!(what(&VAULT.replace("https://vault.example.com", "http://127.0.0.1")), usual);
    let token = "[store.vault]\naddress = \"https://v\"\nauth.method = \"token\"\n";
    assert_eq!(what(token)[0], "login");
    let beside = VAULT.replace("/run/credentials/livekit-keyd.service", "/run/livekit-keyd");
    assert!(what(&beside).contains(&"secrets in reach"));
}
