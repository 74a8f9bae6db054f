//! Keys that others make: where they lie, and what is no setting of theirs.

use livekit_keyd::config::reload::diff;
use livekit_keyd::config::review::{Verdict, review};

use crate::{keyset_with, problem, sound};

#[test]
fn a_keyset_of_keys_that_others_make_has_a_source_and_nothing_that_only_their_owner_can_do() {
    let external = |more: &str| keyset_with(&format!("mode = \"external\"\n{more}"));
    let config = sound(&external("source = \"cloud/livekit\""));
    let source = config.keysets[0].keyset.source.clone().expect("a source");
    assert_eq!(
        (&*source.path, &*source.key_field, &*source.secret_field),
        ("cloud/livekit", "api_key", "api_secret")
    );
    assert_eq!(config.keysets[0].keyset.path, "livekit/keysets/default", "the document has its own place");
    let moved = sound(&external("source = \"cloud/other\""));
    assert_eq!(diff(&config, &moved).needs_restart, ["keyset `default`.source"]);
    let rotation = review(&config).into_iter().find(|finding| finding.what == "rotation").expect("a finding");
    assert_eq!((rotation.verdict, rotation.why.contains("cloud/livekit")), (Verdict::Pass, true));

    let others = "is for keys that are made here";
    for (more, path, part) in [
        ("", "source", "is missing"),
        ("source = \"/cloud\"", "source", "no leading slash"),
        ("source = \"livekit/keysets/default\"", "source", "is written by keyset `default`"),
        ("source = \"livekit/keysets/default/client\"", "source", "is written by keyset `default`"),
        ("source = \"livekit/deployment/nodes\"", "source", "is written by the deployment"),
        ("source = \"a\"\nsource_secret_field = \"api_key\"", "source_secret_field", "another field"),
        ("source = \"a\"\nrotation_period = \"7d\"", "rotation_period", others),
        ("source = \"a\"\nrotation_schedule = \"0 3 * * 1\"", "rotation_schedule", others),
        ("source = \"a\"\nrotation_window = \"1h\"", "rotation_window", others),
        ("source = \"a\"\npublish_client = true", "publish_client", others),
        ("source = \"a\"\non_change = [\"restart-egress\"]", "on_change", others),
    ] {
        let problem = problem(&external(more));
        assert_eq!(problem.path, format!("keyset[0].{path}"), "{more}: {}", problem.sentence);
        assert!(problem.sentence.contains(part), "{more}: {}", problem.sentence);
    }
}
