//! What a signed token says.
//!
//! Claims borrow from the request and the policy's answer: signing copies nothing
//! but bytes into the token. There is no `jti`, which LiveKit would take for the
//! identity of a token without one, and always an `exp`, without which a token
//! never dies. Source: `auth/grants.go` of livekit/protocol.

mod acceptable;
pub mod room_config;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::grants::{
    AgentEndpointGrant, AgentGrant, AgentThreadGrant, Grants, Group, InferenceGrant, ObservabilityGrant,
    SipGrant, VideoGrant, is_default,
};
use crate::problem::Problem;
use crate::time::Time;

pub use acceptable::{LONGEST_ATTRIBUTES, LONGEST_METADATA};
pub(crate) use acceptable::{check, check_rights};

/// The kind of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person's client.
    #[default]
    Standard,
    /// Media from outside.
    Ingress,
    /// A recorder.
    Egress,
    /// A telephone.
    Sip,
    /// A program that takes part.
    Agent,
    /// A connector to another service.
    Connector,
    /// A bridge between rooms.
    Bridge,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 7] =
        [Kind::Standard, Kind::Ingress, Kind::Egress, Kind::Sip, Kind::Agent, Kind::Connector, Kind::Bridge];

    /// As tokens have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Standard => "standard",
            Kind::Ingress => "ingress",
            Kind::Egress => "egress",
            Kind::Sip => "sip",
            Kind::Agent => "agent",
            Kind::Connector => "connector",
            Kind::Bridge => "bridge",
        }
    }
}

/// What this daemon wants to find again in a token of its own; LiveKit and its SDKs ignore it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin<'a> {
    /// The profile that was applied.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub profile: &'a str,
    /// Who asked.
    pub caller: &'a str,
    /// Who vouched for the identity, if it is a user of an issuer.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub issuer: &'a str,
    /// When the identity was established: now, unless it is a refresh. In seconds since the Unix epoch.
    pub auth_time: i64,
}

/// The claims, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub: &'a str,
    nbf: i64,
    exp: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    kind: Kind,
    #[serde(skip_serializing_if = "is_empty")]
    kind_details: &'a [String],
    #[serde(skip_serializing_if = "is_unset")]
    video: &'a VideoGrant,
    #[serde(skip_serializing_if = "is_unset")]
    sip: &'a SipGrant,
    #[serde(skip_serializing_if = "is_unset")]
    agent: &'a AgentGrant,
    #[serde(skip_serializing_if = "is_unset")]
    agent_endpoint: &'a AgentEndpointGrant,
    #[serde(skip_serializing_if = "is_unset")]
    agent_thread: &'a AgentThreadGrant,
    #[serde(skip_serializing_if = "is_unset")]
    inference: &'a InferenceGrant,
    #[serde(skip_serializing_if = "is_unset")]
    observability: &'a ObservabilityGrant,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_config: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    room_preset: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sha256: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: &'a BTreeMap<String, String>,
    #[serde(rename = "livekit_keyd")]
    origin: Origin<'a>,
}

fn is_unset<G: Group>(group: &&G) -> bool {
    group.says_nothing()
}

fn is_empty(list: &&[String]) -> bool {
    list.is_empty()
}

/// Everything about a participant but rights: what a token tells others of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Participant {
    /// Unique in a room; empty where a token needs none.
    pub identity: String,
    /// For people to see.
    pub name: String,
    /// What kind of participant.
    pub kind: Kind,
    /// Details of that kind.
    pub kind_details: Vec<String>,
    /// Opaque to LiveKit.
    pub metadata: String,
    /// Opaque to LiveKit.
    pub attributes: BTreeMap<String, String>,
    /// How the room is made, if it is made by this join.
    pub room_config: Option<Map<String, Value>>,
    /// A named preset of the server for that.
    pub room_preset: String,
    /// The hash of a body that the token vouches for, as webhooks have it.
    pub sha256: String,
}

impl<'a> Claims<'a> {
    /// Of what a policy approved. Whole seconds, rounded so that no limit is passed.
    ///
    /// # Errors
    /// Why LiveKit would refuse the token.
    pub fn new(
        key_id: &'a str,
        participant: &'a Participant,
        grants: &'a Grants,
        origin: Origin<'a>,
        now: Time,
        expires_at: Time,
    ) -> Result<Claims<'a>, Problem> {
        check(participant, grants)?;
        Ok(Claims {
            iss: key_id,
            sub: &participant.identity,
            nbf: now.as_secs(),
            exp: expires_at.as_secs(),
            name: &participant.name,
            kind: participant.kind,
            kind_details: &participant.kind_details,
            video: &grants.video,
            sip: &grants.sip,
            agent: &grants.agent,
            agent_endpoint: &grants.agent_endpoint,
            agent_thread: &grants.agent_thread,
            inference: &grants.inference,
            observability: &grants.observability,
            room_config: participant.room_config.as_ref(),
            room_preset: &participant.room_preset,
            sha256: &participant.sha256,
            metadata: &participant.metadata,
            attributes: &participant.attributes,
            origin,
        })
    }
}
