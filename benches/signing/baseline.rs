//! The peer to beat: a bare axum handler with serde and jsonwebtoken, no policy, no audit, no metrics.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Request {
    identity: String,
    room: String,
    grants: Grants,
}

#[derive(Deserialize)]
struct Grants {
    video: Video,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Video {
    #[serde(default)]
    pub(crate) room_join: bool,
    #[serde(default)]
    pub(crate) room: String,
}

#[derive(Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    pub(crate) video: Video,
}

#[derive(Serialize)]
struct Answer {
    token: String,
    key_id: String,
    expires_in: u64,
}

pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

async fn sign(
    State(key): State<Arc<EncodingKey>>,
    Json(request): Json<Request>,
) -> (StatusCode, Json<Answer>) {
    let now = seconds();
    let video = Video { room: request.room, ..request.grants.video };
    let claims = Claims { iss: "APIbaseline".into(), sub: request.identity, nbf: now, exp: now + 900, video };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    (StatusCode::CREATED, Json(Answer { token, key_id: claims.iss, expires_in: 900 }))
}

/// Serves on a Unix socket until it is killed.
pub(crate) fn serve(socket: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let key = Arc::new(EncodingKey::from_secret(&[b's'; 43]));
        let app = Router::new().route("/v1/tokens", post(sign)).with_state(key);
        let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
        axum::serve(listener, app).await.expect("a server");
    });
}
