//! Least privilege: what each caller could do at most.

use livekit_keyd_core::policy::Profile;

use super::super::{CallerConfig, Config};
use super::Finding;

const LEAST_PRIVILEGE: &str = "least privilege";

pub(super) fn review(config: &Config) -> Vec<Finding> {
    if config.callers.is_empty() {
        let why =
            "there is no [[caller]], so nobody gets a token: add one with a user or a group, and its rights";
        return vec![Finding::warn(LEAST_PRIVILEGE, why)];
    }
    let mut findings = Vec::new();
    for (index, caller) in config.callers.iter().enumerate() {
        let earlier = config.callers.get(..index).unwrap_or_default();
        let worries: Vec<String> = [
            shadowed(caller, earlier),
            everything(caller),
            every_room(config, caller),
            any_identity_in_any_room(config, caller),
            nothing(caller),
        ]
        .into_iter()
        .flatten()
        .collect();
        let name = &caller.caller.name;
        if worries.is_empty() {
            let why = format!("caller `{name}` is bound to some rooms, identities or grants");
            findings.push(Finding::pass(LEAST_PRIVILEGE, why));
        }
        let warnings =
            worries.into_iter().map(|why| Finding::warn(LEAST_PRIVILEGE, format!("caller `{name}` {why}")));
        findings.extend(warnings);
    }
    findings
}

/// Everybody whom it names is decided on before it is reached.
fn shadowed(caller: &CallerConfig, earlier: &[CallerConfig]) -> Option<String> {
    let covers = |wide: &Option<Vec<u32>>, narrow: &Option<Vec<u32>>| match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.iter().all(|number| wide.contains(number)),
    };
    let before = earlier.iter().find(|other| {
        covers(&other.who.uids, &caller.who.uids) && covers(&other.who.gids, &caller.who.gids)
    })?;
    Some(format!(
        "is never reached: whoever it names is caller `{}`, which stands before it; put it first",
        before.caller.name
    ))
}

fn everything(caller: &CallerConfig) -> Option<String> {
    let caller = &caller.caller;
    let grants = caller.allowed_grants.iter().any(|pattern| pattern.allows("video.roomAdmin"))
        && caller.allowed_grants.iter().any(|pattern| pattern.allows("sip.admin"));
    grants.then(|| {
        "may grant everything (allowed_grants = [\"*\"]): list what it needs, or give it profiles instead"
            .to_owned()
    })
}

fn profiles<'a>(config: &'a Config, caller: &'a CallerConfig) -> impl Iterator<Item = &'a Profile> {
    config.profiles.iter().filter(|profile| caller.profiles.contains(&profile.name))
}

/// Rights that `allowed_rooms` does not bound, whatever it says.
fn every_room(config: &Config, caller: &CallerConfig) -> Option<String> {
    let by_list = ["roomCreate", "roomList", "roomRecord", "ingressAdmin"].into_iter().filter(|name| {
        let name = format!("video.{name}");
        caller.caller.allowed_grants.iter().any(|pattern| pattern.allows(&name))
    });
    let by_profile = profiles(config, caller).flat_map(|profile| profile.grants.reaching_every_room());
    let mut names: Vec<&str> = by_list.chain(by_profile).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!(
            "may grant {}, which reach every room of the deployment whatever allowed_rooms says",
            names.join(", ")
        )
    })
}

fn any_identity_in_any_room(config: &Config, caller: &CallerConfig) -> Option<String> {
    let rooms = caller.caller.allowed_rooms.iter().any(|glob| glob.fits_all());
    let identities = caller.caller.allowed_identities.iter().any(|glob| glob.fits_all());
    let joins = caller.caller.allowed_grants.iter().any(|pattern| pattern.allows("video.roomJoin"))
        || profiles(config, caller).any(|profile| profile.grants.video.room_join == Some(true));
    (rooms && identities && joins).then(|| {
        "may let anybody join any room under any name: bound allowed_rooms or allowed_identities where the application can bear it".to_owned()
    })
}

fn nothing(caller: &CallerConfig) -> Option<String> {
    let bare = caller.profiles.is_empty() && caller.caller.allowed_grants.is_empty();
    bare.then(|| {
        "has neither profiles nor allowed_grants: its tokens can do nothing; add one of the two".to_owned()
    })
}
