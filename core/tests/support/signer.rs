//! A signer as the daemon is: it reads the document now and then, and signs by its clock.

use std::sync::Arc;

use livekit_keyd_core::snapshot::Snapshot;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::watermark::Watermark;

use super::Mutation;
use super::shared::Shared;
use super::sim::Sleep;
use super::state::State;

/// Reads until it is killed.
pub(crate) async fn refresh(index: usize, shared: Shared, sleep: Sleep) {
    loop {
        let (keyset, in_touch, asked_at) = shared.with(|state| {
            let signer = &state.signers[index];
            (signer.keyset.clone(), signer.in_touch, state.now)
        });
        if in_touch {
            shared.turn().await;
            let document = shared.with(|state| state.document(&keyset).cloned());
            shared.turn().await;
            if let Some(document) = document {
                shared.with(|state| offer(state, index, &document, asked_at));
            }
        }
        let pause = shared.with(|state| {
            let interval = state.setup.rules.refresh_interval.as_millis() as i64;
            state.now + state.random.between(interval * 4 / 5, interval * 6 / 5)
        });
        sleep.until(&shared, pause).await;
    }
}

pub(crate) fn offer(
    state: &mut State,
    index: usize,
    document: &Arc<livekit_keyd_core::document::Document>,
    asked_at: i64,
) {
    let forgives = state.mutated(Mutation::SignerForgivesCompromise);
    let forgets = state.mutated(Mutation::SignerForgetsMark);
    let signer = &mut state.signers[index];
    if !forgets && signer.mark.as_ref().is_some_and(|mark| mark.admits(document).is_err()) {
        return;
    }
    let compromised = document.keys.iter().filter(|key| key.compromised_at.is_some());
    signer.compromised.extend(compromised.map(|key| key.id.clone()));
    let snapshot = if forgives {
        let mut forgiven = livekit_keyd_core::document::Document::clone(document);
        for key in forgiven.keys.iter_mut().filter(|key| key.compromised_at.is_some()) {
            (key.compromised_at, key.unpublished_at) = (None, None);
        }
        Snapshot::new(&forgiven, &std::collections::BTreeSet::new())
    } else {
        Snapshot::new(document, &signer.compromised)
    };
    signer.mark = Watermark::of(document);
    signer.snapshot = Some(snapshot);
    signer.document = Some(Arc::clone(document));
    signer.asked_at = signer.asked_at.max(asked_at);
}

/// Makes the longest token that it may.
pub(crate) fn sign(state: &mut State, index: usize) -> Option<livekit_keyd_core::key::KeyId> {
    let signer = &state.signers[index];
    let keyset = signer.keyset.clone();
    let snapshot = signer.snapshot.as_ref()?;
    let (now, age) = (state.clock(signer.offset), state.age(signer));
    let signing = snapshot.at(now, age).ok()?;
    let id = snapshot.candidates()[signing.index].id.clone();
    let expiry = if state.mutated(Mutation::SignerIgnoresLease) {
        now + signer.document.as_ref()?.rules.overlap
    } else {
        signing.latest_expiry
    };
    state.check_token(index, &id, expiry);
    let longest = state.tokens.entry((keyset, id.clone())).or_default();
    *longest = (*longest).max(Time::as_secs(expiry));
    Some(id)
}
