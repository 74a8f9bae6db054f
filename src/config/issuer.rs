//! `[[issuer]]`: identity providers whose users may join, and the rules by which they do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use livekit_keyd_core::issuer::Algorithm;
use toml::de::DeValue;

use super::caller::{keyset, known};
use super::keyset::Section as Keyset;
use super::name::{Name, check_new};
use super::profile::Section as Profile;
use super::reader::{Reader, Reported, Written};
use super::setting::{Setting, one_of};
use crate::issuer::{Expression, Place, Rule};

/// The most rules of an issuer: they are tried one after the other.
const MOST_RULES: usize = 64;

/// The most that clocks may differ by.
const WIDEST_SKEW: Duration = Duration::from_secs(300);

/// An identity provider.
#[derive(Clone, Debug, PartialEq)]
pub struct IssuerConfig {
    /// Its name, in callers' `issuers`, metrics and tokens.
    pub name: String,
    /// The `iss` of its tokens, to the letter.
    pub url: String,
    /// Where its keys are.
    pub place: Place,
    /// Whom its tokens must name, one of them.
    pub audience: Vec<String>,
    /// How its tokens may be signed.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock may differ from ours.
    pub clock_skew: Duration,
    /// The first that fits decides.
    pub rules: Vec<Rule>,
}

/// An issuer, and where it is written.
pub(super) struct Section {
    pub(super) name: Written<Name>,
    pub(super) config: IssuerConfig,
}

pub(super) fn read(
    root: &mut Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
) -> Result<Vec<Section>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Section, Reported>> = Vec::new();
    for table in root.tables("issuer") {
        let section = table.and_then(|table| issuer(table, keysets, profiles)).and_then(|section| {
            check_new(context, "issuer", &section.name, all.iter().flatten().map(|other| &other.name))?;
            if all.iter().flatten().any(|other| other.config.url == section.config.url) {
                let sentence = "has the `url` of another [[issuer]]: put their rules together";
                return Err(context.report(&section.name.spot, sentence));
            }
            Ok(section)
        });
        all.push(section);
    }
    all.into_iter().collect()
}

fn issuer(
    mut section: Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
) -> Result<Section, Reported> {
    let context = section.context;
    let name = section.required::<Name>("name", "name the issuer, like \"company\"");
    let url = section.required::<String>("url", "write its tokens' `iss`, like \"https://id.example.com\"");
    let jwks_file = section.optional::<PathBuf>("jwks_file");
    let hint = "write whom its tokens are for (`aud`), mostly the client id that the application has there";
    let audience = section.required_list::<String>("audience", hint);
    let algorithms = algorithms(&mut section);
    let clock_skew = section.or("clock_skew", Duration::from_secs(30)).and_then(|skew| {
        if skew.value > WIDEST_SKEW {
            return Err(context.report(&skew.spot, "must be at most 5m: set the clocks instead"));
        }
        Ok(skew.value)
    });
    let rules = rules(&mut section, keysets, profiles);
    section.finish();
    let (name, url) = (name?, url?);
    let place = match jwks_file? {
        Some(path) => Place::File(context.resolve(&path.value)),
        None => Place::discovery(&url.value).map_err(|sentence| {
            context.report(&url.spot, format!("{sentence}; or give its keys as a jwks_file"))
        })?,
    };
    let config = IssuerConfig {
        name: name.value.0.clone(),
        url: url.value,
        place,
        audience: audience?.into_iter().map(|one| one.value).collect(),
        algorithms: algorithms?,
        clock_skew: clock_skew?,
        rules: rules?,
    };
    Ok(Section { name, config })
}

/// RS256 is what every provider has (OpenID Connect Core 1.0, section 15.1).
fn algorithms(section: &mut Reader<'_>) -> Result<Vec<Algorithm>, Reported> {
    let written = section.list_or("algorithms", vec![Algorithm::RS256])?;
    match written.value.is_empty() {
        true => Err(section.context.report(&written.spot, "is empty: name one, like \"RS256\"")),
        false => Ok(written.value),
    }
}

fn rules(
    section: &mut Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
) -> Result<Vec<Rule>, Reported> {
    let tables = section.tables("rule");
    match tables.len() {
        0 => {
            let hint =
                "without an [[issuer.rule]] nobody can sign on; write one with `when`, `room` and `profile`";
            return Err(section.missing("rule", hint));
        }
        count if count > MOST_RULES => {
            return Err(section.report(format!("has {count} rules, and {MOST_RULES} are the most")));
        }
        _ => {}
    }
    let rules: Vec<_> =
        tables.into_iter().map(|table| table.and_then(|table| rule(table, keysets, profiles))).collect();
    rules.into_iter().collect()
}

fn rule(
    mut section: Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
) -> Result<Rule, Reported> {
    let context = section.context;
    let when = section
        .required::<Expression>("when", "say for whom, like \"'staff' in claims.groups\", or \"true\"");
    let subject = Expression::compile("claims.sub").map_err(|error| section.report(error))?;
    let identity = section.or("identity", subject);
    let name = section.optional::<Expression>("name");
    let room = section.optional::<Expression>("room");
    let attributes = attributes(&mut section);
    let profile = section.required::<Name>("profile", "name the [[profile]] that sets the rights");
    let keyset = keyset(&mut section, keysets);
    let profiles = profiles.as_ref().map_err(|reported| *reported);
    let profile = profile.and_then(|name| {
        let all = profiles?;
        let known = known(context, "profile", &name, all.iter().map(|one| one.name.value.0.as_str()))?;
        let video = all.iter().find(|one| one.name.value.0 == known).map(|one| &one.profile.grants.video);
        let needs_room = video.is_some_and(|video| video.room.is_empty() && video.room_join == Some(true));
        Ok((known, needs_room))
    });
    if let (Ok((name, true)), Ok(None)) = (&profile, &room) {
        let hint =
            format!("profile `{name}` joins any room: say which, like \"claims.room\" or \"request.room\"");
        section.missing("room", &hint);
    }
    section.finish();
    Ok(Rule {
        when: when?.value,
        identity: identity?.value,
        name: name?.map(|name| name.value),
        room: room?.map(|room| room.value),
        attributes: attributes?,
        profile: profile?.0,
        keyset: keyset?,
    })
}

fn attributes(section: &mut Reader<'_>) -> Result<BTreeMap<String, Expression>, Reported> {
    let context = section.context;
    let read: Vec<_> = section
        .pairs("attributes")?
        .into_iter()
        .map(|(name, written)| match Expression::read(written.value) {
            Ok(expression) => Ok((name, expression)),
            Err(sentence) => Err(context.report(&written.spot, sentence)),
        })
        .collect();
    read.into_iter().collect()
}

impl Setting for Expression {
    fn read(value: &DeValue<'_>) -> Result<Expression, String> {
        Expression::compile(&String::read(value)?)
    }

    fn show(&self) -> String {
        self.source().to_owned().show()
    }
}

impl Setting for Algorithm {
    fn read(value: &DeValue<'_>) -> Result<Algorithm, String> {
        if value.as_str().is_some_and(|name| name.starts_with("HS") || name == "none") {
            return Err("must be an algorithm with public keys, like \"RS256\"".to_owned());
        }
        one_of(value, &Algorithm::ALL.map(|algorithm| (algorithm.as_str(), algorithm)))
    }

    fn show(&self) -> String {
        self.as_str().to_owned().show()
    }
}
