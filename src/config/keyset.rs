//! `[[keyset]]`: a keyset, its place and its rules.

use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::grants::GrantPattern;
use livekit_keyd_core::rules::{LONGEST_CLOCK_SKEW, Offline, Rotation, Rules};
use livekit_keyd_core::schedule::ScheduleError;

use super::caller::values;
use super::command;
use super::livekit::Section as LiveKit;
use super::name::{Name, check_new};
use super::paths::StorePath;
use super::reader::{Context, Reader, Reported, Spot, Written};
use super::source;
use crate::keyset::{Keyset, Source};
use crate::publish::Program;

/// A keyset as it was configured.
#[derive(Clone, Debug, PartialEq)]
pub struct KeysetConfig {
    /// Its name, its place and its rules.
    pub keyset: Keyset,
    /// What its tokens may grant; `None` for anything.
    pub allowed_grants: Option<Vec<GrantPattern>>,
    /// Whether dependents that read one key are given it, and told.
    pub client: Option<ClientConfig>,
}

/// The key that dependents read which need only one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientConfig {
    /// Run after it has changed.
    pub on_change: Option<Program>,
}

/// As it was written, with the places that other sections are compared with.
pub(super) struct Section {
    pub(super) name: Written<Name>,
    pub(super) path: Written<StorePath>,
    pub(super) source: Option<Written<Source>>,
    rules: Rules,
    allowed_grants: Option<Vec<GrantPattern>>,
    client: Option<ClientConfig>,
}

impl Section {
    /// The rules come with the number of the configuration and with LiveKit's address.
    pub(super) fn config(self, revision: Option<u64>, livekit: &LiveKit) -> KeysetConfig {
        let rules = Rules { server_url: livekit.url().map(str::to_owned), ..self.rules };
        let path = self.path.value.into_string();
        let source = self.source.map(|source| source.value);
        let keyset = Keyset { name: self.name.value.0, path, rules, revision, source };
        KeysetConfig { keyset, allowed_grants: self.allowed_grants, client: self.client }
    }
}

/// `proven`: nodes are asked which keys they know, so that no time has to pass instead.
pub(super) fn read(root: &mut Reader<'_>, proven: bool) -> Result<Vec<Section>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Section, Reported>> = Vec::new();
    for table in root.tables("keyset") {
        let section = table.and_then(|table| keyset(table, proven)).and_then(|section| {
            let earlier = all.iter().flatten().map(|other| &other.name);
            check_new(context, "keyset", &section.name, earlier)?;
            Ok(section)
        });
        all.push(section);
    }
    if all.is_empty() {
        return Err(root.missing("keyset", "add [[keyset]] with a name, like name = \"default\""));
    }
    all.into_iter().collect()
}

fn keyset(mut section: Reader<'_>, proven: bool) -> Result<Section, Reported> {
    let name = section.required::<Name>("name", "name the keyset, like \"default\"");
    let path = section.optional::<StorePath>("path");
    let source = source::read(&mut section);
    let rules = rules(&mut section, proven);
    let allowed_grants = section.list::<GrantPattern>("allowed_grants");
    // Whoever makes the keys gives them to dependents.
    let client = if matches!(source, Ok(Some(_))) { Ok(None) } else { client(&mut section) };
    let spot = section.spot_of("path");
    section.finish();
    let (source, name) = (source?, name?);
    let path = path?.unwrap_or_else(|| Written {
        value: StorePath::new(&format!("livekit/keysets/{}", name.value.0)),
        spot,
    });
    let allowed_grants = allowed_grants?.map(|all| values(Some(all)));
    Ok(Section { name, path, source, rules: rules?, allowed_grants, client: client? })
}

fn client(section: &mut Reader<'_>) -> Result<Option<ClientConfig>, Reported> {
    let published = section.or("publish_client", false);
    let on_change = command::argv(section, "on_change", None);
    let limit = section.or("on_change_timeout", Duration::from_secs(300));
    let (published, on_change, limit) = (published?, on_change?, limit?);
    if published.value {
        let on_change = on_change.map(|argv| Program { argv: argv.value, limit: limit.value });
        return Ok(Some(ClientConfig { on_change }));
    }
    match on_change {
        Some(command) => {
            let sentence = "is run when the client credentials have changed, which are not published: write publish_client = true, or take this out";
            Err(section.context.report(&command.spot, sentence))
        }
        None => Ok(None),
    }
}

