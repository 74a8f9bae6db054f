//! `resume`: end a hold.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::{keyset_path, perform};

/// What `resume` can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// The keyset
    pub keyset: String,
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let done = format!("`{}` is no longer on hold", options.keyset);
    perform(context, &keyset_path(&options.keyset, "resume"), &json!({}), &done).await
}
