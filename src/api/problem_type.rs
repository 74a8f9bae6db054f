//! Every problem type that either socket answers with. Each has a section in docs/problems.md.
//!
//! A type is a promise to whoever branches on it, so the types stand in one place:
//! the OpenAPI documents are made from it, and no answer of a debug build has another.

use hyper::StatusCode;

/// A kind of problem: its stable name, which is never given to another, and its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemType {
    /// What follows `urn:livekit-keyd:problem:`.
    pub name: &'static str,
    /// Its only status.
    pub status: StatusCode,
}

/// What a type's name follows in the member `type`.
pub const PREFIX: &str = "urn:livekit-keyd:problem:";

macro_rules! problem_types {
    ($($constant:ident = $name:literal, $status:ident;)*) => {
        $(
            #[doc = concat!("See `", $name, "` in docs/problems.md.")]
            pub const $constant: ProblemType = ProblemType { name: $name, status: StatusCode::$status };
        )*
        /// All of them.
        pub const ALL: &[ProblemType] = &[$($constant),*];
    };
}

problem_types! {
    MALFORMED = "malformed", BAD_REQUEST;
    SUBJECT_TOKEN = "subject-token", UNAUTHORIZED;
    WEBHOOK_REFUSED = "webhook-refused", UNAUTHORIZED;
    WEBHOOK_REPLAYED = "webhook-replayed", UNAUTHORIZED;
    NO_CALLER = "denied:no-caller", FORBIDDEN;
    PROFILES = "denied:profiles", FORBIDDEN;
    PROFILE = "denied:profile", FORBIDDEN;
    ALLOWED_GRANTS = "denied:allowed_grants", FORBIDDEN;
    KEYSET_ALLOWED_GRANTS = "denied:keyset.allowed_grants", FORBIDDEN;
    ALLOWED_ROOMS = "denied:allowed_rooms", FORBIDDEN;
    ALLOWED_IDENTITIES = "denied:allowed_identities", FORBIDDEN;
    KIND = "denied:kind", FORBIDDEN;
    ALLOWED_ROOM_CONFIG = "denied:allowed_room_config", FORBIDDEN;
    REFRESH = "denied:refresh", FORBIDDEN;
    ISSUER_RULE = "denied:issuer.rule", FORBIDDEN;
    ISSUER_IDENTITY = "denied:issuer.identity", FORBIDDEN;
    ISSUER_ROOM = "denied:issuer.room", FORBIDDEN;
    ISSUER_NAME = "denied:issuer.name", FORBIDDEN;
    NOT_FOUND = "not-found", NOT_FOUND;
    METHOD = "method", METHOD_NOT_ALLOWED;
    TIMEOUT = "timeout", REQUEST_TIMEOUT;
    NOT_A_ROTATOR = "not-a-rotator", CONFLICT;
    STATE_FORBIDS = "state-forbids", CONFLICT;
    CONFIG_REFUSED = "config-refused", CONFLICT;
    TOO_LARGE = "too-large", PAYLOAD_TOO_LARGE;
    NOT_A_LIVEKIT_TOKEN = "not-a-livekit-token", UNPROCESSABLE_ENTITY;
    BAD_KEY_FILE = "bad-key-file", UNPROCESSABLE_ENTITY;
    RATE_LIMITED = "rate-limited", TOO_MANY_REQUESTS;
    INTERNAL = "internal", INTERNAL_SERVER_ERROR;
    NO_USABLE_KEY = "no-usable-key", SERVICE_UNAVAILABLE;
    AUDIT_REFUSED = "audit-refused", SERVICE_UNAVAILABLE;
    WEBHOOK_TOO_MANY = "webhook-too-many", SERVICE_UNAVAILABLE;
    TOO_MANY_CONNECTIONS = "too-many-connections", SERVICE_UNAVAILABLE;
    STARTING = "starting", SERVICE_UNAVAILABLE;
    STOPPING = "stopping", SERVICE_UNAVAILABLE;
    STORE_FAILED = "store-failed", SERVICE_UNAVAILABLE;
}

/// Whether an answer may have that type with that status.
pub fn is_known(status: StatusCode, name: &str) -> bool {
    ALL.iter().any(|known| known.name == name && known.status == status)
}
