//! Operators: they create keysets, and give commands that are writes to the document.

use std::sync::Arc;

use livekit_keyd_core::change::{Change, Material, apply};
use livekit_keyd_core::document::{Document, Lineage, Made, Request, STANDBYS, WriteId};
use livekit_keyd_core::key::KeyId;

use super::shared::Shared;
use super::write::{Outcome, Write};

/// Creates a keyset's document and first keys, unless somebody else does.
pub(crate) async fn init(keyset: String, shared: Shared) {
    loop {
        shared.turn().await;
        if shared.with(|state| state.document(&keyset).is_some()) {
            return;
        }
        let mut keys = Vec::new();
        while keys.len() <= STANDBYS {
            let (id, secret) = shared.with(|state| state.new_key());
            let write = Write::Standby { keyset: keyset.clone(), id: id.clone(), secret };
            if shared.write(write).await == Outcome::Landed {
                keys.push(id);
            }
        }
        let made = shared.with(|state| Made {
            lineage: Lineage(state.new_name()),
            write: WriteId(state.new_name()),
            keys: keys.clone(),
        });
        let document = shared.with(|state| {
            let (rules, revision) = (state.rules.clone(), Some(state.revision));
            Document::create(&keyset, rules, revision, made, state.clock(0))
        });
        let write = Write::Document {
            keyset: keyset.clone(),
            expected: 0,
            document: Arc::new(document),
            what: "init".into(),
        };
        if shared.write(write).await == Outcome::Conflict {
            for id in keys {
                shared.write(Write::Remove { keyset: keyset.clone(), id }).await;
            }
        }
    }
}

/// What operators ask for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Rotate,
    Activate,
    Hold,
    Resume,
    Revoke { accept_outage: bool },
    Replace,
    RevokeAll,
}

impl Command {
    pub(crate) const ALL: [Command; 8] = [
        Command::Rotate,
        Command::Activate,
        Command::Hold,
        Command::Resume,
        Command::Revoke { accept_outage: false },
        Command::Revoke { accept_outage: true },
        Command::Replace,
        Command::RevokeAll,
    ];
}

/// One command, by some process's clock; what the document forbids is not done.
pub(crate) async fn command(keyset: String, command: Command, shared: Shared) {
    shared.turn().await;
    let Some((document, version)) = shared.with(|state| {
        let shelf = &state.shelves[&keyset];
        Some((Arc::clone(shelf.document()?), shelf.version()))
    }) else {
        return;
    };
    shared.turn().await;
    let (now, change, mut material) = shared.with(|state| {
        let offset = state.new_offset();
        let now = state.clock(offset);
        let write = WriteId(state.new_name());
        let secrets = state.shelves[&keyset].standby.clone().into_iter().collect();
        let living: Vec<_> = document.keys.iter().filter(|key| key.erased_at.is_none()).collect();
        let target = living[state.random.below(living.len())].id.clone();
        let until =
            now + std::time::Duration::from_millis(state.random.between(1000, 200_000).unsigned_abs());
        let change = change(command, target, now, until);
        (now, change, Material { secrets, ..Material::none(write) })
    });
    shared.turn().await;
    for _ in 0..change.creates() {
        let (id, secret) = shared.with(|state| state.new_key());
        material.fresh.push(id.clone());
        if shared.write(Write::Standby { keyset: keyset.clone(), id, secret }).await != Outcome::Landed {
            return;
        }
    }
    if let Ok(next) = apply(&document, &change, now, material) {
        let what = format!("{command:?} {:?} at {now}", change.key().map(KeyId::as_str));
        let write = Write::Document { keyset, expected: version, document: Arc::new(next), what };
        shared.write(write).await;
    }
}

fn change(
    command: Command,
    target: KeyId,
    now: livekit_keyd_core::time::Time,
    until: livekit_keyd_core::time::Time,
) -> Change {
    let by = "an operator".to_owned();
    let reason = "it was seen in a log".to_owned();
    match command {
        Command::Rotate => Change::Request(Request { by, at: now, key: None }),
        Command::Activate => Change::Request(Request { by, at: now, key: Some(target) }),
        Command::Hold => Change::Hold { by, until },
        Command::Resume => Change::Resume,
        Command::Revoke { accept_outage } => Change::Revoke { key: target, reason, accept_outage },
        Command::Replace => Change::Replace { key: target, reason },
        Command::RevokeAll => Change::RevokeAll { reason },
    }
}
