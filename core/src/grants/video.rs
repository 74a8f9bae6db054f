//! Rooms and media.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flag, Group, is_not_true};

/// What a participant may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublishSource {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A screen.
    ScreenShare,
    /// A screen's sound.
    ScreenShareAudio,
}

/// As tokens have it.
impl fmt::Display for PublishSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PublishSource::Camera => "camera",
            PublishSource::Microphone => "microphone",
            PublishSource::ScreenShare => "screen_share",
            PublishSource::ScreenShareAudio => "screen_share_audio",
        })
    }
}

/// An empty list means every source, as none does.
fn names_none(sources: &Option<Vec<PublishSource>>) -> bool {
    sources.as_ref().is_none_or(Vec::is_empty)
}

/// The member `video` of the claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VideoGrant {
    /// May create rooms. Reaches every room.
    #[serde(skip_serializing_if = "is_not_true")]
    pub room_create: Option<bool>,
    /// May list rooms. Reaches every room.
    #[serde(skip_serializing_if = "is_not_true")]
    pub room_list: Option<bool>,
    /// May start egress. Reaches every room.
    #[serde(skip_serializing_if = "is_not_true")]
    pub room_record: Option<bool>,
    /// May moderate `room`.
    #[serde(skip_serializing_if = "is_not_true")]
    pub room_admin: Option<bool>,
    /// May join `room`.
    #[serde(skip_serializing_if = "is_not_true")]
    pub room_join: Option<bool>,
    /// Which room.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// Where participants may be forwarded to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub destination_room: String,
    /// Unset: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// Unset: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// Unset: as `can_publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// Only these sources; unset or empty: every source.
    #[serde(skip_serializing_if = "names_none")]
    pub can_publish_sources: Option<Vec<PublishSource>>,
    /// Unset: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// May manage ingress. Reaches every room.
    #[serde(skip_serializing_if = "is_not_true")]
    pub ingress_admin: Option<bool>,
    /// Not shown to other participants.
    #[serde(skip_serializing_if = "is_not_true")]
    pub hidden: Option<bool>,
    /// Shown to others as a recorder.
    #[serde(skip_serializing_if = "is_not_true")]
    pub recorder: Option<bool>,
    /// May register as an agent.
    #[serde(skip_serializing_if = "is_not_true")]
    pub agent: Option<bool>,
    /// Unset: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe_metrics: Option<bool>,
    /// Unset: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_manage_agent_session: Option<bool>,
}

impl Group for VideoGrant {
    const NAME: &'static str = "video";

    fn flags(&self) -> impl AsRef<[Flag]> {
        let data = self.can_publish.unwrap_or(true);
        let flag = |name, default, value| Flag { name, default, value };
        [
            flag("roomCreate", false, self.room_create),
            flag("roomList", false, self.room_list),
            flag("roomRecord", false, self.room_record),
            flag("roomAdmin", false, self.room_admin),
            flag("roomJoin", false, self.room_join),
            flag("canPublish", true, self.can_publish),
            flag("canSubscribe", true, self.can_subscribe),
            flag("canPublishData", data, self.can_publish_data),
            flag("canUpdateOwnMetadata", false, self.can_update_own_metadata),
            flag("ingressAdmin", false, self.ingress_admin),
            flag("hidden", false, self.hidden),
            flag("recorder", false, self.recorder),
            flag("agent", false, self.agent),
            flag("canSubscribeMetrics", false, self.can_subscribe_metrics),
            flag("canManageAgentSession", false, self.can_manage_agent_session),
        ]
    }

    fn places(&mut self) -> impl AsMut<[&mut Option<bool>]> {
        [
            &mut self.room_create,
            &mut self.room_list,
            &mut self.room_record,
            &mut self.room_admin,
            &mut self.room_join,
            &mut self.can_publish,
            &mut self.can_subscribe,
            &mut self.can_publish_data,
            &mut self.can_update_own_metadata,
            &mut self.ingress_admin,
            &mut self.hidden,
            &mut self.recorder,
            &mut self.agent,
            &mut self.can_subscribe_metrics,
            &mut self.can_manage_agent_session,
        ]
    }

    fn says_nothing(&self) -> bool {
        let VideoGrant {
            room_create,
            room_list,
            room_record,
            room_admin,
            room_join,
            ingress_admin,
            hidden,
            recorder,
            agent,
            can_publish,
            can_subscribe,
            can_publish_data,
            can_update_own_metadata,
            can_subscribe_metrics,
            can_manage_agent_session,
            room,
            destination_room,
            can_publish_sources,
        } = self;
        [room_create, room_list, room_record, room_admin, room_join, ingress_admin, hidden, recorder, agent]
            .into_iter()
            .all(is_not_true)
            && [
                can_publish,
                can_subscribe,
                can_publish_data,
                can_update_own_metadata,
                can_subscribe_metrics,
                can_manage_agent_session,
            ]
            .into_iter()
            .all(Option::is_none)
            && room.is_empty()
            && destination_room.is_empty()
            && names_none(can_publish_sources)
    }
}
