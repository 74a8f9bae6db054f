//! The reasons.

use std::fmt;

use crate::request::LONGEST_NAME;
use crate::time::Time;

/// Why LiveKit, or one of its official verifiers, would refuse a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More than 64 KiB.
    TooLong,
    /// No JWT.
    NotThreeParts,
    /// Its first part is no JSON object in base64url.
    HeaderUnreadable,
    /// Its second part is no JSON object in base64url.
    ClaimsUnreadable,
    /// Not HS256.
    Algorithm,
    /// A `crit` header.
    Critical,
    /// No `iss`.
    NoKeyId,
    /// No key of this id is known.
    UnknownKey,
    /// The key did not make the signature.
    WrongSignature,
    /// The key is compromised.
    CompromisedKey,
    /// The key was retired.
    RetiredKey,
    /// `exp` has passed, and the leeway with it.
    Expired(Time),
    /// `nbf` is ahead by more than the leeway.
    NotYetValid(Time),
    /// No `exp`.
    NeverExpires,
    /// A claim of the wrong JSON type.
    WrongType {
        /// Which.
        claim: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// A claim is there twice.
    Repeated(String),
    /// `roomJoin` without `room`.
    JoinWithoutRoom,
    /// `roomJoin` without an identity.
    JoinWithoutIdentity,
    /// `roomAdmin` for no room or all.
    AdminOfNoRoom,
    /// A claim's name in another case than LiveKit's.
    OtherCase {
        /// As it was written.
        claim: String,
        /// As it should be.
        meant: String,
    },
    /// An identity or a room's name that is too long.
    LongName(&'static str),
}

impl Reason {
    /// A stable word for answers.
    pub fn as_str(&self) -> &'static str {
        match self {
            Reason::TooLong => "too-long",
            Reason::NotThreeParts => "not-a-jwt",
            Reason::HeaderUnreadable => "header-unreadable",
            Reason::ClaimsUnreadable => "claims-unreadable",
            Reason::Algorithm => "algorithm",
            Reason::Critical => "critical-header",
            Reason::NoKeyId => "no-key-id",
            Reason::UnknownKey => "unknown-key",
            Reason::WrongSignature => "wrong-signature",
            Reason::CompromisedKey => "compromised-key",
            Reason::RetiredKey => "retired-key",
            Reason::Expired(_) => "expired",
            Reason::NotYetValid(_) => "not-yet-valid",
            Reason::NeverExpires => "never-expires",
            Reason::WrongType { .. } => "wrong-type",
            Reason::Repeated(_) => "repeated-claim",
            Reason::JoinWithoutRoom => "join-without-room",
            Reason::JoinWithoutIdentity => "join-without-identity",
            Reason::AdminOfNoRoom => "admin-of-no-room",
            Reason::OtherCase { .. } => "other-case",
            Reason::LongName(_) => "long-name",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::TooLong => f.write_str("it is longer than 64 KiB"),
            Reason::NotThreeParts => f.write_str("it is no JWT: three parts with dots between them"),
            Reason::HeaderUnreadable => f.write_str("its first part is no JSON object in base64url"),
            Reason::ClaimsUnreadable => f.write_str("its second part is no JSON object in base64url"),
            Reason::Algorithm => f.write_str("it is not signed with HS256, the only algorithm that LiveKit takes"),
            Reason::Critical => {
                f.write_str("its header has `crit`: the verifiers of Node and Python refuse it, and livekit-server looks away")
            }
            Reason::NoKeyId => f.write_str("it does not say which key signed it (`iss`)"),
            Reason::UnknownKey => f.write_str("no key of this id is known"),
            Reason::WrongSignature => f.write_str("the signature is not by the key that it names"),
            Reason::CompromisedKey => f.write_str("its key is compromised"),
            Reason::RetiredKey => f.write_str("its key was retired: nodes that read the current keys refuse it"),
            Reason::Expired(at) => write!(f, "it expired at {at}"),
            Reason::NotYetValid(at) => write!(f, "it is valid from {at} on"),
            Reason::NeverExpires => f.write_str(
                "it has no `exp`: livekit-server up to 1.13 accepts it for ever, and the SDKs' verifiers refuse it; never hand out such a token",
            ),
            Reason::WrongType { claim, wanted } => write!(f, "`{claim}` must be {wanted}"),
            Reason::Repeated(claim) => write!(f, "`{claim}` is there twice, and readers differ in which one they believe"),
            Reason::JoinWithoutRoom => f.write_str("it has `roomJoin` and no `room`"),
            Reason::JoinWithoutIdentity => f.write_str("it has `roomJoin` and no identity (`sub`)"),
            Reason::AdminOfNoRoom => f.write_str("it has `roomAdmin` and not one `room`"),
            Reason::OtherCase { claim, meant } => write!(
                f,
                "`{claim}` is not `{meant}`: livekit-server takes it for that, and other verifiers do not"
            ),
            Reason::LongName(what) => write!(f, "its {what} has more than {LONGEST_NAME} bytes"),
        }
    }
}
