//! Paths in the store, and that no two owners of them get in each other's way.

use toml::de::DeValue;

use super::keyset::Section as Keyset;
use super::livekit::Section as LiveKit;
use super::reader::{Context, Spot};
use super::setting::Setting;
use crate::store::path;

/// A path in the store: parts with slashes between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StorePath(String);

impl StorePath {
    /// For defaults, which are known to be sound.
    pub(super) fn new(path: &str) -> StorePath {
        StorePath(path.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

impl Setting for StorePath {
    fn read(value: &DeValue<'_>) -> Result<StorePath, String> {
        let path = String::read(value)?;
        if path::is_sound(&path) {
            return Ok(StorePath(path));
        }
        Err(format!(
            "must be a path in the store like \"livekit/keysets/default\": {}; this is `{path}`",
            path::FORM
        ))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// What one owner writes: a place, or everything below it.
struct Claim<'a> {
    place: String,
    whole_folder: bool,
    owner: String,
    spot: &'a Spot,
}

impl Claim<'_> {
    fn meets(&self, other: &Claim<'_>) -> bool {
        let inside = |folder: &Claim<'_>, place: &str| {
            folder.whole_folder && place.strip_prefix(&folder.place).is_some_and(|rest| rest.starts_with('/'))
        };
        self.place == other.place || inside(self, &other.place) || inside(other, &self.place)
    }
}

/// Reports paths that two owners would write.
pub(super) fn check(context: &Context<'_>, livekit: &LiveKit, keysets: &[Keyset]) {
    let mut claims: Vec<Claim<'_>> = Vec::new();
    let mut reported: Vec<String> = Vec::new();
    for (place, whole_folder, owner, spot) in wanted(livekit, keysets) {
        let claim = Claim { place, whole_folder, owner, spot };
        // One sentence for one mistake, even where two owners meet in several places.
        if reported.contains(&claim.owner) {
            continue;
        }
        if let Some(other) = claims.iter().find(|other| other.owner != claim.owner && other.meets(&claim)) {
            let (place, owner) = (&claim.place, &other.owner);
            let sentence =
                format!("{place} in the store would belong to {owner} as well: choose another path");
            context.report(claim.spot, sentence);
            reported.push(claim.owner);
            continue;
        }
        claims.push(claim);
    }
    check_sources(context, keysets, &claims);
}

/// Reports sources that somebody here would write: they are others', and read only.
fn check_sources(context: &Context<'_>, keysets: &[Keyset], claims: &[Claim<'_>]) {
    for source in keysets.iter().filter_map(|keyset| keyset.source.as_ref()) {
        let place = source.value.path.clone();
        let read = Claim { place, whole_folder: false, owner: String::new(), spot: &source.spot };
        if let Some(writer) = claims.iter().find(|claim| claim.meets(&read)) {
            let sentence = format!(
                "{} in the store is written by {}: a source is a path that others write",
                read.place, writer.owner
            );
            context.report(read.spot, sentence);
        }
    }
}

fn wanted<'a>(livekit: &'a LiveKit, keysets: &'a [Keyset]) -> Vec<(String, bool, String, &'a Spot)> {
    let mut wanted = Vec::new();
    let deployment = livekit.path.value.as_str();
    for below in ["nodes", "rollout"] {
        let owner = "the deployment".to_owned();
        wanted.push((format!("{deployment}/{below}"), false, owner, &livekit.path.spot));
    }
    let owner = "the deployment".to_owned();
    wanted.push((format!("{deployment}/published"), true, owner, &livekit.path.spot));
    for keyset in keysets {
        let (path, spot) = (keyset.path.value.as_str(), &keyset.path.spot);
        let owner = || format!("keyset `{}`", keyset.name.value.0);
        wanted.push((path.to_owned(), false, owner(), spot));
        wanted.push((format!("{path}/standby"), true, owner(), spot));
        wanted.push((format!("{path}/client"), false, owner(), spot));
    }
    wanted
}
