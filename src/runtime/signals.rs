//! SIGTERM and SIGINT end the daemon; a second one ends it at once.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Does something until a signal says stop.
pub(super) async fn until_stop(work: impl Future<Output = ()>) -> io::Result<()> {
    let (mut terminate, mut interrupt) = both()?;
    tokio::select! {
        () = work => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Does something, unless a further signal says that nobody wants to wait.
pub(super) async fn unless_again(work: impl Future<Output = ()>) {
    let Ok((mut terminate, mut interrupt)) = both() else { return work.await };
    tokio::select! {
        () = work => {}
        _ = terminate.recv() => tracing::warn!("a second signal: ending at once"),
        _ = interrupt.recv() => tracing::warn!("a second signal: ending at once"),
    }
}

fn both() -> io::Result<(Signal, Signal)> {
    Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
}
