//! The log: text for people, JSON for machines, on standard error.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, filter, fmt, reload};

use crate::config::LogFormat;

/// Changes the level of a log that is under way.
#[derive(Clone)]
pub struct Level(reload::Handle<filter::Targets, Registry>);

impl Level {
    /// From the next line on.
    pub fn set(&self, level: LevelFilter) {
        if let Err(error) = self.0.reload(targets(level)) {
            tracing::warn!("the log level could not be changed: {error}");
        }
    }
}

/// Starts the log. A second log in one process is refused silently: tests run many daemons.
pub fn start(format: LogFormat, level: LevelFilter) -> Level {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = match format {
        LogFormat::Text => fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).with_target(false).boxed()
        }
    };
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    Level(handle)
}

/// Others' libraries speak up from warnings on only; vaultrs reports a missing path as an error, which it is not here.
fn targets(level: LevelFilter) -> filter::Targets {
    filter::Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("livekit_keyd", level)
        .with_target("vaultrs", LevelFilter::OFF)
        .with_target("rustify", LevelFilter::OFF)
}
