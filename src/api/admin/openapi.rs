//! What `GET /openapi.json` of the admin socket says.

use std::sync::LazyLock;

use hyper::body::Bytes;
use livekit_keyd_core::rollout::Forgotten;
use serde_json::{Value, json};

use super::{Empty, ForgetBody, HoldBody, ImportBody, InitBody, revoke};
use crate::api::openapi::{OpenApi, written};
use crate::api::problem_type::{
    BAD_KEY_FILE, CONFIG_REFUSED, NOT_A_ROTATOR, NOT_FOUND, ProblemType, STARTING, STATE_FORBIDS, STOPPING,
    STORE_FAILED,
};
use crate::api::report::{
    Accepted, Changed, Held, Imported, Initialized, PlanReport, Refreshed, Reloaded, Revocation, Status,
};

/// The document.
pub(super) static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| written(&document()));

/// Why an operator's call comes to nothing.
const OPERATING: [ProblemType; 4] = [NOT_FOUND, NOT_A_ROTATOR, STATE_FORBIDS, STORE_FAILED];

fn document() -> Value {
    let mut api = OpenApi::new(
        "livekit-keyd: the admin socket",
        "Status, and operators' commands. Only the socket's mode decides who may ask. An empty body is an empty object.",
    );
    process(&mut api);
    keysets(&mut api);
    keys(&mut api);
    api.post("/v1/nodes/{node}/forget", "Strikes a node off that will never answer again.")
        .takes::<ForgetBody>(true)
        .gives::<Forgotten>(202, "It no longer counts")
        .refuses(&OPERATING)
        .end();
    api.finish()
}

fn process(api: &mut OpenApi) {
    api.get("/v1/status", "What is.").gives::<Status>(200, "What is").end();
    api.get("/v1/plan", "What comes next, and what it waits for.")
        .gives::<PlanReport>(200, "The plan")
        .refuses(&[NOT_A_ROTATOR, STARTING])
        .end();
    api.post("/v1/refresh", "Reads the store now.").gives::<Refreshed>(202, "It is being read").end();
    api.post("/v1/reload", "Reads the configuration anew.")
        .gives::<Reloaded>(200, "It is in force")
        .refuses(&[CONFIG_REFUSED, STOPPING])
        .end();
    api.get("/openapi.json", "This document.")
        .gives_as(200, "OpenAPI 3.1", "application/json", json!({}))
        .end();
}

fn keysets(api: &mut OpenApi) {
    api.post("/v1/keysets/{keyset}/init", "Creates the keyset's document and its first keys.")
        .takes::<InitBody>(false)
        .gives::<Initialized>(201, "It was created")
        .gives::<Initialized>(200, "There was one")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/import", "Takes a key of a live deployment over.")
        .takes::<ImportBody>(true)
        .gives::<Imported>(201, "It is active, and held")
        .refuses(&OPERATING)
        .refuses(&[BAD_KEY_FILE])
        .end();
    api.post("/v1/keysets/{keyset}/rotate", "Rotates now.")
        .takes::<Empty>(false)
        .gives::<Accepted>(202, "The next key is committed, or the request waits")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/hold", "Rotates nothing for a while.")
        .takes::<HoldBody>(true)
        .gives::<Held>(202, "It is on hold")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/resume", "Ends a hold.")
        .takes::<Empty>(false)
        .gives::<Changed>(202, "It goes on")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/accept-restored", "Believes a store that was restored from a backup.")
        .takes::<Empty>(false)
        .gives::<Changed>(202, "It is believed")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/revoke", "Takes all keys out of use at once, and accepts an outage.")
        .takes::<revoke::Body>(true)
        .gives::<Revocation>(202, "They are compromised")
        .refuses(&OPERATING)
        .end();
}

fn keys(api: &mut OpenApi) {
    api.post("/v1/keysets/{keyset}/keys/{key}/activate", "Makes a standby the next key, now.")
        .gives::<Accepted>(202, "It is committed, or the request waits")
        .refuses(&OPERATING)
        .end();
    api.post("/v1/keysets/{keyset}/keys/{key}/revoke", "Takes a compromised key out of use.")
        .takes::<revoke::Body>(true)
        .gives::<Revocation>(202, "It is compromised, or will be as soon as another can sign")
        .refuses(&OPERATING)
        .end();
}
