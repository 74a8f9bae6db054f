//! Which world it is: a digest of everything on which what comes next depends.

use std::hash::{DefaultHasher, Hash, Hasher};

use livekit_keyd_core::plan::{ClientKey, Publication};

use super::machine::Machine;
use super::rotator::{Pending, Rotator};
use crate::support::fleet::Life;
use crate::support::state::State;
use crate::support::write::Write;

impl Machine {
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.disturbances.hash(&mut hasher);
        hash_state(&self.state, &mut hasher);
        self.rotators.iter().for_each(|rotator| hash_rotator(rotator, &mut hasher));
        self.under_way.iter().for_each(|write| hash_write(write, &mut hasher));
        hasher.finish()
    }
}

fn hash_state(state: &State, into: &mut DefaultHasher) {
    (state.now, state.revision, &state.tokens, &state.given, &state.given_up, &state.began_at).hash(into);
    (state.rollout.version, &state.rollout.rollout).hash(into);
    for shelf in state.shelves.values() {
        (&shelf.versions, &shelf.standby, &shelf.lost).hash(into);
    }
    state.clients.values().for_each(|client| hash_client(client, into));
    for publisher in state.publishers.values() {
        hash_publication(&publisher.holds, into);
        hash_publication(&publisher.before, into);
        publisher.is_old.hash(into);
    }
    for node in &state.nodes {
        (&node.keys, &node.ever, node.generation, node.started_at, node.is_stale, node.deadline).hash(into);
        match node.life {
            Life::Serving => 0,
            Life::Draining { until } => until,
            Life::Away { until } => -until,
        }
        .hash(into);
    }
    for signer in &state.signers {
        (&signer.document, &signer.mark, &signer.compromised, signer.asked_at).hash(into);
    }
    state.dependents.iter().for_each(|dependent| dependent.key.hash(into));
}

fn hash_rotator(rotator: &Rotator, into: &mut DefaultHasher) {
    rotator.publications.is_some().hash(into);
    rotator.publications.iter().flatten().for_each(|(_, there)| hash_publication(there, into));
    (&rotator.orders, &rotator.first_seen, rotator.asked_at, &rotator.mark, rotator.lives).hash(into);
    (rotator.own_lease.version, &rotator.own_lease.rollout).hash(into);
    for node in rotator.nodes.values() {
        (node.answering_since, node.gone_at, node.trouble.is_some()).hash(into);
        for (id, answer) in &node.answers {
            (id, answer.verdict, answer.since, answer.asked_at).hash(into);
        }
    }
    match &rotator.pending {
        None => 0.hash(into),
        Some(Pending::Writes { left, .. }) => left.iter().for_each(|write| hash_write(write, into)),
        Some(Pending::Restart { node, generation, asked_at }) => (node, generation, asked_at).hash(into),
    }
}

fn hash_publication(publication: &Publication, into: &mut DefaultHasher) {
    (&publication.keys, &publication.vector.0, publication.changed_at).hash(into);
}

fn hash_client(client: &ClientKey, into: &mut DefaultHasher) {
    (&client.key, &client.document, client.changed_at).hash(into);
}

fn hash_write(write: &Write, into: &mut DefaultHasher) {
    match write {
        Write::Standby { id, .. } => (1, id).hash(into),
        Write::Remove { id, .. } => (2, id).hash(into),
        Write::Document { expected, document, .. } => (3, expected, document).hash(into),
        Write::Destroy { versions, .. } => (4, versions).hash(into),
        Write::Publication { publisher, there, wanted } => {
            (5, publisher).hash(into);
            hash_publication(there, into);
            hash_publication(wanted, into);
        }
        Write::Rollout { expected, rollout } => (6, expected, rollout).hash(into),
        Write::Client { there, wanted, .. } => {
            7.hash(into);
            hash_client(there, into);
            hash_client(wanted, into);
        }
    }
}
