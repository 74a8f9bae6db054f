//! What the admin socket answers. Only its file's mode decides who may ask.

mod nodes;
mod openapi;
mod plan;
mod revoke;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use livekit_keyd_core::audit::{Action, Event, Outcome, Subject};
use livekit_keyd_core::change::{Change, Illegal};
use livekit_keyd_core::duration;
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::time::Time;
use percent_encoding::percent_decode_str;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};
use zeroize::Zeroizing;

use super::answer as http;
use super::peer::Peer;
use super::report::{Changed, Held, Imported, Initialized, Refreshed, Reloaded};
use super::request_id::RequestId;
use super::server::Handler;
use crate::audit::Trail;
use crate::clock;
use crate::conditions::Conditions;
use crate::rotator::{Refusal, Rotator};
use crate::signer::Signer;
use crate::store::Store;

/// A request to read the configuration anew, and where to say how it went.
pub type ReloadRequest = oneshot::Sender<Result<String, String>>;

/// Everything that the admin socket tells of or works with.
pub struct Admin {
    /// `rotator`, `signer` or `both`.
    pub role: &'static str,
    /// The rotator, where this process is one.
    pub rotator: Option<Arc<Rotator>>,
    /// Each keyset's signer.
    pub signers: Arc<BTreeMap<String, Arc<Signer>>>,
    /// What is wrong now.
    pub conditions: Arc<Conditions>,
    /// The store.
    pub store: Arc<Store>,
    /// Rings every refresher.
    pub refresh: Vec<Arc<Notify>>,
    /// To whoever owns the configuration.
    pub reload: mpsc::Sender<ReloadRequest>,
    /// Where operators' commands are written down.
    pub trail: Option<Arc<Trail>>,
}

