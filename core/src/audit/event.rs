//! One event, with the field names of the Elastic Common Schema; what it has no name for is below `livekit_keyd`.

use serde::{Serialize, Serializer};

use super::Hash;
use crate::members::Members;
use crate::time::Time;

/// The longest text that a field repeats from outside, in bytes.
const LONGEST_TEXT: usize = 1024;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A token was signed, or was not.
    TokenIssue,
    /// A user of an issuer was signed on, or was not.
    TokenExchange,
    /// A token was renewed, or was not.
    TokenRefresh,
    /// Somebody asked what LiveKit would make of a token.
    TokenVerify,
    /// A webhook was found to be LiveKit's, or was not.
    WebhookVerify,
    /// Somebody unknown asked which keys there are.
    KeyList,
    /// Something that deserves a look; the reason is its kind.
    Suspicious,
    /// An operator asked for something on the admin socket.
    OperatorCommand,
    /// A keyset's document was changed.
    KeyChange,
    /// The trail goes on: at a start, or behind a line that was torn.
    TrailResume,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused, or failed.
    Failure,
}

/// Whether somebody should look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A record.
    #[default]
    Event,
    /// It deserves a look.
    Alert,
}

/// Who was at the other end of the socket, as the kernel knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The process; 0 where the kernel does not tell.
    pub pid: i32,
}

/// One event. What is left out is not written.
#[derive(Clone, Debug)]
pub struct Event<'a> {
    /// When.
    pub at: Time,
    /// A record, or an alert.
    pub kind: Kind,
    /// What.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// A stable word: a denial's type, a command's status, a suspicion's kind.
    pub reason: Option<&'a str>,
    /// In words.
    pub message: Option<&'a str>,
    /// The `[[caller]]` that matched.
    pub caller: Option<&'a str>,
    /// Its user.
    pub uid: Option<u32>,
    /// Its primary group.
    pub gid: Option<u32>,
    /// Its process.
    pub pid: Option<i32>,
    /// The rule of policy, or of the planner, that decided.
    pub rule: Option<&'a str>,
    /// As the caller named its request.
    pub request_id: Option<&'a str>,
    /// The keyset.
    pub keyset: Option<&'a str>,
    /// The key.
    pub key_id: Option<&'a str>,
    /// The document's number after the change.
    pub document_seq: Option<u64>,
    /// The profile.
    pub profile: Option<&'a str>,
    /// The issuer that vouches for the user.
    pub issuer: Option<&'a str>,
    /// The user as that issuer knows it.
    pub subject: Option<&'a str>,
    /// The room.
    pub room: Option<&'a str>,
    /// The participant's identity.
    pub identity: Option<&'a str>,
    /// The rights beyond LiveKit's defaults.
    pub grants: &'a [String],
    /// Of the token that was signed or shown, in place of the token.
    pub token: Option<Hash>,
    /// When the token expires.
    pub expires_at: Option<Time>,
    /// How many bytes behind the last whole line were torn off by a crash.
    pub torn_bytes: Option<u64>,
    /// Of these bytes.
    pub torn_hash: Option<Hash>,
}

impl<'a> Event<'a> {
    /// An event of which nothing else is known yet.
    pub fn new(at: Time, action: Action, outcome: Outcome) -> Event<'a> {
        Event {
            at,
            kind: Kind::Event,
            action,
            outcome,
            reason: None,
            message: None,
            caller: None,
            uid: None,
            gid: None,
            pid: None,
            rule: None,
            request_id: None,
            keyset: None,
            key_id: None,
            document_seq: None,
            profile: None,
            issuer: None,
            subject: None,
            room: None,
            identity: None,
            grants: &[],
            token: None,
            expires_at: None,
            torn_bytes: None,
            torn_hash: None,
        }
    }

    /// By whoever was at the other end of the socket.
    #[must_use]
    pub fn by(self, subject: Subject) -> Event<'a> {
        let Subject { uid, gid, pid } = subject;
        Event { uid: Some(uid), gid: Some(gid), pid: Some(pid).filter(|pid| *pid != 0), ..self }
    }

    /// Writes it as JSON without a line break behind what is in `out`. JSON escapes every line break within.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut members = Members::begin(out);
        members.put_plain("@timestamp", self.at.text(&mut [0; 24]).as_bytes());
        members.put("event.kind", self.kind);
        members.put("event.action", self.action);
        members.put("event.outcome", self.outcome);
        members.put_some("event.reason", bounded(self.reason));
        members.put_some("message", bounded(self.message));
        members.put_some("user.name", self.caller);
        members.put_some("user.id", self.uid.map(Keyword));
        members.put_some("user.group.id", self.gid.map(Keyword));
        members.put_some("process.pid", self.pid);
        members.put_some("rule.name", bounded(self.rule));
        members.put_some("http.request.id", bounded(self.request_id));
        members.put_some("livekit_keyd.keyset", self.keyset);
        members.put_some("livekit_keyd.key.id", bounded(self.key_id));
        members.put_some("livekit_keyd.document.seq", self.document_seq);
        members.put_some("livekit_keyd.profile", bounded(self.profile));
        members.put_some("livekit_keyd.issuer", self.issuer);
        members.put_some("livekit_keyd.subject", bounded(self.subject));
        members.put_some("livekit_keyd.room", bounded(self.room));
        members.put_some("livekit_keyd.identity", bounded(self.identity));
        members.put_some("livekit_keyd.grants", Some(self.grants).filter(|grants| !grants.is_empty()));
        if let Some(token) = self.token {
            members.put_plain("livekit_keyd.token.sha256", &token.hex());
        }
        members.put_some("livekit_keyd.token.expires_at", self.expires_at);
        members.put_some("livekit_keyd.audit.torn.bytes", self.torn_bytes);
        members.put_some("livekit_keyd.audit.torn.sha256", self.torn_hash);
        members.end();
    }
}

fn bounded(text: Option<&str>) -> Option<&str> {
    text.map(|text| &text[..text.floor_char_boundary(LONGEST_TEXT)])
}

/// Ids are keywords in this schema.
struct Keyword(u32);

impl Serialize for Keyword {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
