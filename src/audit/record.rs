//! The events of one request on the signing socket: written where the request is answered, handed over at its end.

use std::sync::Arc;

use livekit_keyd_core::audit::{Action, Event, Hash, Kind, Outcome, Subject};
use livekit_keyd_core::policy::Approved;
use livekit_keyd_core::request::TokenRequest;
use livekit_keyd_core::time::Time;
use serde::Serialize;

use super::suspicious::{Suspicion, Suspicions};
use super::tally::Tally;
use super::trail::{Receipt, Trail};
use crate::clock;
use crate::metrics::{CallerMetrics, KeyHandles};

/// What an event takes, nearly always.
const USUAL_EVENT: usize = 640;

/// Longer names are refused anyway, and not repeated, in bytes.
const LONGEST_ASKED: usize = 1024;

/// Makes records of requests.
#[derive(Clone)]
pub struct Recorder {
    /// The trail; `None` without an `[audit]`.
    pub trail: Option<Arc<Trail>>,
    /// What deserves a look is noticed with or without a trail.
    pub suspicions: Arc<Suspicions>,
}

impl Recorder {
    /// Of one request.
    pub fn record<'a>(
        &'a self,
        action: Action,
        caller: &'a str,
        by: Subject,
        request_id: Option<&'a str>,
    ) -> Record<'a> {
        let lines = Vec::with_capacity(if self.trail.is_some() { USUAL_EVENT } else { 0 });
        Record {
            recorder: self,
            caller,
            by,
            request_id,
            action,
            asked: Vec::new(),
            shown: None,
            user: None,
            lines,
            events: 0,
            tally: None,
        }
    }
}

/// The events of one request.
pub struct Record<'a> {
    recorder: &'a Recorder,
    caller: &'a str,
    by: Subject,
    request_id: Option<&'a str>,
    action: Action,
    /// What was asked for, as JSON, in case that it is refused.
    asked: Vec<u8>,
    shown: Option<Shown>,
    user: Option<User>,
    lines: Vec<u8>,
    events: u64,
    tally: Option<Tally>,
}

/// A token of ours that came with the request.
struct Shown {
    token: Hash,
    key_id: Option<String>,
}

/// An issuer's user, as the token that came with the request says.
struct User {
    issuer: Option<String>,
    subject: Option<String>,
}

/// What a refusal repeats of its request.
#[derive(Serialize)]
struct Asked<'a> {
    #[serde(rename = "livekit_keyd.profile", skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    #[serde(rename = "livekit_keyd.room", skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(rename = "livekit_keyd.identity", skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
}

/// A token that was signed.
pub struct Issued<'a> {
    /// The token.
    pub token: &'a str,
    /// When it was signed.
    pub at: Time,
    /// When it expires.
    pub expires_at: Time,
    /// What policy let it be.
    pub approved: &'a Approved,
    /// The keyset.
    pub keyset: &'a str,
    /// The key.
    pub key_id: &'a str,
    /// Counts what its caller is given.
    pub caller: &'a Arc<CallerMetrics>,
    /// Counts what its key signed.
    pub usage: &'a Arc<KeyHandles>,
}

impl<'a> Record<'a> {
    /// Remembers what is asked for.
    pub fn asked(&mut self, request: &TokenRequest) {
        self.asked.clear();
        if !self.is_kept() {
            return;
        }
        let short = |text: &'_ str| text.len() <= LONGEST_ASKED;
        let asked = Asked {
            profile: request.profile.as_deref().filter(|text| short(text)),
            room: request.room.as_deref().filter(|text| short(text)),
            identity: request.identity.as_deref().filter(|text| short(text)),
        };
        if serde_json::to_writer(&mut self.asked, &asked).is_err() {
            self.asked.clear();
        }
    }

    /// Remembers a token that was shown, and the key that it names.
    pub fn shown(&mut self, token: &str, key_id: Option<&str>) {
        if self.is_kept() {
            self.shown = Some(Shown { token: Hash::of(token.as_bytes()), key_id: key_id.map(str::to_owned) });
        }
    }

    /// Remembers the user that a token from an issuer stands for. `issuer` is its configured name, if it has one.
    pub fn user(&mut self, issuer: Option<&str>, subject: Option<&str>) {
        if self.is_kept() {
            self.user = Some(User { issuer: issuer.map(str::to_owned), subject: subject.map(str::to_owned) });
        }
    }

