//! What a keyset has in a store, read past the daemon, and what may never be wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use livekit_keyd::clock;
use livekit_keyd_core::document::{Document, STANDBYS};
use livekit_keyd_core::phase::Phase;
use serde_json::Value;

use super::deployment;
use super::openbao::OpenBao;

/// The keyset that [`deployment::config`] has.
pub(crate) const KEYSET: &str = "apps";

/// Where the tests look.
pub(crate) enum Stored<'a> {
    /// OpenBao, at the keyset's path.
    OpenBao(&'a OpenBao),
    /// The folder of a file store.
    Folder(PathBuf),
}

impl Stored<'_> {
    /// The document, if there is one.
    pub(crate) fn document(&self) -> Option<Document> {
        self.numbered().map(|(_, document)| document)
    }

    /// The document and the number that the store gives it: how often it was written.
    fn numbered(&self) -> Option<(u64, Document)> {
        let (number, value) = match self {
            Stored::OpenBao(bao) => {
                let answer = read(bao, &format!("secret/data/livekit/{KEYSET}"))?;
                (answer["metadata"]["version"].clone(), answer["data"].clone())
            }
            Stored::Folder(folder) => {
                let file = envelope(&document_file(folder))?;
                (file["version"].clone(), file["data"].clone())
            }
        };
        let document = serde_json::from_value(value).expect("what lies there is a document, whole");
        Some((number.as_u64().expect("a version"), document))
    }

    /// Every version of the document that can still be read, oldest first.
    pub(crate) fn versions(&self) -> Vec<Document> {
        let Stored::OpenBao(bao) = self else { return self.document().into_iter().collect() };
        let metadata = read(bao, &format!("secret/metadata/livekit/{KEYSET}"));
        let versions = metadata.as_ref().and_then(|metadata| metadata["versions"].as_object());
        let mut numbers: Vec<u64> =
            versions.into_iter().flat_map(|known| known.keys()).filter_map(|key| key.parse().ok()).collect();
        numbers.sort_unstable();
        let version = |number: u64| read(bao, &format!("secret/data/livekit/{KEYSET}?version={number}"));
        let values = numbers.into_iter().filter_map(version).map(|answer| answer["data"].clone());
        values.map(|value| serde_json::from_value(value).expect("each version is a document")).collect()
    }

    /// The secrets that lie beside the document, by id.
    pub(crate) fn standbys(&self) -> BTreeMap<String, String> {
        let ids: Vec<String> = match self {
            Stored::OpenBao(bao) => {
                let listed =
                    bao.call("LIST", &format!("secret/metadata/livekit/{KEYSET}/standby"), &Value::Null);
                let names = listed.json()["data"]["keys"].as_array().cloned().unwrap_or_default();
                names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Stored::Folder(folder) => names(&standby_folder(folder)),
        };
        let secret = |id: String| {
            let value = match self {
                Stored::OpenBao(bao) => {
                    read(bao, &format!("secret/data/livekit/{KEYSET}/standby/{id}"))?["data"].clone()
                }
                Stored::Folder(folder) => {
                    envelope(&standby_folder(folder).join(format!("{id}.json")))?["data"].clone()
                }
            };
            Some((id, value["secret"].as_str()?.to_owned()))
        };
        ids.into_iter().filter_map(secret).collect()
    }

    /// Everything that the store still gives, as text.
    pub(crate) fn text(&self) -> String {
        match self {
            Stored::OpenBao(bao) => deployment::all_versions(bao),
            Stored::Folder(folder) => files(folder),
        }
    }

    /// The secrets beside the document that it does not name, a sentence for each.
    pub(crate) fn orphans(&self) -> Vec<String> {
        let named = self.document().map(|document| ids(document.keys.iter())).unwrap_or_default();
        let orphans = self.standbys().into_keys().filter(|id| !named.contains(id));
        orphans.map(|id| format!("the document does not name {id}, whose secret lies beside it")).collect()
    }

    /// What must hold after a kill at any moment: the document is sound, has every write in it, and no key of it
    /// lacks its secret.
    pub(crate) fn torn(&self) -> Vec<String> {
        let (writes, document) = self.numbered().expect("a document that was there stays there");
        let standbys = self.standbys();
        let mut flaws: Vec<_> =
            document.check(KEYSET).err().map(|flaw| flaw.to_string()).into_iter().collect();
        if writes != document.seq {
            flaws.push(format!("of {writes} writes the document knows {}: an update was lost", document.seq));
        }
        for key in document.keys.iter().filter(|key| key.erased_at.is_none()) {
            let there = key.secret.is_some() || standbys.contains_key(key.id.as_str());
            if !there {
                flaws.push(format!("key {} is lost: its secret lies nowhere", key.id));
            }
        }
        flaws
    }

    /// What is wrong with a keyset that should be steady, beside orphans. `seen` are all secrets that ever were published.
    pub(crate) fn flaws(&self, key_file: &Path, seen: &BTreeMap<String, String>) -> Vec<String> {
        let Some(document) = self.document() else { return vec!["there is no document".to_owned()] };
        let (standbys, published) = (self.standbys(), deployment::keys_in(key_file));
        let mut flaws = self.torn();
        flaws.extend(unsteady(&document));
        let named = ids(document.standbys());
        let beside: BTreeSet<String> = standbys.keys().cloned().collect();
        let leftover = ids(document.committed().filter(|key| beside.contains(key.id.as_str())));
        if !leftover.is_empty() || !named.is_subset(&beside) {
            flaws.push(format!("beside the document lie {beside:?}, and its standbys are {named:?}"));
        }
        let mut secrets = standbys;
        for key in document.committed() {
            secrets
                .extend(key.secret.as_ref().map(|secret| (key.id.to_string(), secret.expose().to_owned())));
        }
        secrets.retain(|id, _| document.keys.iter().any(|key| key.id.as_str() == id));
        if published != secrets || ids(document.published()) != published.keys().cloned().collect() {
            flaws.push("the key file does not have the ids and secrets that the store has".to_owned());
        }
        if published.values().collect::<BTreeSet<_>>().len() != published.len() {
            flaws.push("two ids have one secret".to_owned());
        }
        let mut erased = document.keys.iter().filter(|key| key.erased_at.is_some()).peekable();
        if erased.peek().is_none() {
            return flaws;
        }
        let text = self.text() + &files(key_file.parent().expect("a folder"));
        for key in erased {
            match seen.get(key.id.as_str()) {
                Some(secret) if text.contains(secret) => {
                    flaws.push(format!("the erased secret of {} is still there", key.id));
                }
                Some(_) => {}
                None => flaws.push(format!("{} was erased and never published", key.id)),
            }
        }
        flaws
    }
}

