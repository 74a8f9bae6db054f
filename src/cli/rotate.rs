//! `rotate`: change the signing key now.

use clap::Args;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::{change_key, keyset_path};

/// What `rotate` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "The next standby signs after `activation_lead`; no token is refused. What cannot be done yet is remembered."
)]
pub struct Options {
    /// The keyset
    pub keyset: String,
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no, and until when.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    change_key(context, &keyset_path(&options.keyset, "rotate")).await
}
