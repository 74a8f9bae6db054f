//! One event, with the field names of the Elastic Common Schema; what it has no name for is below `livekit_keyd`.

use serde::{Serialize, Serializer};

use super::Hash;
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
#[derive(Clone, Debug, Serialize)]
pub struct Event<'a> {
    /// When.
    #[serde(rename = "@timestamp")]
    pub at: Time,
    /// A record, or an alert.
    #[serde(rename = "event.kind")]
    pub kind: Kind,
    /// What.
    #[serde(rename = "event.action")]
    pub action: Action,
    /// How it ended.
    #[serde(rename = "event.outcome")]
    pub outcome: Outcome,
    /// A stable word: a denial's type, a command's status, a suspicion's kind.
    #[serde(rename = "event.reason", skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub reason: Option<&'a str>,
    /// In words.
    #[serde(rename = "message", skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub message: Option<&'a str>,
    /// The `[[caller]]` that matched.
    #[serde(rename = "user.name", skip_serializing_if = "Option::is_none")]
    pub caller: Option<&'a str>,
    /// Its user.
    #[serde(rename = "user.id", skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub uid: Option<u32>,
    /// Its primary group.
    #[serde(rename = "user.group.id", skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub gid: Option<u32>,
    /// Its process.
    #[serde(rename = "process.pid", skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The rule of policy, or of the planner, that decided.
    #[serde(rename = "rule.name", skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub rule: Option<&'a str>,
    /// As the caller named its request.
    #[serde(rename = "http.request.id", skip_serializing_if = "Option::is_none", serialize_with = "bounded")]
    pub request_id: Option<&'a str>,
    /// The keyset.
    #[serde(rename = "livekit_keyd.keyset", skip_serializing_if = "Option::is_none")]
    pub keyset: Option<&'a str>,
    /// The key.
    #[serde(
        rename = "livekit_keyd.key.id",
        skip_serializing_if = "Option::is_none",
        serialize_with = "bounded"
    )]
    pub key_id: Option<&'a str>,
    /// The document's number after the change.
    #[serde(rename = "livekit_keyd.document.seq", skip_serializing_if = "Option::is_none")]
    pub document_seq: Option<u64>,
    /// The profile.
    #[serde(
        rename = "livekit_keyd.profile",
        skip_serializing_if = "Option::is_none",
        serialize_with = "bounded"
    )]
    pub profile: Option<&'a str>,
    /// The issuer that vouches for the user.
    #[serde(rename = "livekit_keyd.issuer", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<&'a str>,
    /// The user as that issuer knows it.
    #[serde(
        rename = "livekit_keyd.subject",
        skip_serializing_if = "Option::is_none",
        serialize_with = "bounded"
    )]
    pub subject: Option<&'a str>,
    /// The room.
    #[serde(
        rename = "livekit_keyd.room",
        skip_serializing_if = "Option::is_none",
        serialize_with = "bounded"
    )]
    pub room: Option<&'a str>,
    /// The participant's identity.
    #[serde(
        rename = "livekit_keyd.identity",
        skip_serializing_if = "Option::is_none",
        serialize_with = "bounded"
    )]
    pub identity: Option<&'a str>,
    /// The rights beyond LiveKit's defaults.
    #[serde(rename = "livekit_keyd.grants", skip_serializing_if = "<[String]>::is_empty")]
    pub grants: &'a [String],
    /// Of the token that was signed or shown, in place of the token.
    #[serde(rename = "livekit_keyd.token.sha256", skip_serializing_if = "Option::is_none")]
    pub token: Option<Hash>,
    /// When the token expires.
    #[serde(rename = "livekit_keyd.token.expires_at", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// How many bytes behind the last whole line were torn off by a crash.
    #[serde(rename = "livekit_keyd.audit.torn.bytes", skip_serializing_if = "Option::is_none")]
    pub torn_bytes: Option<u64>,
    /// Of these bytes.
    #[serde(rename = "livekit_keyd.audit.torn.sha256", skip_serializing_if = "Option::is_none")]
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
        let before = out.len();
        if serde_json::to_writer(&mut *out, self).is_err() {
            // Only a writer or a map with other keys than text fails, and there is neither.
            out.truncate(before);
        }
    }
}

fn bounded<S: Serializer>(text: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = text.unwrap_or_default();
    serializer.serialize_str(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

/// Ids are keywords in this schema.
fn as_text<S: Serializer>(number: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&number.unwrap_or_default())
}
