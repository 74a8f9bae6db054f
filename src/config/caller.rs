//! `[[caller]]`: which local users and groups may ask for which tokens.

use livekit_keyd_core::grants::GrantPattern;
use livekit_keyd_core::nearest::nearest;
use livekit_keyd_core::policy::{Caller, CallerMatch, Glob};
use toml::de::DeValue;

use super::account::{self, Kind};
use super::issuer::Section as Issuer;
use super::keyset::Section as Keyset;
use super::name::{Name, check_new};
use super::profile::{Section as Profile, lives};
use super::rate;
use super::reader::{Context, Reader, Reported, Written};
use super::setting::{Account, AccountNumber, Setting};
use crate::api::limit::Rate;

/// A caller as it was configured. They are tried in the order of the file; the first that fits decides.
#[derive(Clone, Debug, PartialEq)]
pub struct CallerConfig {
    /// Who it is.
    pub who: CallerMatch,
    /// The name of the keyset that signs for it.
    pub keyset: String,
    /// The names of the profiles that it may use.
    pub profiles: Vec<String>,
    /// The names of the issuers whose users' tokens it may pass on; all, if left out.
    pub issuers: Option<Vec<String>>,
    /// What it may ask for.
    pub caller: Caller,
    /// How often.
    pub limit: Option<Rate>,
}

struct Section {
    name: Written<Name>,
    config: CallerConfig,
}

pub(super) fn read(
    root: &mut Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
    issuers: &Result<Vec<Issuer>, Reported>,
) -> Result<Vec<CallerConfig>, Reported> {
    let context = root.context;
    let mut all: Vec<Result<Section, Reported>> = Vec::new();
    for table in root.tables("caller") {
        let section = table.and_then(|table| caller(table, keysets, profiles, issuers)).and_then(|section| {
            let earlier = all.iter().flatten().map(|other| &other.name);
            check_new(context, "caller", &section.name, earlier)?;
            Ok(section)
        });
        all.push(section);
    }
    all.into_iter().map(|section| section.map(|section| section.config)).collect()
}

fn caller(
    mut section: Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
    profiles: &Result<Vec<Profile>, Reported>,
    issuers: &Result<Vec<Issuer>, Reported>,
) -> Result<Section, Reported> {
    let name = section.required::<Name>("name", "name the caller, like \"web\"");
    let who = who(&mut section);
    let keyset = keyset(&mut section, keysets);
    let profiles = used_profiles(&mut section, profiles);
    let allowed_rooms = section.list::<Glob>("allowed_rooms");
    let allowed_identities = identities(&mut section);
    let allowed_grants = section.list::<GrantPattern>("allowed_grants");
    let (ttl, max_ttl) = lives(&mut section);
    let issuers = used_issuers(&mut section, issuers);
    let limit = rate::read(&mut section);
    section.finish();
    let name = name?;
    let caller = Caller {
        name: name.value.0.clone(),
        allowed_rooms: values(allowed_rooms?),
        allowed_identities: values(allowed_identities?),
        allowed_grants: values(allowed_grants?),
        ttl: ttl?,
        max_ttl: max_ttl?,
    };
    let config = CallerConfig {
        who: who?,
        keyset: keyset?,
        profiles: profiles?,
        issuers: issuers?,
        caller,
        limit: limit?,
    };
    Ok(Section { config, name })
}

/// An identity cannot vouch for itself, so a pattern that speaks of it would allow nobody.
fn identities(section: &mut Reader<'_>) -> Result<Option<Vec<Written<Glob>>>, Reported> {
    let context = section.context;
    let written = section.list::<Glob>("allowed_identities")?;
    match written.iter().flatten().find(|glob| glob.value.names_identity()) {
        None => Ok(written),
        Some(glob) => Err(context.report(
            &glob.spot,
            "has {identity}, which would have to vouch for itself: write \"*\", or what identities look like",
        )),
    }
}

/// The values of a list; none if it was left out.
pub(super) fn values<T>(list: Option<Vec<Written<T>>>) -> Vec<T> {
    list.into_iter().flatten().map(|written| written.value).collect()
}

fn who(section: &mut Reader<'_>) -> Result<CallerMatch, Reported> {
    let uids = numbers(section, "user", "uid", Kind::User);
    let gids = numbers(section, "group", "gid", Kind::Group);
    let who = CallerMatch { uids: uids?, gids: gids? };
    let says_so = ["user", "uid", "group", "gid"].into_iter().any(|name| section.has(name));
    if !says_so {
        let hint = "say who this is by user, uid, group or gid; user = \"*\" is everybody";
        return Err(section.missing("user", hint));
    }
    Ok(who)
}

/// In place of a user: everybody who can connect.
const EVERYBODY: &str = "*";

