//! Whether publications can be read, and could be replaced.

use std::sync::Arc;

use livekit_keyd_core::plan::Publication;

use super::Outcome;
use super::access::{executable, writable};
use crate::config::{Config, PublisherConfig};
use crate::publish::{NodeRestart, Program, Publisher, StorePublisher};
use crate::store::Store;

/// What the store has for LiveKit's nodes, with what was found.
pub(super) async fn check(
    config: &Config,
    store: Option<&Arc<Store>>,
) -> (Option<Publication>, Vec<Outcome>) {
    let (mut published, mut outcomes) = (None, Vec::new());
    let deployment = &config.livekit.path;
    if let Some(store) = store {
        let own = Publisher::Store(StorePublisher::new(Arc::clone(store), deployment));
        match own.read().await {
            Ok(found) => {
                let why = format!("{deployment}/nodes is readable and has {} keys", found.keys.len());
                outcomes.push(Outcome::pass("publication in the store", why));
                published = Some(found);
            }
            Err(error) => outcomes.push(Outcome::fail("publication in the store", error.to_string())),
        }
    }
    for publish in &config.publish {
        let what = format!("publisher `{}`", publish.name());
        let publisher = store.map(|store| publish.publisher(store, deployment));
        let hindrances = hindrances(publish, publisher.or_else(|| publish.without_store()).as_ref()).await;
        outcomes.push(outcome(what, hindrances, "readable, and could be replaced"));
    }
    for keyset in &config.keysets {
        if let Some(program) = keyset.client.as_ref().and_then(|client| client.on_change.as_ref()) {
            let what = format!("on_change of keyset `{}`", keyset.keyset.name);
            outcomes.push(outcome(what, program_of(Some(program)), "its program could be started"));
        }
    }
    (published, outcomes)
}

fn outcome(what: String, hindrances: Vec<String>, good: &str) -> Outcome {
    if hindrances.is_empty() { Outcome::pass(what, good) } else { Outcome::fail(what, hindrances.join("; ")) }
}

/// A command's memory lies in the store, so without one it is not read.
async fn hindrances(publish: &PublisherConfig, publisher: Option<&Publisher>) -> Vec<String> {
    let mut hindrances = Vec::new();
    if let Some(publisher) = publisher {
        hindrances.extend(publisher.read().await.err().map(|error| error.to_string()));
    }
    match publish {
        PublisherConfig::KeyFile(file) => {
            hindrances.extend(writable(file.path.parent().unwrap_or(&file.path)).err());
            hindrances.extend(program_of(file.restart.as_ref().map(program)));
        }
        PublisherConfig::Command(command) => {
            hindrances.extend(program_of(Some(&command.publish)));
            hindrances.extend(program_of(command.restart.as_ref().map(program)));
        }
        PublisherConfig::Kubernetes(_) => hindrances.extend(rights(publisher).await),
    }
    hindrances
}

async fn rights(publisher: Option<&Publisher>) -> Vec<String> {
    let Some(Publisher::Kubernetes(secret)) = publisher else { return Vec::new() };
    match secret.hindrances().await {
        Ok(hindrances) => hindrances
            .into_iter()
            .map(|why| format!("{why}; the Helm chart has the Role that a rotator needs"))
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn program(restart: &NodeRestart) -> &Program {
    &restart.program
}

fn program_of(program: Option<&Program>) -> Vec<String> {
    program.and_then(|program| executable(program).err()).into_iter().collect()
}
