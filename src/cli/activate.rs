//! `activate`: choose which standby signs next, now.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::{change_key, keyset_path};
use crate::client::segment;

/// What `activate` can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// The keyset
    pub keyset: String,
    /// The standby's id, as `keys` shows it
    pub key: String,
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no, and until when.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let call = format!("keys/{}/activate", segment(&options.key));
    change_key(context, &keyset_path(&options.keyset, &call)).await
}
