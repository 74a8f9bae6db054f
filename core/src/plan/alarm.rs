//! What an operator should know, whether or not anything waits for it.

use super::view::View;
use super::{Plan, Rule};
use crate::document::Document;
use crate::time::Time;

/// The kinds of alarm: the condition types of `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmKind {
    /// The document cannot be read or believed.
    DocumentUnreadable,
    /// This process's clock lies behind the document's.
    ClockBehind,
    /// The configuration's rules are not the document's, and cannot be.
    RulesDiffer,
    /// A rotation was due and was not made within its window.
    RotationMissed,
    /// A rotation is due and waits.
    RotationBlocked,
    /// A standby's secret is gone from the store.
    StandbyLost,
    /// A publication cannot be read or written.
    PublicationUnreadable,
    /// Somebody else changed a publication.
    PublicationEdited,
    /// A publication is newer than the documents.
    PublicationAhead,
    /// A publication holds ids that no document knows.
    ForeignKeys,
    /// Keys count as known to the nodes by time alone.
    ProofDisabled,
    /// Names give no addresses, or fewer than there should be.
    FleetUnknown,
    /// A node does not answer, or is no LiveKit.
    NodeSilent,
    /// A node does not know a key that is or will be signed with.
    NodeLacksKey,
    /// A node's clock and this process's differ by more than clock_skew.
    ClocksDiffer,
    /// Who is restarting which node cannot be read.
    RolloutUnreadable,
    /// A node that was restarted is not back.
    RolloutStopped,
    /// A restart failed.
    RestartFailed,
    /// A node came back without what is published.
    NodeCameBackOld,
    /// The source of an external keyset cannot be read, or holds no key.
    SourceUnreadable,
    /// The source of an external keyset holds a key that is not taken.
    SourceRefused,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [AlarmKind; 21] = [
        AlarmKind::DocumentUnreadable,
        AlarmKind::ClockBehind,
        AlarmKind::RulesDiffer,
        AlarmKind::RotationMissed,
        AlarmKind::RotationBlocked,
        AlarmKind::StandbyLost,
        AlarmKind::PublicationUnreadable,
        AlarmKind::PublicationEdited,
        AlarmKind::PublicationAhead,
        AlarmKind::ForeignKeys,
        AlarmKind::ProofDisabled,
        AlarmKind::FleetUnknown,
        AlarmKind::NodeSilent,
        AlarmKind::NodeLacksKey,
        AlarmKind::ClocksDiffer,
        AlarmKind::RolloutUnreadable,
        AlarmKind::RolloutStopped,
        AlarmKind::RestartFailed,
        AlarmKind::NodeCameBackOld,
        AlarmKind::SourceUnreadable,
        AlarmKind::SourceRefused,
    ];

    /// As `status` and the log name it.
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmKind::DocumentUnreadable => "DocumentUnreadable",
            AlarmKind::ClockBehind => "ClockBehind",
            AlarmKind::RulesDiffer => "RulesDiffer",
            AlarmKind::RotationMissed => "RotationMissed",
            AlarmKind::RotationBlocked => "RotationBlocked",
            AlarmKind::StandbyLost => "StandbyLost",
            AlarmKind::PublicationUnreadable => "PublicationUnreadable",
            AlarmKind::PublicationEdited => "PublicationEdited",
            AlarmKind::PublicationAhead => "PublicationAhead",
            AlarmKind::ForeignKeys => "ForeignKeys",
            AlarmKind::ProofDisabled => "ProofDisabled",
            AlarmKind::FleetUnknown => "FleetUnknown",
            AlarmKind::NodeSilent => "NodeSilent",
            AlarmKind::NodeLacksKey => "NodeLacksKey",
            AlarmKind::ClocksDiffer => "ClocksDiffer",
            AlarmKind::RolloutUnreadable => "RolloutUnreadable",
            AlarmKind::RolloutStopped => "RolloutStopped",
            AlarmKind::RestartFailed => "RestartFailed",
            AlarmKind::NodeCameBackOld => "NodeCameBackOld",
            AlarmKind::SourceUnreadable => "SourceUnreadable",
            AlarmKind::SourceRefused => "SourceRefused",
        }
    }

    /// Whether the service is worse for it; the others are standing remarks.
    pub fn degrades(self) -> bool {
        !matches!(self, AlarmKind::ForeignKeys | AlarmKind::ProofDisabled | AlarmKind::RulesDiffer)
    }
}

/// An alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Of which kind.
    pub kind: AlarmKind,
    /// The keyset it is about, if about one.
    pub keyset: Option<String>,
    /// A sentence that says what to do.
    pub message: String,
}

impl Plan {
    pub(super) fn alarm(&mut self, kind: AlarmKind, keyset: Option<&str>, message: String) {
        self.alarms.push(Alarm { kind, keyset: keyset.map(str::to_owned), message });
    }

    pub(super) fn block(
        &mut self,
        view: &View,
        rule: Rule,
        reason: &'static str,
        message: String,
        until: Option<Time>,
    ) {
        if let Some(until) = until {
            self.wake_at(until);
        }
        self.blocked.push(super::Blocked {
            keyset: Some(view.name.to_owned()),
            rule,
            reason,
            message,
            until,
        });
    }

    pub(super) fn save(&mut self, view: &View, rule: Rule, change: crate::change::Change, why: String) {
        let action = super::Action::Save { keyset: view.name.to_owned(), change };
        self.steps.push(super::Step { rule, action, why });
    }
}

pub(super) fn document_unreadable(plan: &mut Plan, keyset: &str, since: Time, why: &str) {
    plan.alarm(AlarmKind::DocumentUnreadable, Some(keyset), format!("since {since}: {why}"));
}

/// A clock that lies behind what the document says happened must not date anything.
pub(super) fn clock_is_behind(view: &View, plan: &mut Plan) -> bool {
    let latest = latest_event(view.document);
    let behind = latest > view.now() + view.document.rules.clock_skew;
    if behind {
        plan.wake_at(latest);
        plan.alarm(
            AlarmKind::ClockBehind,
            Some(view.name),
            format!(
                "this process's clock says {}, and the document has an event of {latest}: nothing is rotated until the clock is right again (check time synchronisation)",
                view.now()
            ),
        );
    }
    behind
}

fn latest_event(document: &Document) -> Time {
    let events = document.keys.iter().flat_map(|key| {
        [Some(key.created_at), key.proven_at, key.unpublished_at, key.erased_at, key.compromised_at]
    });
    events.flatten().chain([document.rotation_since]).max().unwrap_or(Time::MIN)
}
