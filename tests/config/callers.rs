//! Callers and profiles become policies.

use livekit_keyd_core::request::TokenRequest;

use crate::{LEAST, keyset_with, problem, sound};

#[test]
fn users_and_groups_are_names_or_numbers() {
    let config = sound(&format!("{LEAST}owner = \"root\"\ngroup = 12\n[sign]\nsocket_user = \"7\""));
    let owner = config.publish[0].key_file().expect("a key file").owner;
    assert_eq!((owner.uid, owner.gid), (Some(0), Some(12)));
    assert_eq!(config.sign.socket.owner.uid, Some(7));
}

pub(crate) const ACCESS: &str = r#"
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