/// In what the document's keys are other than one active, two proven standbys, and the rest erased.
fn unsteady(document: &Document) -> Vec<String> {
    let now = clock::now();
    let in_phase = |phase| document.keys.iter().filter(|key| Phase::of(document, key, now) == phase).count();
    let (active, erased) = (in_phase(Phase::Active), in_phase(Phase::Erased));
    let proven = document.standbys().filter(|key| key.proven_at.is_some()).count();
    let given_up = document.keys.iter().filter(|key| key.reason.is_some()).count();
    let all = document.keys.len();
    let mut flaws = Vec::new();
    if (active, proven, erased) != (1, STANDBYS, all.saturating_sub(1 + STANDBYS)) {
        flaws.push(format!("of {all} keys {active} are active, {proven} proven standbys, {erased} erased"));
    }
    if given_up > 0 {
        flaws.push(format!("{given_up} keys were given up"));
    }
    flaws
}

/// The ids of some keys.
pub(crate) fn ids<'a>(keys: impl Iterator<Item = &'a livekit_keyd_core::key::Key>) -> BTreeSet<String> {
    keys.map(|key| key.id.to_string()).collect()
}

fn read(bao: &OpenBao, path: &str) -> Option<Value> {
    let answer = bao.call("GET", path, &Value::Null);
    let mut read = (answer.status == 200).then(|| answer.json()["data"].clone())?;
    // A document that knows many keys lies there as one text.
    if let Some(text) = read["data"]["packed"].as_str() {
        read["data"] = serde_json::from_str(text).expect("a packed value is JSON");
    }
    Some(read)
}

fn document_file(folder: &Path) -> PathBuf {
    folder.join(format!("livekit/{KEYSET}.json"))
}

fn standby_folder(folder: &Path) -> PathBuf {
    folder.join(format!("livekit/{KEYSET}/standby"))
}

fn envelope(file: &Path) -> Option<Value> {
    let bytes = fs::read(file).ok()?;
    Some(serde_json::from_slice(&bytes).expect("a file is there whole or not at all"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
}

/// All files in and below a folder as one text.
fn files(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            text.push_str(&files(&path));
        } else if path.is_file() {
            // One that a running daemon has just renamed is read under its other name.
            text.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()));
        }
    }
    text
}
