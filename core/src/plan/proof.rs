//! How it is known that the nodes accept a key, or refuse it.

use super::publication::Publication;
use super::view::View;
use crate::key::KeyId;
use crate::secret::Secret;
use crate::time::Time;

/// Where the knowledge comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nobody asks the nodes: a change counts as known to them the keyset's publish_delay after its publication.
    Disabled,
}

/// What is known about a key at the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as asked.
    Yes,
    /// It will count as such by itself, when nothing changes.
    From(Time),
    /// It is not, or nobody knows: a sentence.
    No(String),
}

/// Whether every node accepts a key with this secret.
pub(super) fn accepted(view: &View, id: &KeyId, secret: &Secret) -> Verdict {
    settled(view, |name, publication| {
        if publication.secret(id) == Some(secret) {
            Ok(())
        } else {
            Err(format!("publication `{name}` does not hold {id} yet"))
        }
    })
}

/// Whether every node refuses a key, and no publication could bring it back.
pub(super) fn refused(view: &View, id: &KeyId) -> Verdict {
    settled(view, |name, publication| {
        if publication.secret(id).is_none() {
            Ok(())
        } else {
            Err(format!("publication `{name}` still holds {id}"))
        }
    })
}

/// Whether each publication has been as it should for long enough.
fn settled(view: &View, as_it_should: impl Fn(&str, &Publication) -> Result<(), String>) -> Verdict {
    let world = view.world;
    let delay = view.document.rules.time_to_settle();
    let mut settled_at = Time::MIN;
    for (name, publication) in &world.publications {
        let Some(publication) = publication.fresh() else {
            return Verdict::No(format!("publication `{name}` cannot be read"));
        };
        if let Err(why) = as_it_should(name, publication) {
            return Verdict::No(why);
        }
        let Some(changed_at) = publication.changed_at else {
            return Verdict::No(format!(
                "publication `{name}` was changed and not seen since, or someone else wrote it"
            ));
        };
        settled_at = settled_at.max(changed_at + delay);
    }
    if world.publications.is_empty() {
        return Verdict::No("nothing is published: the configuration has no [[publish]]".to_owned());
    }
    if settled_at <= world.now { Verdict::Yes } else { Verdict::From(settled_at) }
}
