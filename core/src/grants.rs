//! Every right that a LiveKit token can carry.
//!
//! *Unset* and *false* are different: unset `canPublish` means yes, unset
//! `canUpdateOwnMetadata` means no. So each flag is an option, and LiveKit's
//! default for it stands in one table.
//! Source: `auth/grants.go` of livekit/protocol.

mod agent;
mod narrow;
mod service;
mod video;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object;

pub use agent::{AgentEndpointGrant, AgentGrant, AgentThreadGrant};
pub use narrow::Wider;
pub use service::{InferenceGrant, ObservabilityGrant, SipGrant};
pub use video::{PublishSource, VideoGrant};

/// A flag of a group of grants, with what LiveKit takes it for when it is unset.
#[derive(Clone, Copy)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) default: bool,
    pub(crate) value: Option<bool>,
}

/// A group of grants: a member of the claims. Its flags come as arrays, since they are compared on each request.
pub(crate) trait Group: Default + PartialEq {
    /// Its member of the claims.
    const NAME: &'static str;

    /// All its flags.
    fn flags(&self) -> impl AsRef<[Flag]>;

    /// Their places, in the same order.
    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]>;

    /// Whether a token is the same without it: also where a flag is false of which unset and false mean the same.
    fn says_nothing(&self) -> bool;
}

/// All rights of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grants {
    /// Rooms and media.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub video: VideoGrant,
    /// Telephony.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub sip: SipGrant,
    /// Agents.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub agent: AgentGrant,
    /// Calls of an agent's endpoint.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub agent_endpoint: AgentEndpointGrant,
    /// An agent's threads.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub agent_thread: AgentThreadGrant,
    /// Inference through LiveKit.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub inference: InferenceGrant,
    /// Observability data.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "object::only")]
    pub observability: ObservabilityGrant,
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Leaves out a flag of which unset and false mean the same, unless it is true.
pub(crate) fn is_not_true(flag: &Option<bool>) -> bool {
    *flag != Some(true)
}

impl Grants {
    /// The names of what these grants give beyond LiveKit's defaults, like `video.roomJoin`.
    pub fn granted(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.video, &mut names);
        collect(&self.sip, &mut names);
        collect(&self.agent, &mut names);
        collect(&self.agent_endpoint, &mut names);
        collect(&self.agent_thread, &mut names);
        collect(&self.inference, &mut names);
        collect(&self.observability, &mut names);
        if !self.video.destination_room.is_empty() {
            names.push("video.destinationRoom".to_owned());
        }
        names
    }

    /// The first of [`Grants::granted`] that no pattern allows: for a bound.
    pub fn beyond(&self, allowed: &[GrantPattern]) -> Option<String> {
        self.first_without(allowed, GrantPattern::allows)
    }

    /// The first of [`Grants::granted`] that no pattern gives: for a list that is all that somebody has.
    pub fn not_given(&self, given: &[GrantPattern]) -> Option<String> {
        self.first_without(given, GrantPattern::gives)
    }

    fn first_without(
        &self,
        patterns: &[GrantPattern],
        covers: impl Fn(&GrantPattern, &str) -> bool,
    ) -> Option<String> {
        if patterns.iter().any(GrantPattern::allows_all) {
            return None;
        }
        self.granted().into_iter().find(|name| !patterns.iter().any(|pattern| covers(pattern, name)))
    }

    /// The rights that reach every room, whatever `room` says.
    pub fn reaching_every_room(&self) -> Vec<&'static str> {
        let video = &self.video;
        let reaching = [
            ("roomCreate", video.room_create),
            ("roomList", video.room_list),
            ("roomRecord", video.room_record),
            ("ingressAdmin", video.ingress_admin),
        ];
        reaching.into_iter().filter(|(_, flag)| *flag == Some(true)).map(|(name, _)| name).collect()
    }
}

fn collect<G: Group>(group: &G, names: &mut Vec<String>) {
    for flag in group.flags().as_ref() {
        if flag.value == Some(true) && !flag.default {
            names.push([G::NAME, ".", flag.name].concat());
        }
    }
}

/// What a caller has by name only, or by `*`.
const GIVEN_BY_NAME: [&str; 6] = [
    "video.roomCreate",
    "video.roomList",
    "video.roomRecord",
    "video.ingressAdmin",
    "video.hidden",
    "video.recorder",
];

/// A pattern of an `allowed_grants` list: `video.roomJoin`, `sip.*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantPattern(String);

impl GrantPattern {
    /// Reads one, and says which names there are if it fits none.
    ///
    /// # Errors
    /// A sentence.
    pub fn parse(text: &str) -> Result<GrantPattern, String> {
        let pattern = GrantPattern(text.to_owned());
        let known = GrantPattern::known();
        if known.iter().any(|name| pattern.allows(name)) {
            return Ok(pattern);
        }
        let nearest = crate::nearest::nearest(text, known.iter().map(String::as_str));
        Err(match nearest {
            Some(name) => format!("there is no grant `{text}`; did you mean `{name}`?"),
            None => format!("there is no grant `{text}`; write one like `video.roomJoin`, `sip.*` or `*`"),
        })
    }

    /// Whether it covers every grant.
    pub fn allows_all(&self) -> bool {
        self.0 == "*"
    }

    /// Whether it covers a grant's name.
    pub fn allows(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some("") => true,
            Some(prefix) => prefix.ends_with('.') && name.starts_with(prefix),
            None => self.0 == name,
        }
    }

    /// Whether it gives a grant of that name: what reaches every room, or hides who is there, is never meant by a
    /// pattern for a whole group.
    pub fn gives(&self, name: &str) -> bool {
        self.allows(name) && (self.allows_all() || self.0 == name || !GIVEN_BY_NAME.contains(&name))
    }

    /// All names that can be listed.
    pub fn known() -> Vec<String> {
        fn names<G: Group>(known: &mut Vec<String>) {
            known.extend(
                G::default().flags().as_ref().iter().map(|flag| format!("{}.{}", G::NAME, flag.name)),
            );
        }
        let mut known = vec!["video.destinationRoom".to_owned(), "roomConfig".to_owned()];
        known.extend(crate::claims::Kind::ALL.iter().map(|kind| format!("kind.{}", kind.as_str())));
        names::<VideoGrant>(&mut known);
        names::<SipGrant>(&mut known);
        names::<AgentGrant>(&mut known);
        names::<AgentEndpointGrant>(&mut known);
        names::<AgentThreadGrant>(&mut known);
        names::<InferenceGrant>(&mut known);
        names::<ObservabilityGrant>(&mut known);
        known
    }
}

impl std::fmt::Display for GrantPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
