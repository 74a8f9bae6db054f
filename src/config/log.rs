//! `[log]`: how the log looks, and how much of it there is.

use toml::de::DeValue;
use tracing::level_filters::LevelFilter;

use super::reader::{Reader, Reported};
use super::setting::{Setting, one_of};

/// The log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How its lines look.
    pub format: LogFormat,
    /// The least that is said.
    pub level: LevelFilter,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object a line.
    Json,
}

pub(super) fn read(root: &mut Reader<'_>) -> Result<LogConfig, Reported> {
    let mut section = root.table("log")?;
    let format = section.or("format", LogFormat::Text);
    let level = section.or("level", LevelFilter::INFO);
    section.finish();
    Ok(LogConfig { format: format?.value, level: level?.value })
}

impl Setting for LogFormat {
    fn read(value: &DeValue<'_>) -> Result<LogFormat, String> {
        one_of(value, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
    }

    fn show(&self) -> String {
        match self {
            LogFormat::Text => "\"text\"",
            LogFormat::Json => "\"json\"",
        }
        .to_owned()
    }
}

impl Setting for LevelFilter {
    fn read(value: &DeValue<'_>) -> Result<LevelFilter, String> {
        one_of(
            value,
            &[
                ("error", LevelFilter::ERROR),
                ("warn", LevelFilter::WARN),
                ("info", LevelFilter::INFO),
                ("debug", LevelFilter::DEBUG),
                ("trace", LevelFilter::TRACE),
            ],
        )
    }

    fn show(&self) -> String {
        self.to_string().show()
    }
}
