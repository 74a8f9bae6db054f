//! `check --online`: what a configuration needs is tried for real, and nothing is changed.
//!
//! Reads are made. Of writes it is asked whether they are allowed, as a try would
//! be a write. A file a subject.

mod access;
mod documents;
mod nodes;
mod permissions;
mod places;
mod publishers;
mod store;

use std::future::Future;
use std::io::Write;
use std::sync::Arc;

use livekit_keyd_core::time::Time;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::screen::{Hue, Screen, print};
use crate::clock;
use crate::config::Config;

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It works.
    Pass,
    /// It works, or may not have to; somebody should have wanted it so.
    Warn,
    /// The daemon could not do its work.
    Fail,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) result: Tried,
    /// A short stable name, and of which one.
    what: String,
    /// What was seen, and what to do: a sentence.
    why: String,
}

impl Outcome {
    fn pass(what: impl Into<String>, why: impl Into<String>) -> Outcome {
        Outcome { result: Tried::Pass, what: what.into(), why: why.into() }
    }

    fn warn(what: impl Into<String>, why: impl Into<String>) -> Outcome {
        Outcome { result: Tried::Warn, ..Outcome::pass(what, why) }
    }

    fn fail(what: impl Into<String>, why: impl Into<String>) -> Outcome {
        Outcome { result: Tried::Fail, ..Outcome::pass(what, why) }
    }

    fn verdict(&self) -> (&'static str, Hue) {
        match self.result {
            Tried::Pass => ("pass", Hue::Good),
            Tried::Warn => ("warn", Hue::Warn),
            Tried::Fail => ("fail", Hue::Bad),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "verdict": self.verdict().0, "what": self.what, "why": self.why })
    }

    fn page(&self, screen: &Screen) -> String {
        let (word, hue) = self.verdict();
        format!("  {} {}\n{}", screen.paint(hue, word), self.what, screen.wrap(7, &self.why))
    }
}

/// Tries everything, telling each outcome as it comes unless JSON is wanted.
pub(super) fn run(context: &Context, config: &Config) -> Result<Vec<Outcome>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    let mut teller = Teller { context, told: Vec::new() };
    runtime.block_on(all(config, &mut teller))?;
    // A lookup or a file system that hangs must not keep the process.
    runtime.shutdown_background();
    Ok(teller.told)
}

async fn all(config: &Config, teller: &mut Teller<'_>) -> Result<(), Failure> {
    let mut store = None;
    let login = async {
        let (opened, outcome) = store::login(config).await;
        store = opened;
        vec![outcome]
    };
    teller.tell("logging in to the store", login).await?;
    let store = store.map(Arc::new);
    let mut active = Vec::new();
    if let Some(store) = &store {
        teller.tell("comparing clocks", store::clock(config, store)).await?;
        teller.tell("asking what the login may do", permissions::check(config, store)).await?;
        let documents = async {
            let (keys, outcomes) = documents::check(config, store).await;
            active = keys;
            outcomes
        };
        teller.tell("reading documents", documents).await?;
    }
    if config.role.rotates() {
        let mut published = None;
        let publishers = async {
            let (keys, outcomes) = publishers::check(config, store.as_ref()).await;
            published = keys;
            outcomes
        };
        teller.tell("reading publications", publishers).await?;
        teller.tell("asking LiveKit's nodes", nodes::check(config, published, &active)).await?;
    }
    teller.tell("looking at folders", async { places::check(config) }).await
}

/// Tells outcomes, and on a terminal what is being tried.
struct Teller<'a> {
    context: &'a Context,
    told: Vec<Outcome>,
}

impl Teller<'_> {
    async fn tell(&mut self, doing: &str, tried: impl Future<Output = Vec<Outcome>>) -> Result<(), Failure> {
        let aloud = !self.context.globals.json;
        let progress = aloud && self.context.screen.terminal;
        if progress {
            say(&format!("  ...  {doing}"));
        }
        let outcomes = tried.await;
        if progress {
            say("\r\x1b[K");
        }
        if aloud {
            let page = outcomes.iter().map(|outcome| outcome.page(&self.context.screen));
            print(&page.collect::<String>())?;
        }
        self.told.extend(outcomes);
        Ok(())
    }
}

/// To the terminal, beside the output.
fn say(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _nobody_hears = write!(terminal, "{text}").and_then(|()| terminal.flush());
}

/// Of all keysets the least that two clocks may differ.
fn clock_skew(config: &Config) -> std::time::Duration {
    config.keysets.iter().map(|keyset| keyset.keyset.rules.clock_skew).min().unwrap_or_default()
}

fn now() -> Time {
    clock::now()
}
