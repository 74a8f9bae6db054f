//! `init`: the only command that ever makes a keyset's document.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::operate::keyset_path;
use super::screen::{print, print_bytes};
use crate::runtime;

/// What `init` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Asks the daemon; with --config and no daemon it writes to the store itself. The first key signs as soon as LiveKit is known to have it. A keyset that exists is left as it is, and that is no error."
)]
pub struct Options {
    /// The keyset, as the configuration names it
    pub keyset: String,
    /// Even though something was here before: its keys are lost
    #[arg(long)]
    pub force: bool,
}

#[derive(Deserialize)]
struct Initialised {
    created: bool,
}

/// Runs the command.
///
/// # Errors
/// What stands in the way, and how to go on.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let Options { keyset, force } = options;
    if context.globals.config.is_some() && !context.daemon_listens()? {
        let created = runtime::init(&context.config()?, &keyset, force).await;
        let created = created.map_err(|error| Failure::failed(error.to_string()))?;
        return told(context, &keyset, created, format!("{}\n", json!({ "created": created })).as_bytes());
    }
    let answer = context.command(&keyset_path(&keyset, "init"), &json!({ "force": force })).await?;
    let initialised: Initialised = answer.json()?;
    told(context, &keyset, initialised.created, &json_line(&answer))
}

fn told(context: &Context, keyset: &str, created: bool, json: &[u8]) -> Result<Exit, Failure> {
    if context.globals.json {
        print_bytes(json)?;
        return Ok(Exit::Fine);
    }
    print(&if created {
        format!(
            "`{keyset}` has its document; `livekit-keyd wait {keyset} --for proven` waits until its keys can be used\n"
        )
    } else {
        format!("`{keyset}` exists already and was left as it is\n")
    })?;
    Ok(Exit::Fine)
}