    /// A token was signed. Says whether it is counted here, when it may be given out.
    #[must_use = "somebody must count the token"]
    pub fn issued(&mut self, issued: &Issued<'_>) -> bool {
        if self.recorder.trail.is_none() {
            return false;
        }
        let Issued { token, at, expires_at, approved, keyset, key_id, caller, usage } = issued;
        self.tally.get_or_insert_with(|| Tally::new(caller, usage, *at)).add_one();
        let some = |text: &'_ str| !text.is_empty();
        let grants = approved.grants.granted();
        self.event(Event {
            keyset: Some(keyset),
            key_id: Some(key_id),
            profile: Some(approved.profile.as_str()).filter(|text| some(text)),
            room: Some(approved.grants.video.room.as_str()).filter(|text| some(text)),
            identity: Some(approved.participant.identity.as_str()).filter(|text| some(text)),
            grants: &grants,
            token: Some(Hash::of(token.as_bytes())),
            expires_at: Some(*expires_at),
            ..Event::new(*at, self.action, Outcome::Success)
        });
        true
    }

    /// What was shown is good.
    pub fn verified(&mut self) {
        if self.is_kept() {
            self.of_shown(Event::new(clock::now(), self.action, Outcome::Success));
        }
    }

    /// Whether there is a trail. Without one nobody need word what it would hold.
    pub fn is_kept(&self) -> bool {
        self.recorder.trail.is_some()
    }

    /// Policy's rule, or a rate, denied the request.
    pub fn denied(&mut self, rule: &str) {
        for suspicion in self.recorder.suspicions.denied(self.caller, rule) {
            self.suspicious(suspicion);
        }
    }

    /// No token was signed. `rule` is policy's, if it was policy.
    pub fn refused(&mut self, kind: &str, rule: Option<&str>, detail: &str) {
        if !self.is_kept() {
            return;
        }
        self.of_shown(Event {
            reason: Some(kind),
            rule,
            message: Some(detail),
            ..Event::new(clock::now(), self.action, Outcome::Failure)
        });
        if self.asked.len() > 2 {
            // The object goes on with what was asked for.
            self.lines.truncate(self.lines.len() - 2);
            self.lines.push(b',');
            self.lines.extend_from_slice(&self.asked[1..]);
            self.lines.push(b'\n');
        }
    }

    /// No token was signed, and nothing else happens.
    pub fn refused_alone(mut self, kind: &str, detail: &str) {
        self.refused(kind, None, detail);
        // Nobody waits: no token is given out.
        let _ = self.hand_over();
    }

    /// Something deserves a look.
    pub fn suspicious(&mut self, suspicion: Suspicion) {
        self.recorder.suspicions.notice(suspicion, self.caller, self.by);
        if self.is_kept() {
            self.of_shown(Event {
                kind: Kind::Alert,
                reason: Some(suspicion.as_str()),
                ..Event::new(clock::now(), Action::Suspicious, Outcome::Failure)
            });
        }
    }

    /// An event about the token that was shown, if one was.
    fn of_shown(&mut self, event: Event<'_>) {
        let shown = self.shown.take();
        self.event(Event {
            token: shown.as_ref().map(|shown| shown.token),
            key_id: shown.as_ref().and_then(|shown| shown.key_id.as_deref()),
            ..event
        });
        self.shown = shown;
    }

    fn event(&mut self, event: Event<'_>) {
        let user = self.user.as_ref();
        let event = Event {
            caller: Some(self.caller).filter(|caller| !caller.is_empty()),
            request_id: self.request_id,
            issuer: user.and_then(|user| user.issuer.as_deref()),
            subject: user.and_then(|user| user.subject.as_deref()),
            ..event
        };
        event.by(self.by).write(&mut self.lines);
        self.lines.push(b'\n');
        self.events += 1;
    }

    /// Hands all over as one group. Only who gives out a token must wait for the receipt.
    pub fn hand_over(&mut self) -> Option<Receipt> {
        let (lines, events) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.events));
        let trail = self.recorder.trail.as_ref().filter(|_| events > 0)?;
        if let Some(tally) = self.tally.take() {
            return Some(trail.hand_over(&lines, events, tally));
        }
        trail.push(&lines, events, None);
        None
    }
}