/// An answer: JSON, or a problem with its sentence.
pub type Answer = Result<(StatusCode, Value), (StatusCode, &'static str, String)>;

impl Admin {
    /// Answers one call of a caller who is known as `by`.
    ///
    /// # Errors
    /// A status, a stable word for the problem's type, and a sentence.
    pub async fn call(&self, method: &Method, path: &str, body: &[u8], by: &str) -> Answer {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["v1", "status"]) => answer(StatusCode::OK, &self.status()),
            ("GET", ["v1", "plan"]) => answer(StatusCode::OK, &self.plan()?),
            ("POST", ["v1", "refresh"]) => self.refresh(),
            ("POST", ["v1", "reload"]) => self.reload().await,
            ("POST", ["v1", "keysets", keyset, verb]) => self.keyset(keyset, verb, body, by).await,
            ("POST", ["v1", "keysets", keyset, "keys", key, "activate"]) => {
                let accepted = self.rotator()?.rotate(keyset, Some(KeyId::new(*key)), by.to_owned()).await;
                answer(StatusCode::ACCEPTED, &accepted.map_err(refused)?)
            }
            ("POST", ["v1", "keysets", keyset, "keys", key, "revoke"]) => {
                self.revoke(keyset, Some(key), body, by).await
            }
            ("POST", ["v1", "nodes", node, "forget"]) => self.forget(node, body, by).await,
            (_, ["v1", "status" | "plan"]) => Err(wrong_method("GET")),
            (_, ["v1", "refresh" | "reload"] | ["v1", "keysets", _, ..] | ["v1", "nodes", _, "forget"]) => {
                Err(wrong_method("POST"))
            }
            _ => Err((StatusCode::NOT_FOUND, "not-found", format!("the admin socket has no {path}"))),
        }
    }

    async fn keyset(&self, keyset: &str, verb: &str, body: &[u8], by: &str) -> Answer {
        let rotator = self.rotator()?;
        match verb {
            "init" => {
                let InitBody { force } = read(body)?;
                let initialized = rotator.init(keyset, force).await.map_err(refused)?;
                let status = if initialized.created { StatusCode::CREATED } else { StatusCode::OK };
                answer(status, &Initialized { created: initialized.created })
            }
            "rotate" => {
                let Empty {} = read(body)?;
                let accepted = rotator.rotate(keyset, None, by.to_owned()).await.map_err(refused)?;
                answer(StatusCode::ACCEPTED, &accepted)
            }
            "hold" => {
                let HoldBody { until } = read(body)?;
                let until = moment(&until)?;
                let document = rotator.hold(keyset, until, by.to_owned()).await.map_err(refused)?;
                answer(StatusCode::ACCEPTED, &Held { keyset: keyset.to_owned(), until, seq: document.seq })
            }
            "resume" => {
                let Empty {} = read(body)?;
                let document = rotator.change(keyset, &Change::Resume).await.map_err(refused)?;
                answer(StatusCode::ACCEPTED, &Changed { keyset: keyset.to_owned(), seq: document.seq })
            }
            "import" => {
                let ImportBody { key_file, key, force } = read(body)?;
                let (key_file, key) = (Zeroizing::new(key_file), KeyId::new(key));
                let imported = rotator.import(keyset, &key_file, &key, force).await.map_err(refused)?;
                let told = Imported {
                    keyset: keyset.to_owned(),
                    key_id: key.to_string(),
                    foreign: imported.foreign.iter().map(KeyId::to_string).collect(),
                    remarks: imported.remarks,
                };
                answer(StatusCode::CREATED, &told)
            }
            "revoke" => self.revoke(keyset, None, body, by).await,
            "accept-restored" => {
                let Empty {} = read(body)?;
                let document = rotator.accept_restored(keyset).await.map_err(refused)?;
                answer(StatusCode::ACCEPTED, &Changed { keyset: keyset.to_owned(), seq: document.seq })
            }
            _ => Err((StatusCode::NOT_FOUND, "not-found", format!("there is no call `{verb}` for a keyset"))),
        }
    }

    async fn forget(&self, node: &str, body: &[u8], by: &str) -> Answer {
        let ForgetBody { reason } = read(body)?;
        let node = percent_decode_str(node).decode_utf8_lossy();
        let forgotten = self.rotator()?.forget_node(&node, by.to_owned(), reason).await.map_err(refused)?;
        answer(StatusCode::ACCEPTED, &forgotten)
    }

    fn rotator(&self) -> Result<&Arc<Rotator>, (StatusCode, &'static str, String)> {
        self.rotator.as_ref().ok_or_else(|| {
            let sentence = "this process is a signer only; ask one whose role is \"rotator\" or \"both\"";
            (StatusCode::CONFLICT, "not-a-rotator", sentence.to_owned())
        })
    }

    fn refresh(&self) -> Answer {
        for poke in &self.refresh {
            poke.notify_one();
        }
        if let Some(rotator) = &self.rotator {
            rotator.poke();
        }
        answer(StatusCode::ACCEPTED, &Refreshed {})
    }

    async fn reload(&self) -> Answer {
        let (reply, answered) = oneshot::channel();
        let gone =
            || (StatusCode::SERVICE_UNAVAILABLE, "stopping", "this process is about to stop".to_owned());
        self.reload.send(reply).await.map_err(|_| gone())?;
        match answered.await.map_err(|_| gone())? {
            Ok(message) => answer(StatusCode::OK, &Reloaded { reloaded: true, message }),
            Err(sentence) => Err((StatusCode::CONFLICT, "config-refused", sentence)),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct InitBody {
    #[serde(default)]
    /// Also where there once was a document.
    force: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HoldBody {
    /// A time like `2030-01-31T12:00:00Z`, or a duration from now like `4h`.
    until: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImportBody {
    /// LiveKit's key file, whole.
    key_file: String,
    /// The id of the key that signs.
    key: String,
    #[serde(default)]
    /// Also where there once was a document.
    force: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForgetBody {
    /// Kept with the node.
    reason: String,
}

/// No body at all is an empty one.
fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, (StatusCode, &'static str, String)> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, "malformed", error.to_string()))
}

/// A moment as RFC 3339 has it, or so long from now.
fn moment(text: &str) -> Result<Time, (StatusCode, &'static str, String)> {
    text.parse()
        .ok()
        .or_else(|| duration::parse(text).ok().map(|duration| clock::now() + duration))
        .ok_or_else(|| {
            let sentence = format!(
                "`{text}` is neither a time like 2030-01-31T12:00:00Z nor a duration from now like 4h"
            );
            (StatusCode::BAD_REQUEST, "malformed", sentence)
        })
}

fn answer<T: serde::Serialize>(status: StatusCode, value: &T) -> Answer {
    let json = serde_json::to_value(value);
    Ok((status, json.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?))
}

fn wrong_method(allow: &'static str) -> (StatusCode, &'static str, String) {
    (StatusCode::METHOD_NOT_ALLOWED, allow, format!("use {allow}"))
}

fn refused(refusal: Refusal) -> (StatusCode, &'static str, String) {
    let (status, kind) = match &refusal {
        Refusal::NoKeyset(_) | Refusal::NoNode(_) | Refusal::Illegal(Illegal::UnknownKey(_)) => {
            (StatusCode::NOT_FOUND, "not-found")
        }
        Refusal::Illegal(_)
        | Refusal::HasDocument(_)
        | Refusal::NodeAnswers(_)
        | Refusal::NoNodes
        | Refusal::NothingRestored(_)
        | Refusal::OnceHeld(_)
        | Refusal::NoDocument(_) => (StatusCode::CONFLICT, "state-forbids"),
        Refusal::BadKeyFile(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-key-file"),
        Refusal::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-failed"),
    };
    (status, kind, refusal.to_string())
}

/// Nobody waits for it: an operator must be able to act while the trail's disk is full.
fn record(trail: &Trail, operator: &Operator, path: &str, id: &RequestId, answer: &Answer) {
    let (outcome, status, message) = match answer {
        Ok((status, _)) => (Outcome::Success, status, None),
        Err((status, _, sentence)) => (Outcome::Failure, status, Some(sentence.as_str())),
    };
    let event = Event {
        reason: Some(status.as_str()),
        rule: Some(path),
        request_id: Some(id.as_str()),
        message,
        ..Event::new(clock::now(), Action::OperatorCommand, outcome)
    };
    trail.note(&event.by(operator.subject));
}

/// A connection to the admin socket: who asks, in words.
pub struct Operator {
    by: String,
    subject: Subject,
}

impl Operator {
    /// As the kernel knows the peer.
    pub fn new(peer: &Peer) -> Operator {
        Operator { by: format!("uid {}", peer.uid), subject: peer.subject() }
    }
}

impl Handler for Admin {
    type Connection = Operator;

    async fn answer(&self, operator: &Operator, head: &Parts, body: &[u8]) -> http::Answer {
        match (&head.method, head.uri.path()) {
            (&Method::GET, "/openapi.json") => return super::openapi::serve(&openapi::DOCUMENT),
            (_, "/openapi.json") => return http::wrong_method("GET"),
            _ => {}
        }
        let answered = self.call(&head.method, head.uri.path(), body, &operator.by).await;
        let id = self.trail.as_ref().filter(|_| head.method == Method::POST).map(|trail| {
            let id = RequestId::of(head);
            record(trail, operator, head.uri.path(), &id, &answered);
            id
        });
        let mut answer = match answered {
            Ok((status, value)) => http::value(status, &value),
            Err((StatusCode::METHOD_NOT_ALLOWED, allow, _)) => http::wrong_method(allow),
            Err((status, kind, sentence)) => http::problem(status, kind, &sentence, ""),
        };
        if let Some(id) = id {
            id.tell(&mut answer);
        }
        answer
    }
}
