//! What a reload may change, and what needs a restart.

use livekit_keyd::config::reload::{Part, Reload, diff};

use crate::callers::ACCESS;
use crate::{LEAST, sound};

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
