//! What the review of a sound configuration warns of.

use crate::callers::ACCESS;
use crate::{LEAST, keyset_with, least_with, warnings};

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
