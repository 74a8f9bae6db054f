//! The invariants, by their numbers in the design, looked at whenever something has happened.
//!
//! They are said anew here, from what the store, the nodes and the tokens are,
//! and not by the functions that are under test.

use std::time::Duration;

use livekit_keyd_core::document::{Document, MOST_LIVE_KEYS};
use livekit_keyd_core::key::{Key, KeyId};
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::plan::Publication;
use livekit_keyd_core::time::Time;

use super::state::{State, secret_of};

fn is_dead(key: &Key) -> bool {
    key.unpublished_at.is_some() || key.compromised_at.is_some()
}

fn has_live_successor(document: &Document, key: &Key) -> bool {
    let ordinal = |key: &Key| key.commitment().map(|commitment| commitment.ordinal);
    document.keys.iter().any(|other| ordinal(other) > ordinal(key) && !is_dead(other))
}

impl State {
    /// 3, 4 and 7, as a document replaces another.
    pub(crate) fn check_document_change(&mut self, before: Option<&Document>, after: &Document) {
        let keyset = after.keyset.clone();
        let given_up = after.keys.iter().filter(|key| key.unpublished_at.is_some());
        self.given_up.extend(given_up.map(|key| key.id.clone()));
        let Some(before) = before else { return };
        if after.lineage != before.lineage || after.seq <= before.seq {
            self.violate(4, format!("{keyset}: seq {} replaces {}", after.seq, before.seq));
        }
        for old in &before.keys {
            let Some(new) = after.key(&old.id) else {
                self.violate(7, format!("{} is gone from the document", old.id));
                continue;
            };
            let lost = self.shelves[&keyset].lost.contains(&new.id);
            // What a restored store has committed and no publication holds is of no use any more.
            let given_up = after.restored_at_seq == Some(after.seq)
                && self.publishers.values().all(|there| there.holds.secret(&new.id).is_none());
            let left = old.unpublished_at.is_none().then_some(new.unpublished_at).flatten();
            if let Some(at) = left.filter(|_| new.compromised_at.is_none() && !lost && !given_up) {
                self.check_dependents_left(&keyset, &new.id);
                let end = new.not_after.map(|end| end + after.rules.clock_skew);
                if end.is_none_or(|end| at < end) || !has_live_successor(after, new) {
                    self.violate(
                        3,
                        format!(
                            "{} leaves at {at}, its end is {:?}, with or without a successor",
                            new.id, end
                        ),
                    );
                }
            }
        }
        let committed =
            |document: &Document, id: &KeyId| document.key(id).is_some_and(|key| key.commitment().is_some());
        let new: Vec<_> = after
            .keys
            .iter()
            .filter(|key| committed(after, &key.id) && !committed(before, &key.id))
            .map(|key| key.id.clone())
            .collect();
        new.iter().for_each(|id| self.check_commitment(id));
        if before.newest().is_none() && after.newest().is_some() {
            self.began_at.insert(keyset, self.now);
        }
    }

    /// 3 and 4, as a publication replaces another.
    pub(crate) fn check_publication_change(&mut self, name: &str, there: &Publication, wanted: &Publication) {
        for (keyset, (lineage, seq)) in &there.vector.0 {
            if !wanted.vector.0.get(keyset).is_some_and(|(new, newer)| new == lineage && newer >= seq) {
                self.violate(4, format!("{name} goes back behind seq {seq} of {keyset}"));
            }
        }
        for (id, _) in &there.keys {
            if !self.given_up.contains(id) && !wanted.keys.iter().any(|(other, _)| other == id) {
                self.violate(3, format!("{name} loses {id}, which no document gave up"));
            }
        }
        for (id, secret) in &wanted.keys {
            if !self.foreign.contains(id) && *secret != secret_of(id) {
                self.violate(7, format!("{name} has another secret for {id}"));
            }
        }
    }

    /// 1, as a token is signed.
    pub(crate) fn check_token(&mut self, index: usize, id: &KeyId, expiry: Time) {
        let signer = &self.signers[index];
        let (now, age) = (self.clock(signer.offset), self.age(signer));
        let Some(key) = signer.document.as_ref().and_then(|document| document.key(id)).cloned() else {
            return;
        };
        let lease = key.commitment().map(|commitment| now - age + commitment.overlap);
        let early = key.commitment().is_none_or(|commitment| now < commitment.not_before);
        let compromised = signer.compromised.contains(id) || key.compromised_at.is_some();
        if early || compromised || lease.is_none_or(|lease| expiry > lease) {
            self.violate(
                1,
                format!("signer {index} at {now}, {age:?} after its read: {id} until {expiry}; early {early}, compromised {compromised}, lease {lease:?}"),
            );
        }
    }

