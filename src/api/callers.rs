//! Which `[[caller]]` a peer is, and all that its requests need, resolved when the configuration loads.

use std::sync::Arc;

use livekit_keyd_core::policy::{CallerMatch, Policy};

use super::peer::Peer;
use crate::metrics::CallerMetrics;
use crate::signer::Signer;

/// A caller, ready to be answered.
pub struct ResolvedCaller {
    /// How it is known.
    pub matches: CallerMatch,
    /// What it may ask for.
    pub policy: Policy,
    /// Who signs for it.
    pub signer: Arc<Signer>,
    /// Its counters.
    pub metrics: CallerMetrics,
}

/// All callers, in the order of the configuration file.
#[derive(Default)]
pub struct Callers(pub Vec<Arc<ResolvedCaller>>);

impl Callers {
    /// The first that fits, as in pg_hba.conf.
    pub fn find(&self, peer: &Peer) -> Option<&Arc<ResolvedCaller>> {
        self.0.iter().find(|caller| caller.matches.fits(peer.uid, &peer.gids))
    }
}
