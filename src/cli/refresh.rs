//! `refresh`: read the store now.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::perform;

/// What `refresh` can be told.
#[derive(Args, Debug)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// What could not be read.
pub async fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    perform(
        context,
        "/v1/refresh",
        &json!({}),
        "the store is read now; `livekit-keyd status` shows what it said",
    )
    .await
}
