//! `accept-restored`: go on from a backup of the store.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::{keyset_path, perform};

/// What `accept-restored` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Signers and publications refuse a document that went back until an operator says so. What was written since the backup is given up."
)]
pub struct Options {
    /// The keyset
    pub keyset: String,
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let done =
        format!("`{}` goes on from the restored document; `livekit-keyd status` shows how", options.keyset);
    perform(context, &keyset_path(&options.keyset, "accept-restored"), &json!({}), &done).await
}
