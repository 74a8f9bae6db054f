//! What LiveKit would refuse cannot be signed.

use super::{Participant, room_config};
use crate::grants::Grants;
use crate::problem::Problem;
use crate::request::LONGEST_NAME;

/// The most bytes of a participant's metadata, as livekit-server has it by default.
pub const LONGEST_METADATA: usize = 512 * 1024;

/// The most bytes of all names and values of attributes, as livekit-server has it by default.
pub const LONGEST_ATTRIBUTES: usize = 64 * 1024;

/// Whether LiveKit would accept a token of these.
///
/// # Errors
/// Why it would not: a problem of the kind [`NotAToken`](crate::problem::ProblemKind::NotAToken).
pub(crate) fn check(participant: &Participant, grants: &Grants) -> Result<(), Problem> {
    check_rights(grants, &participant.identity)?;
    lengths(participant, grants)?;
    if let Some(config) = &participant.room_config {
        room_config::check(config).map_err(|wrong| {
            let detail = format!("LiveKit cannot read this room_config: it must be {}", wrong.wanted);
            Problem::not_a_token(&format!("/room_config{}", wrong.pointer), detail)
        })?;
    }
    Ok(())
}

/// Whether the rights have what they need: a room, an identity.
///
/// # Errors
/// What is missing.
pub(crate) fn check_rights(grants: &Grants, identity: &str) -> Result<(), Problem> {
    let video = &grants.video;
    let refuse = |pointer: &str, detail: &str| Err(Problem::not_a_token(pointer, detail));
    if video.room_join == Some(true) && video.room.is_empty() {
        return refuse("/room", "roomJoin needs a `room`: LiveKit refuses a join without one");
    }
    if video.room_join == Some(true) && identity.is_empty() {
        return refuse("/identity", "roomJoin needs an `identity`: LiveKit refuses a join without one");
    }
    if video.room_admin == Some(true) && (video.room.is_empty() || video.room == "*") {
        return refuse("/room", "roomAdmin is for one `room`: LiveKit takes neither none nor `*`");
    }
    Ok(())
}

fn lengths(participant: &Participant, grants: &Grants) -> Result<(), Problem> {
    let attributes = participant.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    for (pointer, length, most) in [
        ("/identity", participant.identity.len(), LONGEST_NAME),
        ("/room", grants.video.room.len(), LONGEST_NAME),
        ("/metadata", participant.metadata.len(), LONGEST_METADATA),
        ("/attributes", attributes, LONGEST_ATTRIBUTES),
    ] {
        if length > most {
            let detail = format!("this has {length} bytes, and LiveKit takes at most {most}");
            return Err(Problem::not_a_token(pointer, detail));
        }
    }
    Ok(())
}
