//! Where `docs/runbooks` says what to do about a condition, so that whoever reads `status` need not search.

/// The pages and the conditions that each is about.
pub const PAGES: [(&str, &[&str]); 10] = [
    ("clocks.md", &["ClockBehind", "ClocksDiffer"]),
    ("config.md", &["ConfigRefused", "IssuerKeysUnread"]),
    ("login.md", &["StoreLoginFailing", "SecretIdIntercepted"]),
    ("nodes.md", &["FleetUnknown", "NodeLacksKey", "NodeSilent", "ProofDisabled"]),
    (
        "publications.md",
        &[
            "ForeignKeys",
            "OldPublicationsLeft",
            "PublicationAhead",
            "PublicationEdited",
            "PublicationUnreadable",
        ],
    ),
    ("rollouts.md", &["NodeCameBackOld", "RestartFailed", "RolloutStopped", "RolloutUnreadable"]),
    ("rotation.md", &["RotationBlocked", "RotationMissed", "RulesDiffer", "StandbyLost", "StepFailed"]),
    ("signing.md", &["AuditFailing"]),
    ("source.md", &["SourceRefused", "SourceUnreadable"]),
    ("store.md", &["DocumentUnreadable", "NotInitialized", "StoreUnprotected", "StoreUnreadable"]),
];

/// The section about a condition, like `docs/runbooks/nodes.md#nodesilent`; none for a kind that this version does not
/// know.
pub fn section(kind: &str) -> Option<String> {
    let (page, _) = PAGES.iter().find(|(_, kinds)| kinds.contains(&kind))?;
    Some(format!("docs/runbooks/{page}#{}", kind.to_ascii_lowercase()))
}
