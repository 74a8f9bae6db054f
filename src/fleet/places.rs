//! Which nodes each entry of `nodes` leads to.

use std::collections::BTreeSet;

use super::lookup::Found;
use super::source::{Endpoint, Source};

/// The nodes by the entries that lead to them.
pub(super) struct Places<'a> {
    sources: &'a [Source],
    given: Vec<BTreeSet<Endpoint>>,
}

impl<'a> Places<'a> {
    /// Nodes at IP addresses need no lookup.
    pub(super) fn new(sources: &'a [Source]) -> Places<'a> {
        let given = sources.iter().map(|source| match source {
            Source::Node(endpoint) if endpoint.name().is_none() => BTreeSet::from([endpoint.clone()]),
            Source::Node(_) | Source::Name(_) => BTreeSet::new(),
        });
        Places { sources, given: given.collect() }
    }

    /// Takes in what the lookup for an entry found. A name that gives no address now may give the old ones again, so
    /// their nodes stay.
    pub(super) fn found(&mut self, index: usize, found: &Found) {
        match (&self.sources[index], found) {
            (Source::Node(endpoint), _) => self.given[index] = BTreeSet::from([endpoint.clone()]),
            (Source::Name(_), Ok(all)) => {
                self.given[index] = all.iter().copied().filter_map(Endpoint::of).collect();
            }
            (Source::Name(_), Err(_)) => {}
        }
    }

    /// All nodes, each once.
    pub(super) fn endpoints(&self) -> BTreeSet<&Endpoint> {
        self.given.iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_goes_when_a_lookup_succeeded_without_it() {
        let sources =
            ["dns:livekit:7880", "http://10.0.0.1:7880"].map(|source| source.parse().expect("a node"));
        let mut places = Places::new(&sources);
        let has = |places: &Places<'_>| {
            places.endpoints().into_iter().map(|endpoint| endpoint.address.clone()).collect::<Vec<_>>()
        };
        let found = |all: &[&str]| Ok(all.iter().map(|one| one.parse().expect("an address")).collect());
        assert_eq!(has(&places), ["http://10.0.0.1:7880"]);
        places.found(0, &found(&["10.0.0.1:7880", "10.0.0.2:7880", "10.0.0.3:7880"]));
        let three = ["http://10.0.0.1:7880", "http://10.0.0.2:7880", "http://10.0.0.3:7880"];
        assert_eq!(has(&places), three, "one of them was known before");
        places.found(0, &Err("no name server answers".to_owned()));
        assert_eq!(has(&places), three, "nothing says that they are gone");
        places.found(0, &found(&["10.0.0.3:7880"]));
        assert_eq!(has(&places), ["http://10.0.0.1:7880", "http://10.0.0.3:7880"]);
    }
}
