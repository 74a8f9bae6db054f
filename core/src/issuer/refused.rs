//! Why an issuer's token is not believed. No sentence repeats what the token says: it may end in a log.

use std::fmt;

use crate::verify::LONGEST_TOKEN;

/// Why a subject token is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not three parts with dots between them.
    Opaque,
    /// Five parts.
    Encrypted,
    /// More than is looked at.
    TooLong,
    /// A part is no JSON object in base64url.
    Unreadable(&'static str),
    /// A name is there twice.
    Repeated,
    /// A header that must be understood.
    Critical,
    /// A token of another kind, like one that ends a session.
    OtherKind,
    /// A header or claim of the wrong form.
    WrongForm {
        /// Which.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// No configured issuer, of those that the caller may use, made it.
    UnknownIssuer,
    /// An algorithm that the issuer's settings do not list.
    Algorithm,
    /// The issuer's keys were never read.
    NoKeys,
    /// The issuer has no such key.
    UnknownKey,
    /// No key is named, and there is more than one that could be meant.
    AmbiguousKey,
    /// The key did not make the signature.
    WrongSignature,
    /// It is for somebody else.
    Audience,
    /// It has expired.
    Expired,
    /// Its time has not come.
    NotYetValid,
}

impl Refused {
    /// A stable word for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Refused::Opaque => "opaque",
            Refused::Encrypted => "encrypted",
            Refused::TooLong => "too-long",
            Refused::Unreadable(_) => "unreadable",
            Refused::Repeated => "repeated-name",
            Refused::Critical => "critical-header",
            Refused::OtherKind => "other-kind",
            Refused::WrongForm { .. } => "wrong-form",
            Refused::UnknownIssuer => "unknown-issuer",
            Refused::Algorithm => "algorithm",
            Refused::NoKeys => "no-keys",
            Refused::UnknownKey => "unknown-key",
            Refused::AmbiguousKey => "ambiguous-key",
            Refused::WrongSignature => "wrong-signature",
            Refused::Audience => "audience",
            Refused::Expired => "expired",
            Refused::NotYetValid => "not-yet-valid",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Opaque => {
                "it is no JWT but an opaque token, which only its issuer can read; send the ID token, or have the issuer make its access tokens JWTs"
            }
            Refused::Encrypted => "it is encrypted; have the issuer sign its tokens without encrypting them",
            Refused::TooLong => return write!(f, "it is longer than {LONGEST_TOKEN} bytes"),
            Refused::Unreadable(part) => {
                return write!(f, "its {part} is no JSON object in base64url without padding");
            }
            Refused::Repeated => "a name in it is there twice, and readers differ in which one they believe",
            Refused::Critical => "its header has `crit`, which asks for extensions that are not known here",
            Refused::OtherKind => "its header's `typ` says that it is neither an ID token nor an access token",
            Refused::WrongForm { name, wanted } => return write!(f, "its `{name}` must be {wanted}"),
            Refused::UnknownIssuer => {
                "its `iss` is no [[issuer]] that this caller may use; the `url` there must be the same, to the last slash"
            }
            Refused::Algorithm => "its algorithm is not among the issuer's `algorithms`",
            Refused::NoKeys => "its issuer's keys could not be read so far; `livekit-keyd status` tells why",
            Refused::UnknownKey => "its issuer publishes no such key for this algorithm",
            Refused::AmbiguousKey => "it names no key (`kid`), and its issuer has several for this algorithm",
            Refused::WrongSignature => "its signature is not by its issuer's key",
            Refused::Audience => "its `aud` does not name us: see the issuer's `audience`",
            Refused::Expired => "it has expired: get a new one from its issuer",
            Refused::NotYetValid => "it is not valid yet, or was made in the future: compare the clocks",
        })
    }
}
