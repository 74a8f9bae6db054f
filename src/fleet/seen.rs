//! What is known of all nodes. Each change says whether it matters to anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Verdict};

use super::metrics::FleetMetrics;
use super::moment::Moment;
use super::record::Record;
use super::source::Source;
use super::{FleetSettings, Keys};

/// Why a name gives no addresses that nobody has looked up.
const NOT_YET: &str = "it has not been looked up yet";

/// The nodes, and the names that give none.
pub(super) struct Seen {
    records: BTreeMap<String, Record>,
    unresolved: BTreeMap<String, String>,
    doubted_for: Duration,
    metrics: FleetMetrics,
}

/// By address, and by name why it gives no addresses.
pub(super) type Told = (BTreeMap<String, Node>, BTreeMap<String, String>);

impl Seen {
    /// Nothing, which is to be told from an empty fleet.
    pub(super) fn new(settings: &FleetSettings, metrics: FleetMetrics) -> Seen {
        let (mut records, mut unresolved) = (BTreeMap::new(), BTreeMap::new());
        for source in &settings.nodes {
            let name = source.as_str().to_owned();
            match source {
                Source::Node(_) => drop(records.insert(name, Record::new())),
                Source::Name(_) => drop(unresolved.insert(name, NOT_YET.to_owned())),
            }
        }
        Seen { records, unresolved, doubted_for: settings.doubted_for(), metrics }
    }

    pub(super) fn told(&self) -> Told {
        let now = Moment::now();
        let node = |record: &Record| record.node(now, self.doubted_for);
        let nodes = self.records.iter().map(|(address, record)| (address.clone(), node(record)));
        (nodes.collect(), self.unresolved.clone())
    }

    /// Whether all names were looked up, and each node has said something to each key or given no answer.
    pub(super) fn is_settled(&self, keys: &Keys) -> bool {
        let looked_up = self.unresolved.values().all(|why| why != NOT_YET);
        looked_up && self.records.values().all(|record| record.is_settled(keys.keys()))
    }

    /// These are the nodes from now on.
    pub(super) fn are(&mut self, addresses: &BTreeSet<&str>) -> bool {
        let gone: Vec<_> =
            self.records.keys().filter(|known| !addresses.contains(known.as_str())).cloned().collect();
        for address in &gone {
            tracing::info!(node = address, "no name leads to this node any more");
            self.change(address, |record| *record = Record::new());
            self.records.remove(address);
        }
        let mut changed = !gone.is_empty();
        for address in addresses {
            if !self.records.contains_key(*address) {
                tracing::info!(node = address, "a node to be asked");
                self.records.insert((*address).to_owned(), Record::new());
                changed = true;
            }
        }
        self.count();
        changed
    }

    /// A name gives addresses, or why not.
    pub(super) fn resolved(&mut self, name: &str, why: Option<String>) -> bool {
        let before = match &why {
            Some(why) => self.unresolved.insert(name.to_owned(), why.clone()),
            None => self.unresolved.remove(name),
        };
        if let Some(why) = why.as_ref().filter(|why| before.as_ref() != Some(why)) {
            tracing::warn!(name, "this name gives no nodes, so nothing is proven: {why}");
        }
        before != why
    }

    /// Something was learnt of a node. One that was dropped while it was being asked is not there any more.
    pub(super) fn change(&mut self, address: &str, change: impl FnOnce(&mut Record)) -> bool {
        let Some(record) = self.records.get_mut(address) else { return false };
        let (now, doubted_for) = (Moment::now(), self.doubted_for);
        let look = |record: &Record| (record.verdicts(now, doubted_for), record.trouble(now, doubted_for));
        let (verdicts, trouble) = look(record);
        change(record);
        let (new_verdicts, new_trouble) = look(record);
        // Also when they are the same: doubt ends by itself.
        self.metrics.says(address, &verdicts, &new_verdicts);
        if trouble != new_trouble {
            match &new_trouble {
                Some(trouble) => tracing::warn!(node = address, "{trouble}"),
                None => tracing::info!(node = address, "the node answers"),
            }
        }
        self.count();
        verdicts != new_verdicts || trouble != new_trouble
    }

    /// Forgets what was said about other keys than these.
    pub(super) fn keep(&mut self, keep: impl Fn(&KeyId) -> bool) {
        let addresses: Vec<_> = self.records.keys().cloned().collect();
        for address in addresses {
            self.change(&address, |record| record.keep(&keep));
        }
    }

    /// What a node made of a key the last time.
    pub(super) fn verdict(&self, address: &str, id: &KeyId) -> Option<Verdict> {
        self.records.get(address)?.verdict(id)
    }

    /// Those of the keys that a node said nothing about.
    pub(super) fn unanswered(&self, address: &str, keys: &Keys) -> Keys {
        let unanswered = keys.iter().filter(|(id, _)| self.verdict(address, id).is_none());
        unanswered.map(|(id, secret)| (id.clone(), secret.clone())).collect()
    }

    fn count(&self) {
        let now = Moment::now();
        let state = |record: &Record| {
            record.trouble(now, self.doubted_for).map_or("answering", |trouble| trouble.kind())
        };
        self.metrics.count(self.records.values().map(state));
        let differences = self.records.values().map(Record::clock_difference);
        self.metrics.clocks(differences.max().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Registry, TextEncoder};

    #[test]
    fn a_node_that_is_gone_leaves_no_series() {
        let registry = Registry::new();
        let metrics = FleetMetrics::register(&registry).expect("names are free");
        let settings = FleetSettings {
            nodes: vec!["dns:livekit:7880".parse().expect("a name")],
            probe_interval: Duration::from_secs(15),
            probe_timeout: Duration::from_secs(2),
        };
        let mut seen = Seen::new(&settings, metrics);
        assert_eq!(seen.told().1.keys().collect::<Vec<_>>(), ["dns:livekit:7880"]);
        assert!(seen.resolved("dns:livekit:7880", None));
        assert!(seen.are(&BTreeSet::from(["a", "b"])));
        for address in ["a", "b"] {
            assert!(seen.change(address, |record| {
                record.answers(Some(Duration::from_secs(9)));
                record.says(&KeyId::new("APIx"), Verdict::Accepted, Moment::now());
            }));
            // The same again is no news.
            assert!(!seen.change(address, |record| record.answers(None)));
        }
        let text = || TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
        assert!(text().contains("node=\"b\"") && text().contains("{state=\"answering\"} 2"), "{}", text());
        assert!(seen.are(&BTreeSet::from(["a"])));
        assert!(!seen.are(&BTreeSet::from(["a"])), "nothing changed");
        assert!(!text().contains("node=\"b\"") && text().contains("{state=\"answering\"} 1"), "{}", text());
        assert!(!seen.change("b", |record| record.answers(None)), "its last answer came too late");
        assert_eq!(seen.told().0.keys().collect::<Vec<_>>(), ["a"]);
    }
}
