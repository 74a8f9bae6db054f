//! Says of a login to the store that fails, before the first call fails for it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::conditions::{Conditions, Finding};
use crate::store::Store;
use crate::store::vault::LoginFailure;

/// Keeps the conditions of the login true, until told to stop. A store without a login has none.
pub(super) async fn watch(store: Arc<Store>, conditions: Arc<Conditions>, mut stop: watch::Receiver<bool>) {
    let Some(mut changes) = store.session_changes() else { return };
    loop {
        let failure = store.session().and_then(|session| session.failure);
        conditions.replace("login", failure.as_ref().map(finding).into_iter().collect());
        tokio::select! {
            () = changes.next() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn finding(failure: &LoginFailure) -> Finding {
    // Whom a thief has robbed must not read it as one more outage.
    let kind = if failure.intercepted { "SecretIdIntercepted" } else { "StoreLoginFailing" };
    Finding {
        keyset: None,
        kind,
        degraded: true,
        reason: failure.error.as_str().to_owned(),
        message: failure.error.to_string(),
    }
}