    /// Whatever must be true at each moment.
    pub(crate) fn check_state(&mut self) {
        for keyset in self.shelves.keys().cloned().collect::<Vec<_>>() {
            let Some(document) = self.document(&keyset).cloned() else { continue };
            self.check_document(&keyset, &document);
            for key in &document.keys {
                self.check_key(&keyset, &document, key);
            }
        }
        for index in 0..self.signers.len() {
            self.check_signer(index);
        }
    }

    fn check_document(&mut self, keyset: &str, document: &Document) {
        if let Err(flaw) = document.check(keyset) {
            self.violate(7, flaw.to_string());
        }
        let live = document.keys.iter().filter(|key| key.unpublished_at.is_none()).count();
        if live > MOST_LIVE_KEYS {
            self.violate(8, format!("{keyset} has {live} live keys"));
        }
    }

    fn check_key(&mut self, keyset: &str, document: &Document, key: &Key) {
        let id = &key.id;
        if let Some(secret) = &key.secret
            && *secret != secret_of(id)
        {
            self.violate(7, format!("{id} has another key's secret"));
        }
        let shelf = &self.shelves[keyset];
        if key.commitment().is_none()
            && !is_dead(key)
            && !shelf.standby.contains_key(id)
            && !shelf.lost.contains(id)
        {
            self.violate(7, format!("standby {id} is named and its secret is not in the store"));
        }
        if key.erased_at.is_some() {
            self.check_erased(id);
        }
        if key.compromised_at.is_some() {
            return;
        }
        let token = (keyset.to_owned(), id.clone());
        if let Some(expiry) = self.given.get(&token).copied() {
            self.check_accepted(document, key, expiry);
        }
        let Some(expiry) = self.tokens.get(&token).copied() else { return };
        if let Some(end) = key.not_after.filter(|end| end.as_secs() < expiry) {
            let expiry = Time::from_millis(expiry * 1000);
            self.violate(1, format!("a token of {id} lives until {expiry}, past the key's end {end}"));
        }
        self.check_accepted(document, key, expiry);
    }

    /// 5: nodes that read what is published take a token until it expires.
    fn check_accepted(&mut self, document: &Document, key: &Key, expiry: i64) {
        let id = &key.id;
        for (index, node) in self.nodes.iter().enumerate() {
            let alive = expiry * 1000 > self.clock(node.offset).as_millis();
            if alive && node.answers() && !node.is_stale && node.keys.get(id) != Some(&secret_of(id)) {
                let phase = Phase::of(document, key, self.clock(0));
                return self
                    .violate(5, format!("node {index} refuses a live token of {id}, which is {phase}"));
            }
        }
    }

    /// 6: what is erased is nowhere that LiveKit reads; the store's old versions may follow a little later.
    fn check_erased(&mut self, id: &KeyId) {
        let published = self.publishers.iter().find(|(_, there)| there.holds.secret(id).is_some());
        if let Some(name) = published.map(|(name, _)| name.clone()) {
            self.violate(6, format!("{id} is erased and {name} holds it"));
        }
        let given =
            self.clients.values().any(|client| client.key.as_ref().is_some_and(|(held, _)| held == id));
        if given {
            self.violate(6, format!("{id} is erased and dependents are given it"));
        }
        if let Some(index) = self.nodes.iter().position(|node| !node.is_stale && node.keys.contains_key(id)) {
            self.violate(6, format!("{id} is erased and node {index} accepts it"));
        }
    }

    /// 7: in touch with the store, a signer has a key, for tokens of any length that is allowed.
    fn check_signer(&mut self, index: usize) {
        let signer = &self.signers[index];
        let (Some(document), Some(snapshot)) = (&signer.document, &signer.snapshot) else { return };
        let (now, age) = (self.clock(signer.offset), self.age(signer));
        let skew = document.rules.clock_skew.as_millis() as i64;
        // The first key begins by the rotator's clock, and a slower signer waits for it.
        let just_begun = self.began_at.get(&signer.keyset).is_some_and(|began| self.now <= began + skew);
        if age > document.rules.refresh_interval * 2 || document.newest().is_none() || just_begun {
            return;
        }
        let wanted = now + document.rules.max_token_ttl.saturating_sub(Duration::from_secs(1));
        match snapshot.at(now, age) {
            Ok(signing) if signing.latest_expiry >= wanted => {}
            answer => {
                let what = format!(
                    "signer {index} at {now}, {age:?} after it read seq {}, has {answer:?}",
                    document.seq
                );
                self.violate(7, what);
            }
        }
    }
}
