//! `POST /v1/keysets/{name}/revoke` and `.../keys/{id}/revoke`: a compromise, and what is known of it.

use hyper::StatusCode;
use livekit_keyd_core::document::Document;
use livekit_keyd_core::key::KeyId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Admin, Answer, answer, read, refused};
use crate::api::report::{KeyUse, Revocation};
use crate::clock;
use crate::rotator::Target;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevokeBody")]
pub(super) struct Body {
    /// Kept with the key: not blank.
    #[schemars(regex(pattern = r"\S"))]
    reason: String,
    /// For one key: at once, although nothing else can sign.
    #[serde(default)]
    now: bool,
}

impl Admin {
    pub(super) async fn revoke(&self, keyset: &str, key: Option<&str>, body: &[u8], by: &str) -> Answer {
        let rotator = self.rotator()?;
        let Body { reason, now } = read(body)?;
        if reason.trim().is_empty() {
            let sentence = "say why, in `reason`: it is kept with the key".to_owned();
            return Err((StatusCode::BAD_REQUEST, "malformed", sentence));
        }
        let reason = format!("{} (by {by})", reason.trim());
        let target = match key {
            Some(key) => Target::Key { key: KeyId::new(key), now },
            None => Target::All,
        };
        // Before it is done: afterwards the signer has forgotten what it made with the key.
        let used = self.used(keyset);
        let revoked = rotator.revoke(keyset, &target, reason).await.map_err(refused)?;
        let document = &revoked.document;
        let is_meant = |used: &KeyUse| key.is_none_or(|key| key == used.key_id);
        answer(
            StatusCode::ACCEPTED,
            &Revocation {
                keyset: keyset.to_owned(),
                revoked: compromised(document, key),
                signs_with: document.active(clock::now()).map(|active| active.id.to_string()),
                waiting: revoked.waiting,
                seq: document.seq,
                used: used.into_iter().filter(is_meant).collect(),
                queries: queries(keyset, key),
                remains: remains(),
            },
        )
    }

    fn used(&self, keyset: &str) -> Vec<KeyUse> {
        let keyring = self.signers.get(keyset).and_then(|signer| signer.keyring().clone());
        let keys = keyring.iter().flat_map(|keyring| &keyring.signing);
        keys.map(|key| KeyUse::new(&key.id, key.usage.issued.get(), key.usage.last_used.get())).collect()
    }
}

fn compromised(document: &Document, key: Option<&str>) -> Vec<String> {
    let compromised = document.keys.iter().filter(|known| {
        known.compromised_at.is_some()
            && known.erased_at.is_none()
            && key.is_none_or(|key| known.id.as_str() == key)
    });
    compromised.map(|key| key.id.to_string()).collect()
}

/// Each process counts its own; over all replicas only Prometheus can.
fn queries(keyset: &str, key: Option<&str>) -> Vec<String> {
    let key = key.map(|key| format!(",key_id=\"{key}\"")).unwrap_or_default();
    vec![
        format!(
            "sum by (instance) (increase(livekit_keyd_key_tokens_issued_total{{keyset=\"{keyset}\"{key}}}[7d]))"
        ),
        format!(
            "max by (instance) (livekit_keyd_key_last_used_timestamp_seconds{{keyset=\"{keyset}\"{key}}})"
        ),
        format!("sum by (caller) (increase(livekit_keyd_tokens_issued_total{{keyset=\"{keyset}\"}}[7d]))"),
    ]
}

fn remains() -> Vec<String> {
    [
        "Each LiveKit node accepts the key until its restart: `livekit-keyd status` shows which have had theirs.",
        "Connections that were made with its tokens stay until their clients leave; remove participants whom you do not know through LiveKit's RoomService.",
        "LiveKit gives participants refresh tokens of its own, signed with any key that a node knows: those of this key end with the node's restart.",
        "Egress, ingress, SIP and agents that were started with the key keep it until they are restarted.",
    ]
    .map(str::to_owned)
    .to_vec()
}
