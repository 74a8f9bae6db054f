//! Looks one name up again and again.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long an answer may take until the name is unknown. The lookup itself goes on.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a name gives now: at least one address, or why there is none.
pub(super) type Found = Result<Vec<SocketAddr>, String>;

/// Tells what the name gives, and again after each pause, until nobody listens.
pub(super) async fn keep_looking(
    host: String,
    port: u16,
    index: usize,
    found: mpsc::Sender<(usize, Found)>,
    pause: impl Fn() -> Duration,
) {
    loop {
        let mut lookup = look_up(host.clone(), port);
        // The system's resolver cannot be interrupted, so the next lookup waits for this one.
        let answer = match timeout(PATIENCE, &mut lookup).await {
            Ok(answer) => answer,
            Err(_) => {
                let late = Err(format!("no name server has answered for {} s", PATIENCE.as_secs()));
                if found.send((index, late)).await.is_err() {
                    return;
                }
                lookup.await
            }
        };
        let answer = answer.unwrap_or_else(|_| Err("the lookup broke off".to_owned()));
        if found.send((index, answer)).await.is_err() {
            return;
        }
        tokio::time::sleep(pause()).await;
    }
}

/// On a thread of its own: one that hangs must not hold up those that wait for files.
fn look_up(host: String, port: u16) -> oneshot::Receiver<Found> {
    let (tell, told) = oneshot::channel();
    let resolve = move || {
        let found = (host.as_str(), port).to_socket_addrs().map(BTreeSet::from_iter);
        // Nobody listens any more at the end of the process.
        let _ = tell.send(understand(found));
    };
    // Without a thread the answer never comes, and the receiver says so.
    let _ = thread::Builder::new().name("lookup".to_owned()).spawn(resolve);
    told
}

fn understand(found: io::Result<BTreeSet<SocketAddr>>) -> Found {
    match found {
        Ok(places) if places.is_empty() => Err("it has no addresses".to_owned()),
        Ok(places) => Ok(places.into_iter().collect()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_no_answer() {
        assert!(understand(Ok(BTreeSet::new())).is_err());
    }
}
