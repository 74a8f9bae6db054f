//! Webhooks, as the signing socket takes them: what is not signed for this very body is never let through.
//!
//! The first byte chooses: the Authorization header as it comes, or claims that
//! are signed by a good key, with or without the body's own hash. A line feed ends them.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Request, StatusCode};
use jsonwebtoken::{EncodingKey, Header};
use libfuzzer_sys::fuzz_target;
use livekit_keyd::api::callers::{Callers, ResolvedCaller};
use livekit_keyd::api::peer::Peer;
use livekit_keyd::api::server::Handler;
use livekit_keyd::api::sign::{SignApi, SignConnection};
use livekit_keyd::audit::{Recorder, Suspicions};
use livekit_keyd::clock::BootTime;
use livekit_keyd::issuer::{IssuerMetrics, Issuers};
use livekit_keyd::metrics::{KeyMetrics, SignMetrics};
use livekit_keyd::signer::Signer;
use livekit_keyd_core::policy::{Caller, CallerMatch, Policy};
use prometheus::Registry;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

const SECRET: &[u8] = b"fuzz-fuzz-fuzz-fuzz-fuzz-fuzz-fuzz-fuzz-fuzz";
const KEY: &str = "APIactive23456";

struct Socket {
    runtime: Runtime,
    api: SignApi,
    connection: SignConnection,
}

static SOCKET: LazyLock<Socket> = LazyLock::new(|| {
    let registry = Registry::new();
    let metrics = SignMetrics::register(&registry).expect("metrics");
    let keys = KeyMetrics::register(&registry).expect("metrics");
    let signer = Arc::new(Signer::new("default", keys, None));
    let document = json!({
        "format": 1, "min_reader": 1, "lineage": "fuzz", "seq": 1, "writes": [{"seq": 1, "id": "w"}],
        "keyset": "default",
        "rules": {
            "max_token_ttl": "1h", "clock_skew": "30s", "refresh_interval": "30s", "rotation": "manual",
            "rotation_window": "24h", "overlap": "24h", "activation_lead": "5m", "publish_delay": "10m",
        },
        "rotation_since": "2026-01-01T00:00:00Z",
        "keys": [{
            "id": KEY, "created_at": "2026-01-01T00:00:00Z", "proven_at": "2026-01-01T00:00:00Z", "ordinal": 1,
            "not_before": "2026-01-02T00:00:00Z", "overlap": "24h",
            "secret": std::str::from_utf8(SECRET).expect("text"),
        }],
    });
    let document = serde_json::from_value(document).expect("a document");
    signer.offer(&Arc::new(document), BootTime::now()).expect("it is the first");
    let caller = ResolvedCaller {
        matches: CallerMatch { uids: None, gids: None },
        limit: None,
        policy: Policy::new(Caller { name: "app".to_owned(), ..Caller::default() }, Vec::new(), None),
        signer: Arc::clone(&signer),
        metrics: Arc::new(metrics.caller("default", "app")),
        issuers: Issuers::default(),
    };
    let api = SignApi {
        callers: Arc::new(arc_swap::ArcSwap::from_pointee(Callers::new(vec![caller]))),
        signers: Arc::new(BTreeMap::from([("default".to_owned(), signer)])),
        conditions: Arc::default(),
        metrics,
        issuers: IssuerMetrics::register(&registry).expect("metrics"),
        max_session: Duration::from_secs(3600),
        recorder: Recorder {
            trail: None,
            suspicions: Arc::new(Suspicions::register(&registry).expect("metrics")),
        },
        replays: Default::default(),
    };
    let connection = api.connection(Peer { pid: 1, uid: 1, gids: vec![1] });
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    Socket { runtime, api, connection }
});

fn signed(claims: &[u8], hash: Option<&str>) -> Option<String> {
    let mut claims: Map<String, Value> = serde_json::from_slice(claims).ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    claims.entry("iss").or_insert(json!(KEY));
    claims.entry("exp").or_insert(json!(now + 300));
    if let Some(hash) = hash {
        claims.insert("sha256".to_owned(), json!(hash));
    }
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((mode, rest)) = data.split_first() else { return };
    let (first, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, body));
    let authorization = match mode % 3 {
        0 => Some(String::from_utf8_lossy(first).into_owned()),
        1 => signed(first, None),
        _ => signed(first, Some(&hash)),
    };
    let Some(authorization) = authorization else { return };
    let request = Request::post("/v1/webhooks/verify").header("authorization", &authorization).body(());
    let Ok(request) = request else { return };
    let Socket { runtime, api, connection } = &*SOCKET;
    let (head, ()) = request.into_parts();
    let answer = runtime.block_on(api.answer(connection, &head, body));
    match answer.status() {
        StatusCode::OK => assert!(*mode % 3 != 0 && serde_json::from_slice::<Value>(body).is_ok()),
        StatusCode::UNAUTHORIZED => {}
        other => panic!("{other}"),
    }
});
