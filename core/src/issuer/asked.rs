//! What is asked for beside a subject token: in the form of RFC 8693, and in that of LiveKit's client SDKs.
//!
//! Whoever asks proposes; the issuer's rules decide what of it is used. An
//! identity is not even read: it comes from the subject token alone.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::form::Form;
use crate::claims::room_config::camel_case;
use crate::object::Object;
use crate::problem::Problem;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The room.
    pub room: Option<String>,
    /// A name for others to see.
    pub name: Option<String>,
    /// Opaque to LiveKit.
    pub metadata: Option<String>,
    /// Opaque to LiveKit.
    pub attributes: BTreeMap<String, String>,
    /// How the room is made, camelCase.
    pub room_config: Option<Map<String, Value>>,
}

/// The body of `POST /token`; what else is in it means nothing here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EndpointRequest {
    /// The room.
    room_name: Option<String>,
    /// A name for others to see.
    participant_name: Option<String>,
    /// Opaque to LiveKit.
    participant_metadata: Option<String>,
    /// Opaque to LiveKit.
    participant_attributes: Option<BTreeMap<String, String>>,
    /// How the room is made, snake_case.
    room_config: Option<Map<String, Value>>,
}

impl Asked {
    /// Reads the body that LiveKit's client SDKs send. Some send empty text and an empty `room_config` for none.
    ///
    /// # Errors
    /// It is no JSON object, or a field is of another type.
    pub fn from_endpoint(body: &[u8]) -> Result<Asked, Problem> {
        let body: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { body };
        let Object(body): Object<EndpointRequest> = serde_json::from_slice(body).map_err(|error| {
            let what = "the body must be JSON like {\"room_name\": \"demo\", \"participant_name\": \"Ann\"}";
            Problem::malformed("", format!("{what}: {error}"))
        })?;
        Ok(Asked {
            room: some(body.room_name),
            name: some(body.participant_name),
            metadata: some(body.participant_metadata),
            attributes: body.participant_attributes.unwrap_or_default(),
            room_config: body.room_config.filter(|config| !config.is_empty()).map(camel_case),
        })
    }

    /// As rules see it: `request`.
    pub fn to_json(&self) -> Value {
        let Asked { room, name, metadata, attributes, room_config: _ } = self;
        let mut request = json!({"attributes": attributes});
        for (key, value) in [("room", room), ("name", name), ("metadata", metadata)] {
            // What was not asked for is not there, so that `has()` can tell.
            if let Some(value) = value {
                request[key] = json!(value);
            }
        }
        request
    }
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// What went wrong with an exchange, as RFC 6749, section 5.2, has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The code.
    pub error: &'static str,
    /// What to change.
    pub description: String,
}

impl OAuthError {
    /// An error with a sentence.
    pub fn new(error: &'static str, description: impl Into<String>) -> OAuthError {
        OAuthError { error, description: description.into() }
    }
}

/// A request to exchange a token (RFC 8693, section 2.1), with `room`, `name`, `metadata`, `attributes` and
/// `room_config` beside it.
#[derive(Debug)]
pub struct Exchange {
    /// The issuer's token.
    pub subject_token: String,
    /// What is asked for beside it.
    pub asked: Asked,
}

/// What is exchanged, and what it is exchanged for: a JWT, whatever it is called.
pub const TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const SUBJECT_TYPES: [&str; 3] = [
    TOKEN_TYPE,
    "urn:ietf:params:oauth:token-type:id_token",
    "urn:ietf:params:oauth:token-type:access_token",
];

/// As [`Exchange::parse`] reads it.
impl JsonSchema for Exchange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ExchangeRequest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["grant_type", "subject_token", "subject_token_type"],
            "properties": {
                "grant_type": {"const": GRANT_TYPE},
                "subject_token": {"type": "string", "minLength": 1, "description": "The user's own token: a JWT of a configured issuer."},
                "subject_token_type": {"enum": SUBJECT_TYPES},
                "requested_token_type": {"const": TOKEN_TYPE},
                "room": {"type": "string"},
                "name": {"type": "string"},
                "metadata": {"type": "string"},
                "attributes": {"type": "string", "description": "A JSON object of text."},
                "room_config": {"type": "string", "description": "A JSON object, camelCase."},
            },
        })
    }
}

impl Exchange {
    /// Reads the form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Exchange, OAuthError> {
        let invalid = |sentence: &str| OAuthError::new("invalid_request", sentence);
        let mut form = Form::parse(body).map_err(|sentence| invalid(&sentence))?;
        match form.take("grant_type").as_deref() {
            Some(GRANT_TYPE) => {}
            Some(_) => {
                let sentence = format!("grant_type must be {GRANT_TYPE}");
                return Err(OAuthError::new("unsupported_grant_type", sentence));
            }
            None => return Err(invalid(&format!("grant_type is missing: send {GRANT_TYPE} as a form"))),
        }
        let subject_token = form.take("subject_token").ok_or_else(|| invalid("subject_token is missing"))?;
        let one_of = || SUBJECT_TYPES.join(", ");
        match form.take("subject_token_type") {
            Some(kind) if SUBJECT_TYPES.contains(&kind.as_str()) => {}
            Some(_) => return Err(invalid(&format!("subject_token_type must be one of {}", one_of()))),
            None => return Err(invalid(&format!("subject_token_type is missing: one of {}", one_of()))),
        }
        if form.take("requested_token_type").is_some_and(|kind| kind != TOKEN_TYPE) {
            return Err(invalid(&format!("requested_token_type must be {TOKEN_TYPE}, or left out")));
        }
        if form.take("actor_token").is_some() || form.take("actor_token_type").is_some() {
            return Err(invalid("nobody can act for another here: take actor_token out"));
        }
        if form.take("audience").is_some() || form.take("resource").is_some() {
            let sentence = "tokens are for this LiveKit deployment only: take audience and resource out";
            return Err(OAuthError::new("invalid_target", sentence));
        }
        if form.take("scope").is_some() {
            let sentence = "the issuer's rules decide what is granted: take scope out";
            return Err(OAuthError::new("invalid_scope", sentence));
        }
        let asked = Asked {
            room: form.take("room"),
            name: form.take("name"),
            metadata: form.take("metadata"),
            attributes: json_parameter(&mut form, "attributes", "an object of text")?.unwrap_or_default(),
            room_config: json_parameter(&mut form, "room_config", "an object")?,
        };
        Ok(Exchange { subject_token, asked })
    }
}

fn json_parameter<T: for<'de> Deserialize<'de>>(
    form: &mut Form,
    name: &str,
    wanted: &str,
) -> Result<Option<T>, OAuthError> {
    let wrong = |_| OAuthError::new("invalid_request", format!("{name} must be {wanted}, as JSON"));
    form.take(name).map(|text| serde_json::from_str(&text).map_err(wrong)).transpose()
}
