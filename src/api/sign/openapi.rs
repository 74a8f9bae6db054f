//! What `GET /openapi.json` of the signing socket says.

use std::sync::LazyLock;

use hyper::body::Bytes;
use livekit_keyd_core::issuer::{EndpointRequest, Exchange};
use livekit_keyd_core::request::{BatchRequest, RefreshRequest, TokenRequest, VerifyRequest};
use serde_json::{Value, json};

use super::batch::BatchAnswer;
use super::endpoint::Granted;
use super::exchange::{Exchanged, Failed};
use super::keys::KeysAnswer;
use super::mint::Minted;
use super::verify::Verdict;
use crate::api::openapi::{OpenApi, written};
use crate::api::problem_type::{
    ALLOWED_GRANTS, ALLOWED_IDENTITIES, ALLOWED_ROOM_CONFIG, ALLOWED_ROOMS, AUDIT_REFUSED, ISSUER_IDENTITY,
    ISSUER_NAME, ISSUER_ROOM, ISSUER_RULE, KEYSET_ALLOWED_GRANTS, KIND, NO_CALLER, NO_USABLE_KEY,
    NOT_A_LIVEKIT_TOKEN, PROFILE, PROFILES, ProblemType, RATE_LIMITED, REFRESH, SUBJECT_TOKEN,
    WEBHOOK_REFUSED, WEBHOOK_REPLAYED, WEBHOOK_TOO_MANY,
};

/// The document.
pub(super) static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| written(&document()));

/// Why no token is made.
const MINTING: [ProblemType; 13] = [
    NO_CALLER,
    PROFILES,
    PROFILE,
    ALLOWED_GRANTS,
    KEYSET_ALLOWED_GRANTS,
    ALLOWED_ROOMS,
    ALLOWED_IDENTITIES,
    KIND,
    ALLOWED_ROOM_CONFIG,
    NOT_A_LIVEKIT_TOKEN,
    RATE_LIMITED,
    NO_USABLE_KEY,
    AUDIT_REFUSED,
];

/// Why a user's own token leads to none.
const SIGN_ON: [ProblemType; 4] = [ISSUER_RULE, ISSUER_IDENTITY, ISSUER_ROOM, ISSUER_NAME];

const RETRY_AFTER: (&str, &str) = ("Retry-After", "Seconds until a request is answered again");
const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");

fn document() -> Value {
    let mut api = OpenApi::new(
        "livekit-keyd: the signing socket",
        "Tokens for local applications. Who calls is read from the socket; JSON is read whatever the content type.",
    );
    tokens(&mut api);
    sign_on(&mut api);
    webhooks(&mut api);
    state(&mut api);
    api.finish()
}

fn tokens(api: &mut OpenApi) {
    let (retry_after, when) = RETRY_AFTER;
    api.post("/v1/tokens", "Makes a token.")
        .takes::<TokenRequest>(true)
        .gives::<Minted<'_>>(201, "The token")
        .refuses(&MINTING)
        .with_header(429, retry_after, when)
        .end();
    api.post("/v1/tokens/batch", "Makes many tokens, each with its own fate.")
        .takes::<BatchRequest<'_>>(true)
        .gives::<BatchAnswer<'_>>(200, "A token or a problem for each, in order")
        .refuses(&[NO_CALLER, NO_USABLE_KEY, AUDIT_REFUSED])
        .end();
    api.post("/v1/tokens/verify", "Whether LiveKit would accept a token, and if not, why.")
        .takes::<VerifyRequest>(true)
        .gives::<Verdict>(200, "The verdict: a bad token is inactive, not an error")
        .refuses(&[NO_CALLER, NO_USABLE_KEY, AUDIT_REFUSED])
        .end();
    api.post("/v1/tokens/refresh", "Makes a token with the rights of an earlier one.")
        .takes::<RefreshRequest>(true)
        .gives::<Minted<'_>>(201, "The token")
        .refuses(&MINTING)
        .refuses(&SIGN_ON)
        .refuses(&[REFRESH])
        .with_header(429, retry_after, when)
        .end();
}

fn sign_on(api: &mut OpenApi) {
    let ((retry_after, when), (cache_control, no_store)) = (RETRY_AFTER, NO_STORE);
    api.post("/v1/token-exchange", "Exchanges a user's own token for a LiveKit token (RFC 8693).")
        .takes_form::<Exchange>()
        .gives::<Exchanged<'_>>(200, "The token")
        .with_header(200, cache_control, no_store)
        .gives::<Failed<'_>>(
            400,
            "`invalid_request`, `unsupported_grant_type`, `invalid_target` or `invalid_scope`",
        )
        .gives::<Failed<'_>>(429, "`temporarily_unavailable`")
        .with_header(429, retry_after, when)
        .gives::<Failed<'_>>(500, "`server_error`")
        .gives::<Failed<'_>>(503, "`temporarily_unavailable`")
        .refuses(&[NO_CALLER])
        .end();
    api.post("/token", "The token endpoint that LiveKit's client SDKs call.")
        .parameter("header", "Authorization", false, "`Bearer` and the user's own token; required")
        .takes::<EndpointRequest>(false)
        .gives::<Granted<'_>>(201, "The token")
        .with_header(201, cache_control, no_store)
        .refuses(&[SUBJECT_TOKEN])
        .with_header(401, "WWW-Authenticate", "As RFC 6750 has it")
        .refuses(&MINTING)
        .refuses(&SIGN_ON)
        .with_header(429, retry_after, when)
        .end();
}

fn webhooks(api: &mut OpenApi) {
    api.post("/v1/webhooks/verify", "Whether a webhook is LiveKit's own, just made, and new.")
        .parameter("header", "Authorization", false, "As it came with the webhook; required")
        .body("application/webhook+json", json!({"description": "The webhook's body, byte by byte."}), true)
        .gives_as(200, "The event, as it was sent", "application/json", json!({}))
        .refuses(&[WEBHOOK_REFUSED, WEBHOOK_REPLAYED, NO_CALLER, WEBHOOK_TOO_MANY])
        .end();
}

fn state(api: &mut OpenApi) {
    let text = || json!({"type": "string"});
    api.get("/v1/keys", "The caller's keyset, without any secret.")
        .parameter("header", "If-None-Match", false, "The ETag of an earlier answer")
        .gives::<KeysAnswer<'_>>(200, "Its keys")
        .with_header(200, "ETag", "Changes when a key or its phase does")
        .gives_nothing(304, "Nothing has changed")
        .with_header(304, "ETag", "The same")
        .refuses(&[NO_CALLER, NO_USABLE_KEY])
        .end();
    api.get("/healthz", "Whether the process answers.").gives_as(200, "It does", "text/plain", text()).end();
    api.get("/readyz", "Whether tokens of every keyset can be made now.")
        .parameter("query", "verbose", false, "Lists every degradation beside")
        .gives_as(200, "They can", "text/plain", text())
        .gives_as(503, "They cannot: a line for each keyset that has no usable key", "text/plain", text())
        .end();
    api.get("/openapi.json", "This document.")
        .gives_as(200, "OpenAPI 3.1", "application/json", json!({}))
        .end();
}
