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
    known(view, held, |fleet| fleet.all_say(Verdict::Accepted, id, Time::MIN, view.now()))
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
    let after = key.unpublished_at.unwrap_or(Time::MIN);
    known(view, gone, |fleet| fleet.all_say(Verdict::Refused, id, after, view.now()))
}

/// By the nodes' answers where they are asked, else by the time that each publication has been as it should.
fn known(
    view: &View,
    as_it_should: impl Fn(&str, &Publication) -> Result<(), String>,
    said: impl Fn(&Fleet) -> Result<(), String>,
) -> Known {
    let world = view.world;
    let delay = view.document.rules.time_to_settle();
    let mut settled_at = Time::MIN;
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
        match publication.changed_at {
            Some(changed_at) => settled_at = settled_at.max(changed_at + delay),
            None if world.proof.fleet().is_none() => {
                return Known::No(format!(
                    "publication `{name}` was changed and not seen since, or someone else wrote it"
                ));
            }
            None => {}
        }
    }
    match &world.proof {
        Proof::Required(fleet) => said(fleet).map_or_else(Known::No, |()| Known::Yes),
        Proof::Disabled if settled_at <= world.now => Known::Yes,
        Proof::Disabled => Known::From(settled_at),
    }
}
