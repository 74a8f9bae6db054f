//! `reload`: take over a changed configuration.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::perform;

/// What `reload` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Callers, profiles, the log level, schedules and rules are taken over without a dropped request; a configuration with a mistake, or with another change, is refused whole."
)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// The mistakes in the configuration, or what needs a restart.
pub async fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    perform(context, "/v1/reload", &json!({}), "the configuration was taken over").await
}
