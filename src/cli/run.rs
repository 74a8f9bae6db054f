//! `run`: the daemon.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::config::review;
use crate::runtime;

/// What `run` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "SIGHUP reads the configuration again; SIGTERM and SIGINT end the daemon after the requests under way, a second one at once."
)]
pub struct Options {}

/// Runs the command, on threads of its own: not within another runtime.
///
/// # Errors
/// Every mistake in the configuration, or why the daemon does not start.
pub fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    let config = context.config()?;
    let warnings = review::warnings(&config);
    runtime::run(config, &warnings).map_err(|error| Failure::failed(error.to_string()))?;
    Ok(Exit::Fine)
}