fn rules(section: &mut Reader<'_>, proven: bool) -> Result<Rules, Reported> {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let max_token_ttl = section.or("max_token_ttl", minutes(60));
    let clock_skew = section.or("clock_skew", Duration::from_secs(30));
    let refresh_interval = section.or("refresh_interval", Duration::from_secs(30));
    let offline = section.or("offline", Offline::Sign);
    let rotation = rotation(section);
    let rotation_window = section.or("rotation_window", minutes(24 * 60));
    let overlap = section.or("overlap", minutes(24 * 60));
    let activation_lead = section.or("activation_lead", minutes(5));
    let publish_delay = section.or("publish_delay", minutes(10));

    let context = section.context;
    let max_token_ttl = at_least(context, max_token_ttl, Duration::from_secs(1));
    let refresh_interval = at_least(context, refresh_interval, Duration::from_millis(100));
    let clock_skew = clock_skew.and_then(|written| small_skew(context, written));
    let (offline, rotation_window) = (offline.map(|written| written.value), rotation_window.map(|w| w.value));
    let overlap = overlap?;
    // What is compared with nothing must not hide what the comparisons find.
    let rules = Rules {
        max_token_ttl: max_token_ttl?,
        clock_skew: clock_skew?,
        refresh_interval: refresh_interval?,
        offline: offline.unwrap_or_default(),
        server_url: None,
        rotation: Rotation::Manual,
        rotation_window: rotation_window.unwrap_or_default(),
        overlap: overlap.value,
        activation_lead: activation_lead?.value,
        publish_delay: publish_delay?.value,
        other: serde_json::Map::new(),
    };
    let long_enough = check_overlap(context, &rules, &overlap.spot);
    let rotation = rotation?;
    let rules = Rules { rotation: rotation.value, ..rules };
    let far_enough = check_firings(context, &rules, proven, &rotation.spot);
    long_enough.and(far_enough).and(offline).and(rotation_window).map(|_| rules)
}

pub(super) fn at_least(
    context: &Context<'_>,
    written: Result<Written<Duration>, Reported>,
    least: Duration,
) -> Result<Duration, Reported> {
    let written = written?;
    if written.value < least {
        let sentence = format!("must be at least {}", duration::format(least));
        return Err(context.report(&written.spot, sentence));
    }
    Ok(written.value)
}

fn small_skew(context: &Context<'_>, written: Written<Duration>) -> Result<Duration, Reported> {
    if written.value > LONGEST_CLOCK_SKEW {
        let sentence = format!(
            "must be at most {}, which is what LiveKit forgives: keep the clocks together with NTP instead",
            duration::format(LONGEST_CLOCK_SKEW)
        );
        return Err(context.report(&written.spot, sentence));
    }
    Ok(written.value)
}

/// When keys change by themselves, at the key that says so.
fn rotation(section: &mut Reader<'_>) -> Result<Written<Rotation>, Reported> {
    let context = section.context;
    let cron = section.optional::<String>("rotation_schedule");
    let period = section.optional::<Duration>("rotation_period");
    let timezone = section.or("timezone", "UTC".to_owned());
    let zone_was_written = section.has("timezone");
    let (cron, period, timezone) = (cron?, period?, timezone?);
    let (rotation, spot) = match (cron, period) {
        (Some(_), Some(period)) => {
            let sentence = "stands beside rotation_schedule: keep one of the two";
            return Err(context.report(&period.spot, sentence));
        }
        (Some(cron), None) => (Rotation::Schedule { cron: cron.value, timezone: timezone.value }, cron.spot),
        (None, other) => {
            if zone_was_written {
                let sentence = "has a meaning for a rotation_schedule only: take it out, or set one";
                return Err(context.report(&timezone.spot, sentence));
            }
            match other {
                Some(period) => (Rotation::Period(period.value), period.spot),
                None => (Rotation::Manual, section.spot_of("rotation_schedule")),
            }
        }
    };
    match rotation.schedule() {
        Ok(_) => Ok(Written { value: rotation, spot }),
        Err(error @ ScheduleError::TimeZone { .. }) => Err(context.report(&timezone.spot, error.to_string())),
        Err(error) => Err(context.report(&spot, error.to_string())),
    }
}

/// Else a signer in good health would have to shorten its tokens.
fn check_overlap(context: &Context<'_>, rules: &Rules, spot: &Spot) -> Result<(), Reported> {
    let (overlap, shortest) = (rules.overlap, rules.shortest_overlap());
    if overlap >= shortest {
        return Ok(());
    }
    Err(context.report(
        spot,
        format!(
            "{} is too short for tokens that live {}: max_token_ttl + 2 x refresh_interval + clock_skew are {}; raise overlap to that or lower max_token_ttl",
            duration::format(overlap),
            duration::format(rules.max_token_ttl),
            duration::format(shortest)
        ),
    ))
}

/// Else a rotation would begin before the last one has ended.
fn check_firings(context: &Context<'_>, rules: &Rules, proven: bool, spot: &Spot) -> Result<(), Reported> {
    let closest = rules.rotation.schedule().ok().and_then(|schedule| schedule.closest());
    let shortest = rules.shortest_rotation(proven);
    let sum = if proven {
        "activation_lead + overlap + 2 x clock_skew"
    } else {
        "activation_lead + overlap + 3 x clock_skew + publish_delay"
    };
    match closest {
        Some(closest) if closest <= shortest => Err(context.report(
            spot,
            format!(
                "fires as closely as {} apart, and a rotation takes up to {} ({sum}): rotate less often or lower these",
                duration::format(closest),
                duration::format(shortest)
            ),
        )),
        _ => Ok(()),
    }
}
