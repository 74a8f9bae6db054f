//! The peer to beat: a bare axum handler with serde and jsonwebtoken, no policy, no audit, no metrics. And the same
//! handler in hyper itself, below which nothing that uses hyper can get.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::{BodyExt, Full};
use hyper::StatusCode;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
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

fn signed(key: &EncodingKey, request: Request) -> Answer {
    let now = seconds();
    let video = Video { room: request.room, ..request.grants.video };
    let claims = Claims { iss: "APIbaseline".into(), sub: request.identity, nbf: now, exp: now + 900, video };
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key).expect("a token");
    Answer { token, key_id: claims.iss, expires_in: 900 }
}

async fn sign(
    State(key): State<Arc<EncodingKey>>,
    Json(request): Json<Request>,
) -> (StatusCode, Json<Answer>) {
    (StatusCode::CREATED, Json(signed(&key, request)))
}

async fn sign_in_hyper(
    key: Arc<EncodingKey>,
    request: hyper::Request<Incoming>,
) -> hyper::Response<Full<Bytes>> {
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let answer = signed(&key, serde_json::from_slice(&body).expect("a request"));
    let mut response = hyper::Response::new(Full::from(serde_json::to_vec(&answer).expect("an answer")));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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

/// As [`serve`], without axum.
pub(crate) fn serve_in_hyper(socket: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let key = Arc::new(EncodingKey::from_secret(&[b's'; 43]));
        let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let key = Arc::clone(&key);
            let service = service_fn(move |request| {
                let key = Arc::clone(&key);
                async move { Ok::<_, std::convert::Infallible>(sign_in_hyper(key, request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}
