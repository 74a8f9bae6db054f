//! `[[profile]]`: the rights of one kind of use.

use std::collections::BTreeMap;
use std::time::Duration;

use livekit_keyd_core::claims::Kind;
use livekit_keyd_core::grants::Grants;
use livekit_keyd_core::policy::{Profile, RoomConfigRule};
use livekit_keyd_core::request::TokenRequest;
use serde_json::{Map, Value, json};
use toml::de::DeValue;

use super::json;
use super::name::{Name, check_new};
use super::reader::{Reader, Reported, Written};
use super::setting::{Setting, one_of};

/// A profile and where its name stands.
pub(super) struct Section {
    pub(super) name: Written<Name>,
    pub(super) profile: Profile,
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<Vec<Section>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Section, Reported>> = Vec::new();
    for table in root.tables("profile") {
        let section = table.and_then(profile).and_then(|section| {
            let earlier = all.iter().flatten().map(|other| &other.name);
            check_new(context, "profile", &section.name, earlier)?;
            Ok(section)
        });
        all.push(section);
    }
    all.into_iter().collect()
}

fn profile(mut section: Reader<'_>) -> Result<Section, Reported> {
    let name = section.required::<Name>("name", "name the profile, like \"viewer\"");
    let (ttl, max_ttl) = lives(&mut section);
    let kind = section.optional::<Kind>("kind");
    let metadata = section.optional::<String>("metadata");
    let attributes = attributes(&mut section);
    let room_config = room_config(&mut section);
    let allowed_room_config = section.or("allowed_room_config", RoomConfigRule::Refused);
    let grants = grants(&mut section);
    section.finish();
    let name = name?;
    let profile = Profile {
        name: name.value.0.clone(),
        grants: grants?,
        kind: kind?.map(|kind| kind.value),
        ttl: ttl?,
        max_ttl: max_ttl?,
        metadata: metadata?.map(|metadata| metadata.value),
        attributes: attributes?,
        room_config: room_config?,
        allowed_room_config: allowed_room_config?.value,
    };
    Ok(Section { name, profile })
}

type Life = Result<Option<Duration>, Reported>;

/// `ttl` and `max_ttl`, which callers have as well.
pub(super) fn lives(section: &mut Reader<'_>) -> (Life, Life) {
    let context = section.context;
    let mut life = |name| {
        let written = section.optional::<Duration>(name)?;
        if let Some(written) = &written
            && written.value < Duration::from_secs(1)
        {
            return Err(context.report(&written.spot, "must be at least 1s, like \"15m\""));
        }
        Ok(written)
    };
    let (ttl, max_ttl) = (life("ttl"), life("max_ttl"));
    let value = |life: &Result<Option<Written<Duration>>, Reported>| {
        life.as_ref().map(|life| life.as_ref().map(|life| life.value)).map_err(|reported| *reported)
    };
    if let (Ok(Some(ttl)), Ok(Some(max_ttl))) = (&ttl, &max_ttl)
        && ttl.value > max_ttl.value
    {
        let reported = context.report(&ttl.spot, "is longer than max_ttl: lower it, or raise max_ttl");
        return (Err(reported), Ok(None));
    }
    (value(&ttl), value(&max_ttl))
}

const GROUPS: [&str; 7] =
    ["video", "sip", "agent", "agentEndpoint", "agentThread", "inference", "observability"];

/// Each grant is read as a request would bring it, so that both know the same names and say the same of a mistake.
fn grants(section: &mut Reader<'_>) -> Result<Grants, Reported> {
    let context = section.context;
    let mut groups = Map::new();
    let mut mistake = None;
    for group in GROUPS {
        let mut members = Map::new();
        for (name, written) in section.pairs(group)? {
            let read = json::of(written.value).and_then(|value| {
                let body = json!({ "grants": { group: { &name: &value } } }).to_string();
                TokenRequest::parse(body.as_bytes()).map_err(|problem| problem.detail)?;
                Ok(value)
            });
            match read {
                Ok(value) => {
                    members.insert(name, value);
                }
                Err(sentence) => mistake = Some(context.report(&written.spot, sentence)),
            }
        }
        groups.insert(group.to_owned(), Value::Object(members));
    }
    if let Some(reported) = mistake {
        return Err(reported);
    }
    let whole = TokenRequest::parse(json!({ "grants": groups }).to_string().as_bytes());
    whole.map(|request| request.grants).map_err(|problem| section.report(problem.detail))
}

fn attributes(section: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Reported> {
    let context = section.context;
    let pairs = section.pairs("attributes")?;
    let read: Vec<_> = pairs
        .into_iter()
        .map(|(name, written)| match written.value {
            DeValue::String(text) => Ok((name, text.to_string())),
            _ => Err(context.report(&written.spot, "an attribute is text: put it in quotes")),
        })
        .collect();
    read.into_iter().collect()
}

fn room_config(section: &mut Reader<'_>) -> Result<Option<Map<String, Value>>, Reported> {
    let context = section.context;
    if !section.has("room_config") {
        section.pairs("room_config")?;
        return Ok(None);
    }
    let read: Vec<_> = section
        .pairs("room_config")?
        .into_iter()
        .map(|(name, written)| match json::of(written.value) {
            Ok(value) => Ok((name, value)),
            Err(sentence) => Err(context.report(&written.spot, sentence)),
        })
        .collect();
    read.into_iter().collect::<Result<Map<_, _>, _>>().map(Some)
}

impl Setting for Kind {
    fn read(value: &DeValue<'_>) -> Result<Kind, String> {
        one_of(value, &Kind::ALL.map(|kind| (kind.as_str(), kind)))
    }

    fn show(&self) -> String {
        self.as_str().to_owned().show()
    }
}

impl Setting for RoomConfigRule {
    fn read(value: &DeValue<'_>) -> Result<RoomConfigRule, String> {
        match value {
            DeValue::Boolean(false) => Ok(RoomConfigRule::Refused),
            DeValue::Boolean(true) => Ok(RoomConfigRule::WithoutEgress),
            DeValue::String(text) if text == "egress" => Ok(RoomConfigRule::Any),
            _ => Err("must be false, true (all but `egress`) or \"egress\" (all of it)".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            RoomConfigRule::Refused => "false",
            RoomConfigRule::WithoutEgress => "true",
            RoomConfigRule::Any => "\"egress\"",
        }
        .to_owned()
    }
}
