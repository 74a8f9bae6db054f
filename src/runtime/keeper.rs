//! Keeps watermarks on disk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use livekit_keyd_core::watermark::Watermark;
use tokio::sync::watch;

use crate::marks::Marks;
use crate::signer::Signer;

const INTERVAL: Duration = Duration::from_secs(1);

/// Writes each mark that has moved, until told to stop and once more then.
pub(super) async fn keep(
    marks: Marks,
    signers: Arc<BTreeMap<String, Arc<Signer>>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut kept: BTreeMap<String, Watermark> = BTreeMap::new();
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(INTERVAL) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        for (name, signer) in signers.iter() {
            let Some(mark) = signer.mark().filter(|mark| kept.get(name) != Some(mark)) else { continue };
            let (marks, name, moved) = (marks.clone(), name.clone(), mark.clone());
            kept.insert(name.clone(), mark);
            // A mark that was not written is written with the next change.
            let _ = tokio::task::spawn_blocking(move || marks.save(&name, &moved)).await;
        }
        if stopped {
            return;
        }
    }
}
