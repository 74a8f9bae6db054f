//! What an application asks for: the body of `POST /v1/tokens`, strictly read.
//!
//! A good request is parsed once, straight into its type. Only a bad one is
//! parsed again, to find the place and the known name nearest to what was meant.

mod mistake;
mod refresh;
mod ttl;
mod verify;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::claims::Kind;
use crate::grants::Grants;
use crate::object::{self, Object};
use crate::problem::Problem;
pub use refresh::{Earlier, Issued, RefreshRequest};
pub use ttl::RequestedTtl;
pub use verify::VerifyRequest;

/// The most bytes of an identity or a room's name, as livekit-server has it by default.
pub const LONGEST_NAME: usize = 256;

/// A request for one token.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenRequest {
    /// The participant's identity: 1 to 256 bytes.
    #[schemars(length(min = 1, max = 256))]
    pub identity: Option<String>,
    /// The participant's name for others to see.
    pub name: Option<String>,
    /// The room, put into `video.room`: 1 to 256 bytes.
    #[schemars(length(min = 1, max = 256))]
    pub room: Option<String>,
    /// The profile to apply.
    pub profile: Option<String>,
    /// Grants, which narrow those of a profile.
    #[serde(deserialize_with = "object::only")]
    pub grants: Grants,
    /// The participant's kind.
    pub kind: Option<Kind>,
    /// Opaque to LiveKit.
    pub metadata: Option<String>,
    /// Opaque to LiveKit.
    pub attributes: BTreeMap<String, String>,
    /// How the room is made, camelCase as in the token.
    pub room_config: Option<Map<String, Value>>,
    /// How long the token lives.
    pub ttl: Option<RequestedTtl>,
}

impl TokenRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(body: &[u8]) -> Result<TokenRequest, Problem> {
        let Object(request): Object<TokenRequest> =
            serde_json::from_slice(body).map_err(|_| mistake::find::<TokenRequest>(body))?;
        request.check()
    }

    /// What no policy could mend.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(mut self) -> Result<TokenRequest, Problem> {
        check_name("/identity", self.identity.as_deref())?;
        check_name("/room", self.room.as_deref())?;
        let inner = Some(self.grants.video.room.as_str()).filter(|room| !room.is_empty());
        check_name("/grants/video/room", inner)?;
        let destination = Some(self.grants.video.destination_room.as_str()).filter(|room| !room.is_empty());
        check_name("/grants/video/destinationRoom", destination)?;
        match (&self.room, inner) {
            (Some(room), Some(inner)) if room != inner => {
                let detail =
                    format!("`room` is `{room}` and `grants.video.room` is `{inner}`: name one room");
                return Err(Problem::malformed("/room", detail));
            }
            (Some(room), None) => self.grants.video.room = room.clone(),
            _ => {}
        }
        Ok(self)
    }
}

fn check_name(pointer: &str, name: Option<&str>) -> Result<(), Problem> {
    let Some(name) = name else { return Ok(()) };
    let what = || pointer.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Err(Problem::malformed(pointer, format!("`{}` is empty: leave it out or give one", what())));
    }
    if name.len() > LONGEST_NAME {
        let detail =
            format!("`{}` has {} bytes, and LiveKit takes at most {LONGEST_NAME}", what(), name.len());
        return Err(Problem::malformed(pointer, detail));
    }
    if let Some(control) = name.chars().find(|c| c.is_control()) {
        let detail =
            format!("`{}` has the control character U+{:04X}: take it out", what(), u32::from(control));
        return Err(Problem::malformed(pointer, detail));
    }
    Ok(())
}

/// The most tokens of one batch.
pub const LARGEST_BATCH: usize = 10_000;

/// A request for many tokens, each as at `POST /v1/tokens`. One mistake does not spoil the rest.
///
/// It is read in two steps: where each token's request is, then one after the other. A list of all of them would be
/// larger than the processor's caches.
#[derive(Debug)]
pub struct BatchRequest<'a>(Vec<&'a RawValue>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tokens<T> {
    /// Each as at `POST /v1/tokens`.
    #[schemars(length(min = 1, max = LARGEST_BATCH))]
    tokens: Vec<T>,
}

impl JsonSchema for BatchRequest<'_> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BatchRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Tokens::<TokenRequest>::json_schema(generator)
    }
}

impl<'a> BatchRequest<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it as a whole, and where.
    pub fn parse(body: &'a [u8]) -> Result<BatchRequest<'a>, Problem> {
        let Object(Tokens { tokens }): Object<Tokens<&RawValue>> =
            serde_json::from_slice(body).map_err(|_| mistake::find::<Tokens<serde::de::IgnoredAny>>(body))?;
        if tokens.is_empty() || tokens.len() > LARGEST_BATCH {
            let detail =
                format!("a batch has 1 to {LARGEST_BATCH} tokens, and this one has {}", tokens.len());
            return Err(Problem::malformed("/tokens", detail));
        }
        Ok(BatchRequest(tokens))
    }

    /// How many tokens are asked for: never none.
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each request, or what is wrong with it.
    pub fn into_requests(self) -> impl Iterator<Item = Result<TokenRequest, Problem>> {
        self.0.into_iter().map(|request| TokenRequest::parse(request.get().as_bytes()))
    }
}
