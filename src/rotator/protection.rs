//! Whether the store may lose documents or take blind writes: looked at from the start on, until all is well.

use super::Rotator;
use crate::conditions::Finding;
use crate::store::StoreError;

impl Rotator {
    /// Warns of unsafe paths with the command that mends each. Whether none is left to look at.
    pub(super) async fn paths_are_safe(&self) -> bool {
        let mut findings = Vec::new();
        let mut all_known = true;
        for keyset in self.keysets.load().iter() {
            match self.store.unprotected(&keyset.path).await {
                Ok(None) => {}
                Ok(Some(message)) => findings.push(Finding {
                    keyset: Some(keyset.name.clone()),
                    kind: "StoreUnprotected",
                    degraded: true,
                    reason: "settings".to_owned(),
                    message,
                }),
                Err(StoreError::Unreachable { .. }) => all_known = false,
                // Not every policy lets metadata be read.
                Err(error) => {
                    tracing::debug!(keyset = keyset.name, "the path's settings are not known: {error}");
                }
            }
        }
        let safe = findings.is_empty() && all_known;
        self.conditions.replace("protection", findings);
        safe
    }
}
