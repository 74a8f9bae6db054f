//! `node forget`: a node that will never answer again no longer counts.

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::operate::perform;
use crate::client::segment;

/// What `node` can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// What to do with a node
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What can be done with a node.
#[derive(Subcommand, Debug)]
pub enum NodeCommand {
    /// Strike off a node that will never answer again; one that answers later counts again
    Forget {
        /// Its address, as `status` shows it
        node: String,
        /// Why; it is kept
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let NodeCommand::Forget { node, reason } = options.command;
    let path = format!("/v1/nodes/{}/forget", segment(&node));
    let done = format!("{node} no longer counts; if it answers again, it counts again");
    perform(context, &path, &json!({ "reason": reason }), &done).await
}
