//! How it is known that the nodes accept a key, or refuse it.

use super::fleet::{Fleet, Verdict};
use super::publication::Publication;
use super::view::View;
use crate::key::{Key, KeyId};
use crate::secret::Secret;
use crate::time::Time;

/// Where the knowledge comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// Nobody asks the nodes: a change counts as known to them the keyset's publish_delay after its publication.
    Disabled,
    /// The nodes are asked.
    Required(Box<Fleet>),
}

impl Proof {
    /// The nodes, if they are asked.
    pub fn fleet(&self) -> Option<&Fleet> {
        match self {
            Proof::Disabled => None,
            Proof::Required(fleet) => Some(fleet),
        }
    }
}

/// What is known about a key at the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is as asked.
    Yes,
    /// It will count as such by itself, when nothing changes.
    From(Time),
    /// It is not, or nobody knows: a sentence.
    No(String),
}

/// Whether every node accepts a key with this secret, and every publication would give it to them again.
pub(super) fn accepted(view: &View, id: &KeyId, secret: &Secret) -> Known {
    let held = |name: &str, publication: &Publication| {
        if publication.secret(id) == Some(secret) {
            Ok(())
        } else {
            Err(format!("publication `{name}` does not hold {id} yet"))
        }
    };
    let said = |fleet: &Fleet, since| fleet.all_say(Verdict::Accepted, id, since, view.now());
    if view.document.external {
        // Others publish it: it is asked for, or waited for, since it was seen at the source.
        let since = view.document.key(id).map_or(view.now(), |key| key.created_at);
        return judged(view, since, said);
    }
    known(view, held, said)
}

/// Whether every node refuses a key that was taken out, and no publication could bring it back.
pub(super) fn refused(view: &View, key: &Key) -> Known {
    let id = &key.id;
    let gone = |name: &str, publication: &Publication| {
        if publication.secret(id).is_none() {
            Ok(())
        } else {
            Err(format!("publication `{name}` still holds {id}"))
        }
    };
    known(view, gone, |fleet, since| {
        let since = since.max(key.unpublished_at.unwrap_or(Time::MIN));
        fleet.all_say(Verdict::Refused, id, since, view.now())
    })
}

/// By the nodes' answers where they are asked, else by the time that each publication has been as it should.
///
/// An answer counts that was asked for since the publications are as they should: a node that gave it before may have
/// started in between, and read what was there then.
fn known(
    view: &View,
    as_it_should: impl Fn(&str, &Publication) -> Result<(), String>,
    said: impl Fn(&Fleet, Time) -> Result<(), String>,
) -> Known {
    let world = view.world;
    let mut since = Time::MIN;
    if world.publications.is_empty() {
        return Known::No("nothing is published: the configuration has no [[publish]]".to_owned());
    }
    for (name, publication) in &world.publications {
        let Some(publication) = publication.fresh() else {
            return Known::No(format!("publication `{name}` cannot be read"));
        };
        if let Err(why) = as_it_should(name, publication) {
            return Known::No(why);
        }
        let Some(changed_at) = publication.changed_at else {
            return Known::No(format!(
                "publication `{name}` was changed and not seen since, or someone else wrote it"
            ));
        };
        since = since.max(changed_at);
    }
    judged(view, since, said)
}

/// What is known of nodes that might all have read of it at a moment.
fn judged(view: &View, since: Time, said: impl Fn(&Fleet, Time) -> Result<(), String>) -> Known {
    let rules = &view.document.rules;
    match &view.world.proof {
        Proof::Required(fleet) => {
            said(fleet, since + rules.clock_skew).map_or_else(Known::No, |()| Known::Yes)
        }
        Proof::Disabled => {
            let settled_at = since + rules.time_to_settle();
            if settled_at <= view.now() { Known::Yes } else { Known::From(settled_at) }
        }
    }
}
