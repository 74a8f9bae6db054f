//! A publication as it lies in the store.

use livekit_keyd_core::plan::{Publication, Vector};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use serde::{Deserialize, Serialize};

use super::yaml;

/// The keys as LiveKit reads them, and beside them what a key file has in its first line: so that the bytes of
/// `keys.yaml`, and with them whatever is derived from it, change only when the set of keys does.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Stored {
    #[serde(rename = "keys.yaml", with = "livekit_keyd_core::secret::exposed", default)]
    keys: Option<Secret>,
    #[serde(default)]
    documents: Vector,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<Time>,
}

impl Stored {
    pub(super) fn new(publication: &Publication) -> Stored {
        let mut keys = yaml::keys(publication);
        Stored {
            keys: Some(Secret::new(std::mem::take(&mut *keys))),
            documents: publication.vector.clone(),
            changed_at: publication.changed_at,
        }
    }

    /// # Errors
    /// Why `keys.yaml` is no map of ids to secrets: a part of a sentence.
    pub(super) fn publication(&self) -> Result<Publication, String> {
        let text = self.keys.as_ref().map_or("", Secret::expose);
        let keys = yaml::read(text)?.keys;
        Ok(Publication { keys, vector: self.documents.clone(), changed_at: self.changed_at })
    }
}
