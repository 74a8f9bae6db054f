//! The decision. Each refusal names its rule and says what would be allowed.

use serde_json::{Map, Value};

use super::{Approved, Caller, DEFAULT_TTL, Glob, LimitedBy, Policy, Profile, RoomConfigRule, Ttl};
use crate::claims::{self, Kind, Participant};
use crate::grants::{GrantPattern, Grants};
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::request::TokenRequest;

/// As many names as a sentence can bear.
const MOST_NAMED: usize = 8;

impl Policy {
    /// What may be signed for a request.
    ///
    /// # Errors
    /// Which rule forbids it, or why LiveKit would refuse the token.
    pub fn decide(&self, request: TokenRequest) -> Result<Approved, Problem> {
        let profile = self.profile(&request)?;
        let grants = self.grants(profile, &request)?;
        self.within_the_keyset(&grants)?;
        // What no policy could mend is said before what policy forbids.
        claims::check_rights(&grants, request.identity.as_deref().unwrap_or_default())?;
        self.within_room_and_identity(&grants, request.identity.as_deref())?;
        let kind = self.kind(profile, request.kind)?;
        let room_config = self.room_config(profile, request.room_config)?;
        let ttl = self.ttl(profile, request.ttl.map(|ttl| ttl.0));
        let mut participant = Participant {
            identity: request.identity.unwrap_or_default(),
            name: request.name.unwrap_or_default(),
            kind,
            metadata: request.metadata.unwrap_or_default(),
            attributes: request.attributes,
            room_config,
            ..Participant::default()
        };
        if let Some(profile) = profile {
            fill_in(&mut participant, profile)?;
        }
        self.participant_within_the_keyset(&participant)?;
        claims::check(&participant, &grants)?;
        let profile = profile.map(|profile| profile.name.clone()).unwrap_or_default();
        Ok(Approved { participant, grants, ttl, profile })
    }

    fn profile(&self, request: &TokenRequest) -> Result<Option<&Profile>, Problem> {
        let Some(name) = &request.profile else {
            return Ok(match self.profiles.as_slice() {
                [only] => Some(only),
                _ => None,
            });
        };
        let found = self.profiles.binary_search_by(|profile| profile.name.as_str().cmp(name));
        let profile = found.ok().and_then(|index| self.profiles.get(index));
        profile.map(Some).ok_or_else(|| Problem::denied("profiles", "/profile", self.not_its_profile(name)))
    }

    fn not_its_profile(&self, name: &str) -> String {
        let names: Vec<_> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let caller = &self.caller.name;
        if names.is_empty() {
            return format!("caller `{caller}` has no profiles");
        }
        let remedy = match nearest(name, names.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("it may use: {}", listed(&names)),
        };
        format!("caller `{caller}` may not use profile `{name}`; {remedy}")
    }

    fn grants(&self, profile: Option<&Profile>, request: &TokenRequest) -> Result<Grants, Problem> {
        let Some(profile) = profile else {
            return match request.grants.not_given(&self.caller.allowed_grants) {
                None => Ok(request.grants.clone()),
                Some(name) => {
                    Err(Problem::denied("allowed_grants", &pointer(&name), self.not_its_grant(&name)))
                }
            };
        };
        let mut grants = Grants::narrow(&profile.grants, &request.grants).map_err(|wider| {
            let detail =
                format!("{} reaches further than profile `{}`: {}", wider.grant, profile.name, wider.allowed);
            Problem::denied("profile", &pointer(&wider.grant), detail)
        })?;
        let fixed = &profile.grants.video.room;
        if !fixed.is_empty() {
            if !grants.video.room.is_empty() && grants.video.room != *fixed {
                let detail = format!("profile `{}` is for room `{fixed}` only", profile.name);
                return Err(Problem::denied("profile", "/room", detail));
            }
            grants.video.room.clone_from(fixed);
        }
        Ok(grants)
    }

    fn not_its_grant(&self, name: &str) -> String {
        let Caller { name: caller, allowed_grants, .. } = &self.caller;
        match allowed_grants.iter().find(|pattern| pattern.allows(name)) {
            Some(pattern) => format!(
                "caller `{caller}` may not grant {name}: `{pattern}` does not cover it, since it reaches every room or hides who is there; use a profile that has it, or put {name} into allowed_grants by its name"
            ),
            None => format!(
                "caller `{caller}` may not grant {name}: it is not in its allowed_grants (it has: {}); name a profile, or extend the list",
                listed(allowed_grants)
            ),
        }
    }

    fn within_the_keyset(&self, grants: &Grants) -> Result<(), Problem> {
        let Some(allowed) = &self.keyset_grants else { return Ok(()) };
        match grants.beyond(allowed) {
            None => Ok(()),
            Some(name) => {
                let detail =
                    format!("{name} is not in the keyset's allowed_grants, which has: {}", listed(allowed));
                Err(Problem::denied("keyset.allowed_grants", &pointer(&name), detail))
            }
        }
    }

    /// Its kind and its room's configuration stand in lists of grants as well.
    fn participant_within_the_keyset(&self, participant: &Participant) -> Result<(), Problem> {
        let Some(allowed) = &self.keyset_grants else { return Ok(()) };
        let kind =
            (participant.kind != Kind::Standard).then(|| format!("kind.{}", participant.kind.as_str()));
        let room_config = participant.room_config.is_some().then(|| "roomConfig".to_owned());
        for (name, pointer) in [(kind, "/kind"), (room_config, "/room_config")] {
            if let Some(name) = name.filter(|name| !any_allows(allowed, name)) {
                let detail =
                    format!("{name} is not in the keyset's allowed_grants, which has: {}", listed(allowed));
                return Err(Problem::denied("keyset.allowed_grants", pointer, detail));
            }
        }
        Ok(())
    }

