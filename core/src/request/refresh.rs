//! A token that shall live on: the body of `POST /v1/tokens/refresh`, and what the token itself says.
//!
//! A token is renewed as it is or not at all: policy is asked for the very same
//! rights, and a policy that would give others by now is a refusal.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{RequestedTtl, TokenRequest, mistake};
use crate::claims::Kind;
use crate::grants::{
    AgentEndpointGrant, AgentGrant, AgentThreadGrant, Grants, Group, InferenceGrant, ObservabilityGrant,
    SipGrant, VideoGrant,
};
use crate::object::Object;
use crate::problem::Problem;

/// A request to renew a token.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The token, which is good still.
    pub token: String,
    /// How long the new one lives.
    #[serde(default)]
    pub ttl: Option<RequestedTtl>,
    /// For a user of an issuer: a token of the issuer that is good now.
    #[serde(default)]
    pub subject_token: Option<String>,
}

impl RefreshRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(body: &[u8]) -> Result<RefreshRequest, Problem> {
        let read = serde_json::from_slice::<Object<RefreshRequest>>(body);
        read.map(|Object(request)| request).map_err(|_| mistake::find::<RefreshRequest>(body))
    }
}

/// Where a token of ours came from, as its private claim has it.
#[derive(Clone, Debug, Deserialize)]
pub struct Issued {
    /// The profile that was applied; empty for none.
    #[serde(default)]
    pub profile: String,
    /// Who asked.
    pub caller: String,
    /// Who vouched for the identity; empty for the caller itself.
    #[serde(default)]
    pub issuer: String,
    /// When the identity was established, in seconds since the Unix epoch.
    pub auth_time: i64,
}

/// What a token of ours says, to be asked for once more.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Where it came from.
    pub issued: Issued,
    /// What it grants.
    pub grants: Grants,
    claims: Signed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(rename = "livekit_keyd")]
    origin: Option<Issued>,
    sub: Option<String>,
    name: Option<String>,
    kind: Option<Kind>,
    metadata: Option<String>,
    #[serde(default)]
    attributes: std::collections::BTreeMap<String, String>,
    room_config: Option<Map<String, Value>>,
}

const GROUPS: [&str; 7] = [
    VideoGrant::NAME,
    SipGrant::NAME,
    AgentGrant::NAME,
    AgentEndpointGrant::NAME,
    AgentThreadGrant::NAME,
    InferenceGrant::NAME,
    ObservabilityGrant::NAME,
];

impl Earlier {
    /// Of the claims of a token whose signature is good.
    ///
    /// # Errors
    /// It was not made by this daemon for a caller of it.
    pub fn of(claims: &Map<String, Value>) -> Result<Earlier, Problem> {
        let foreign =
            |why: &str| Problem::not_a_token("/token", format!("this token cannot be refreshed: {why}"));
        let signed: Signed = serde_json::from_value(Value::Object(claims.clone()))
            .map_err(|_| foreign("it says more than this daemon writes"))?;
        let issued = signed
            .origin
            .clone()
            .ok_or_else(|| foreign("it has no `livekit_keyd`: it was made elsewhere"))?;
        let groups = GROUPS.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        let grants = serde_json::from_value(Value::Object(groups.collect()))
            .map_err(|_| foreign("it has grants that this daemon does not know"))?;
        Ok(Earlier { issued, grants, claims: signed })
    }

    /// Whom it is for; empty for nobody.
    pub fn identity(&self) -> &str {
        self.claims.sub.as_deref().unwrap_or_default()
    }

    /// Their name.
    pub fn name(&self) -> Option<&str> {
        self.claims.name.as_deref()
    }

    /// Opaque to LiveKit.
    pub fn attributes(&self) -> &std::collections::BTreeMap<String, String> {
        &self.claims.attributes
    }

    /// How its room is made.
    pub fn room_config(&self) -> Option<&Map<String, Value>> {
        self.claims.room_config.as_ref()
    }

    /// The request that it would be made for now.
    ///
    /// # Errors
    /// No request could have led to it.
    pub fn request(&self, ttl: Option<RequestedTtl>) -> Result<TokenRequest, Problem> {
        let Signed { sub, name, kind, metadata, attributes, room_config, origin: _ } = self.claims.clone();
        let room = Some(self.grants.video.room.clone()).filter(|room| !room.is_empty());
        let profile = Some(self.issued.profile.clone()).filter(|profile| !profile.is_empty());
        // Beside a profile what is not asked for is the profile's: say no to what the token does not have.
        let grants = if profile.is_some() { with_refusals(&self.grants) } else { self.grants.clone() };
        let request = TokenRequest {
            identity: sub,
            name,
            room,
            profile,
            grants,
            kind,
            metadata,
            attributes,
            room_config,
            ttl,
        };
        request.check()
    }

    /// Whether these are the same rights, with LiveKit's defaults for what is unset.
    pub fn has_the_rights_of(&self, other: &Grants) -> bool {
        with_all_flags(&self.grants) == with_all_flags(other)
    }
}

fn with_refusals(grants: &Grants) -> Grants {
    each_group(grants, |default, value| value.or((!default).then_some(false)))
}

fn with_all_flags(grants: &Grants) -> Grants {
    let mut all = each_group(grants, |default, value| Some(value.unwrap_or(default)));
    // An empty list means every source, as none does.
    all.video.can_publish_sources = all.video.can_publish_sources.filter(|sources| !sources.is_empty());
    all
}

fn each_group(grants: &Grants, change: impl Fn(bool, Option<bool>) -> Option<bool> + Copy) -> Grants {
    Grants {
        video: changed(&grants.video, change),
        sip: changed(&grants.sip, change),
        agent: changed(&grants.agent, change),
        agent_endpoint: changed(&grants.agent_endpoint, change),
        agent_thread: changed(&grants.agent_thread, change),
        inference: changed(&grants.inference, change),
        observability: changed(&grants.observability, change),
    }
}

fn changed<G: Group + Clone>(group: &G, change: impl Fn(bool, Option<bool>) -> Option<bool>) -> G {
    let mut changed = group.clone();
    for (flag, place) in group.flags().as_ref().iter().zip(changed.places().as_mut()) {
        **place = change(flag.default, flag.value);
    }
    changed
}
