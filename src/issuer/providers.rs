//! The issuers of the present configuration, each read by a task of its own that ends with its issuer.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use super::fetch::Reader;
use super::metrics::IssuerMetrics;
use super::place::Place;
use super::provider::{Provider, source};
use crate::conditions::Conditions;
use crate::config::IssuerConfig;

/// All providers. Their tasks end when this is dropped.
pub struct Providers {
    metrics: IssuerMetrics,
    conditions: Arc<Conditions>,
    tasks: JoinSet<()>,
    running: BTreeMap<String, Running>,
}

struct Running {
    url: String,
    place: Place,
    provider: Arc<Provider>,
    task: AbortHandle,
}

impl Providers {
    /// None yet.
    pub fn new(metrics: IssuerMetrics, conditions: Arc<Conditions>) -> Providers {
        Providers { metrics, conditions, tasks: JoinSet::new(), running: BTreeMap::new() }
    }

    /// Those of a configuration, by the issuer's name: keys that were read from the same place are kept.
    ///
    /// # Errors
    /// A sentence; nothing has changed then.
    pub fn of(&mut self, issuers: &[IssuerConfig]) -> Result<BTreeMap<String, Arc<Provider>>, String> {
        let same = |running: &Running, issuer: &IssuerConfig| {
            running.url == issuer.url && running.place == issuer.place
        };
        let mut new = Vec::new();
        for issuer in issuers {
            if !self.running.get(&issuer.name).is_some_and(|running| same(running, issuer)) {
                new.push((issuer, Reader::new(&issuer.url, &issuer.place)?));
            }
        }
        self.running.retain(|name, running| {
            let stays = issuers.iter().any(|issuer| issuer.name == *name && same(running, issuer));
            if !stays {
                running.task.abort();
                self.conditions.replace(&source(name), Vec::new());
            }
            stays
        });
        for (issuer, reader) in new {
            let metrics = self.metrics.provider(&issuer.name);
            let provider = Arc::new(Provider::new(&issuer.name, reader, metrics));
            let task = self.tasks.spawn(Arc::clone(&provider).keep(Arc::clone(&self.conditions)));
            let (url, place) = (issuer.url.clone(), issuer.place.clone());
            self.running.insert(issuer.name.clone(), Running { url, place, provider, task });
        }
        self.metrics.keep(|name| self.running.contains_key(name));
        Ok(self.running.iter().map(|(name, running)| (name.clone(), Arc::clone(&running.provider))).collect())
    }
}