/// Names and numbers together; `None` when neither key was written, or everybody is meant.
fn numbers(
    section: &mut Reader<'_>,
    by_name: &'static str,
    by_number: &'static str,
    kind: Kind,
) -> Result<Option<Vec<u32>>, Reported> {
    let context = section.context;
    let named = section.list::<Account>(by_name);
    let numbered = section.list::<AccountNumber>(by_number);
    let everybody = |one: &Written<Account>| one.value == Account::Name(EVERYBODY.to_owned());
    if kind == Kind::User
        && let Ok(Some(named)) = &named
        && named.iter().any(everybody)
    {
        if let Some(other) = named.iter().find(|one| !everybody(one)) {
            return Err(
                context.report(&other.spot, "stands beside \"*\", which is everybody: keep one of the two")
            );
        }
        if section.has(by_number) {
            return Err(context.report(
                &section.spot_of(by_number),
                "stands beside user = \"*\", which is everybody: keep one of the two",
            ));
        }
        return Ok(None);
    }
    let named = named.and_then(|named| {
        let found: Option<Vec<_>> =
            named.map(|all| all.iter().map(|one| account::number(context, kind, one)).collect());
        found.map(|found| found.into_iter().collect::<Result<Vec<u32>, _>>()).transpose()
    });
    let all = match (named?, numbered?) {
        (None, None) => return Ok(None),
        (named, numbered) => {
            let numbered = values(numbered).into_iter().map(|number| number.0);
            named.unwrap_or_default().into_iter().chain(numbered).collect::<Vec<_>>()
        }
    };
    if all.is_empty() {
        let spot = section.spot_of(if section.has(by_name) { by_name } else { by_number });
        return Err(context.report(&spot, "names nobody: add somebody, or take it out"));
    }
    Ok(Some(all))
}

/// The named keyset, or the only one. Nothing is compared with keysets that could not be read.
pub(super) fn keyset(
    section: &mut Reader<'_>,
    keysets: &Result<Vec<Keyset>, Reported>,
) -> Result<String, Reported> {
    let written = section.optional::<Name>("keyset")?;
    let keysets = keysets.as_ref().map_err(|reported| *reported)?;
    let names = || keysets.iter().map(|keyset| keyset.name.value.0.as_str());
    match (written, keysets.as_slice()) {
        (Some(written), _) => known(section.context, "keyset", &written, names()),
        (None, [only]) => Ok(only.name.value.0.clone()),
        (None, _) => {
            let hint = format!("name one of {}", names().collect::<Vec<_>>().join(", "));
            Err(section.missing("keyset", &hint))
        }
    }
}

fn used_profiles(
    section: &mut Reader<'_>,
    profiles: &Result<Vec<Profile>, Reported>,
) -> Result<Vec<String>, Reported> {
    let context = section.context;
    let written = section.list::<Name>("profiles")?.unwrap_or_default();
    let profiles = profiles.as_ref().map_err(|reported| *reported)?;
    let names = || profiles.iter().map(|profile| profile.name.value.0.as_str());
    let found: Vec<_> = written.iter().map(|name| known(context, "profile", name, names())).collect();
    found.into_iter().collect()
}

fn used_issuers(
    section: &mut Reader<'_>,
    issuers: &Result<Vec<Issuer>, Reported>,
) -> Result<Option<Vec<String>>, Reported> {
    let context = section.context;
    let written = section.list::<Name>("issuers")?;
    let issuers = issuers.as_ref().map_err(|reported| *reported)?;
    let names = || issuers.iter().map(|issuer| issuer.name.value.0.as_str());
    let Some(written) = written else { return Ok(None) };
    let found: Vec<_> = written.iter().map(|name| known(context, "issuer", name, names())).collect();
    found.into_iter().collect::<Result<_, _>>().map(Some)
}

/// A name that another section must have.
pub(super) fn known<'a>(
    context: &Context<'_>,
    section: &str,
    name: &Written<Name>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<String, Reported> {
    let wanted = name.value.0.as_str();
    if names.clone().any(|name| name == wanted) {
        return Ok(wanted.to_owned());
    }
    let remedy = match nearest(wanted, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("add one, or name another {section}"),
    };
    Err(context.report(&name.spot, format!("there is no [[{section}]] named `{wanted}`; {remedy}")))
}

impl Setting for Glob {
    fn read(value: &DeValue<'_>) -> Result<Glob, String> {
        Glob::parse(&String::read(value)?)
    }

    fn show(&self) -> String {
        self.to_string().show()
    }
}

impl Setting for GrantPattern {
    fn read(value: &DeValue<'_>) -> Result<GrantPattern, String> {
        GrantPattern::parse(&String::read(value)?)
    }

    fn show(&self) -> String {
        "\"*\"".to_owned()
    }
}
