//! `reload`: take over a changed configuration.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::screen::{print, print_bytes};

/// What `reload` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Callers, profiles, the log level, schedules and rules are taken over without a dropped request; a configuration with a mistake, or with another change, is refused whole."
)]
pub struct Options {}

#[derive(Deserialize)]
struct Reloaded {
    message: String,
}

/// Runs the command.
///
/// # Errors
/// The mistakes in the configuration, or what needs a restart.
pub async fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    let answer = context.command("/v1/reload", &json!({})).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&format!("{}\n", answer.json::<Reloaded>()?.message))?;
    }
    Ok(Exit::Fine)
}