    fn within_room_and_identity(&self, grants: &Grants, identity: Option<&str>) -> Result<(), Problem> {
        let rooms = [
            (&grants.video.room, "/room"),
            (&grants.video.destination_room, "/grants/video/destinationRoom"),
        ];
        for (room, pointer) in rooms {
            if !room.is_empty() && !any_fits(&self.caller.allowed_rooms, room, identity) {
                let detail = self.not_allowed("room", room, &self.caller.allowed_rooms);
                return Err(Problem::denied("allowed_rooms", pointer, detail));
            }
        }
        // An identity cannot vouch for itself: `{identity}` stands for nothing here.
        if let Some(identity) =
            identity.filter(|identity| !any_fits(&self.caller.allowed_identities, identity, None))
        {
            let detail = self.not_allowed("identity", identity, &self.caller.allowed_identities);
            return Err(Problem::denied("allowed_identities", "/identity", detail));
        }
        Ok(())
    }

    fn not_allowed(&self, what: &str, name: &str, allowed: &[Glob]) -> String {
        let allowed: Vec<_> = allowed.iter().map(|glob| format!("`{glob}`")).collect();
        let allowed = listed(&allowed);
        format!("caller `{}` may not use {what} `{name}`; it may use: {allowed}", self.caller.name)
    }

    fn kind(&self, profile: Option<&Profile>, requested: Option<Kind>) -> Result<Kind, Problem> {
        let own = profile.and_then(|profile| profile.kind).unwrap_or_default();
        let Some(kind) = requested.filter(|kind| *kind != own) else { return Ok(own) };
        let name = format!("kind.{}", kind.as_str());
        if profile.is_none() && (kind == Kind::Standard || any_allows(&self.caller.allowed_grants, &name)) {
            return Ok(kind);
        }
        let detail = match profile {
            Some(profile) => format!("profile `{}` is for kind `{}`", profile.name, own.as_str()),
            None => format!(
                "caller `{}` may not ask for {name}: it is not in its allowed_grants (it has: {})",
                self.caller.name,
                listed(&self.caller.allowed_grants)
            ),
        };
        Err(Problem::denied("kind", "/kind", detail))
    }

    fn room_config(
        &self,
        profile: Option<&Profile>,
        requested: Option<Map<String, Value>>,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        let Some(requested) = requested else { return Ok(None) };
        if profile.is_some_and(|profile| profile.room_config.as_ref() == Some(&requested)) {
            return Ok(Some(requested));
        }
        let rule = match profile {
            Some(profile) => profile.allowed_room_config,
            None if any_allows(&self.caller.allowed_grants, "roomConfig") => RoomConfigRule::WithoutEgress,
            None => RoomConfigRule::Refused,
        };
        if rule == RoomConfigRule::Refused {
            let detail = "room_config is refused unless a profile has allowed_room_config";
            return Err(Problem::denied("allowed_room_config", "/room_config", detail));
        }
        if rule == RoomConfigRule::WithoutEgress && requested.contains_key("egress") {
            let detail = "room_config.egress can carry storage credentials, which everybody with the token could read: it is refused unless a profile has allowed_room_config = \"egress\"";
            return Err(Problem::denied("allowed_room_config", "/room_config/egress", detail));
        }
        Ok(Some(requested))
    }

    fn ttl(&self, profile: Option<&Profile>, requested: Option<std::time::Duration>) -> Ttl {
        let usual = profile.and_then(|profile| profile.ttl).or(self.caller.ttl).unwrap_or(DEFAULT_TTL);
        let mut ttl = Ttl::new(requested, usual);
        if let Some(most) = profile.and_then(|profile| profile.max_ttl) {
            ttl = ttl.limit(most, LimitedBy::Profile);
        }
        if let Some(most) = self.caller.max_ttl {
            ttl = ttl.limit(most, LimitedBy::Caller);
        }
        ttl
    }
}

/// What would be allowed, as far as a sentence can bear it.
fn listed<T: std::fmt::Display>(allowed: &[T]) -> String {
    let names: Vec<_> = allowed.iter().take(MOST_NAMED).map(T::to_string).collect();
    match allowed.len() {
        0 => "none".to_owned(),
        all if all > MOST_NAMED => format!("{} and others, {all} in all", names.join(", ")),
        _ => names.join(", "),
    }
}

fn any_allows(patterns: &[GrantPattern], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.allows(name))
}

fn any_fits(globs: &[Glob], name: &str, identity: Option<&str>) -> bool {
    globs.iter().any(|glob| glob.fits(name, identity))
}

/// `video.roomJoin` is at /grants/video/roomJoin.
fn pointer(grant: &str) -> String {
    format!("/grants/{}", grant.replace('.', "/"))
}

/// What the profile puts into every token, which a request may repeat but not change.
fn fill_in(participant: &mut Participant, profile: &Profile) -> Result<(), Problem> {
    let differs = |pointer: &str, what: &str| {
        Problem::denied("profile", pointer, format!("profile `{}` sets {what} itself", profile.name))
    };
    if let Some(metadata) = &profile.metadata {
        if !participant.metadata.is_empty() && participant.metadata != *metadata {
            return Err(differs("/metadata", "metadata"));
        }
        participant.metadata.clone_from(metadata);
    }
    for (name, value) in &profile.attributes {
        let known = participant.attributes.insert(name.clone(), value.clone());
        if known.is_some_and(|known| known != *value) {
            let pointer = format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
            return Err(differs(&pointer, &format!("attribute `{name}`")));
        }
    }
    if let Some(room_config) = &profile.room_config {
        if participant.room_config.as_ref().is_some_and(|own| own != room_config) {
            return Err(differs("/room_config", "room_config"));
        }
        participant.room_config = Some(room_config.clone());
    }
    Ok(())
}
