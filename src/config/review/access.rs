//! Least privilege: what each caller could do at most.

use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::policy::{CallerMatch, Profile};

use super::super::{CallerConfig, Config};
use super::{Finding, LONG_LIFE};

const LEAST_PRIVILEGE: &str = "least privilege";

pub(super) fn review(config: &Config) -> Vec<Finding> {
    if config.callers.is_empty() {
        let why =
            "there is no [[caller]], so nobody gets a token: add one with a user or a group, and its rights";
        return vec![Finding::warn(LEAST_PRIVILEGE, why)];
    }
    let mut findings: Vec<Finding> =
        config.profiles.iter().flat_map(|profile| of_profile(config, profile)).collect();
    for (index, caller) in config.callers.iter().enumerate() {
        let earlier = config.callers.get(..index).unwrap_or_default();
        let worries: Vec<String> = [
            shadowed(caller, earlier),
            everybody(caller),
            everything(caller),
            every_room(config, caller),
            moderates_any_room(config, caller),
            long_life(caller.caller.ttl, caller.caller.max_ttl),
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

/// What deserves a thought of a profile, whoever uses it.
fn of_profile(config: &Config, profile: &Profile) -> Vec<Finding> {
    let mut rules = config.issuers.iter().flat_map(|issuer| &issuer.rules);
    let used = config.callers.iter().any(|caller| caller.profiles.contains(&profile.name))
        || rules.any(|rule| rule.profile == profile.name);
    let unused = (!used).then(|| {
        "is used by no [[caller]] and no [[issuer.rule]]: name it in one of them, or take it out".to_owned()
    });
    let worries = [unused, long_life(profile.ttl, profile.max_ttl)];
    let warning = |why: String| Finding::warn(LEAST_PRIVILEGE, format!("profile `{}` {why}", profile.name));
    worries.into_iter().flatten().map(warning).collect()
}

/// LiveKit cannot revoke a token.
fn long_life(ttl: Option<Duration>, max_ttl: Option<Duration>) -> Option<String> {
    let longest = ttl.max(max_ttl).filter(|longest| *longest > LONG_LIFE)?;
    Some(format!(
        "lets tokens live {}, and LiveKit cannot revoke one: an hour is enough to join, since LiveKit renews the tokens of those who are connected",
        duration::format(longest)
    ))
}

fn everybody(caller: &CallerConfig) -> Option<String> {
    (caller.who == CallerMatch::default()).then(|| {
        "is everybody who can connect to the signing socket (user = \"*\"): name users or groups, or let sign.socket_group and socket_mode keep others out".to_owned()
    })
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
        caller.caller.allowed_grants.iter().any(|pattern| pattern.gives(&name))
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

fn moderates_any_room(config: &Config, caller: &CallerConfig) -> Option<String> {
    let rooms = caller.caller.allowed_rooms.iter().any(|glob| glob.fits_all());
    let moderates = caller.caller.allowed_grants.iter().any(|pattern| pattern.gives("video.roomAdmin"))
        || profiles(config, caller).any(|profile| {
            profile.grants.video.room_admin == Some(true) && profile.grants.video.room.is_empty()
        });
    (rooms && moderates).then(|| {
        "may grant roomAdmin in every room (allowed_rooms = [\"*\"]): list the rooms that it moderates"
            .to_owned()
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
