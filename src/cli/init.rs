//! `init`: the only command that ever makes a keyset's document.

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::operate::keyset_path;
use super::screen::{print, print_bytes};

/// What `init` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "The daemon has to run; its first key signs as soon as LiveKit is known to have it. A keyset that exists is left as it is, and that is no error."
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
    let answer = context.command(&keyset_path(&keyset, "init"), &json!({ "force": force })).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
        return Ok(Exit::Fine);
    }
    let initialised: Initialised = answer.json()?;
    print(&if initialised.created {
        format!(
            "`{keyset}` has its first three keys; `livekit-keyd wait {keyset} --for proven` waits until they can be used\n"
        )
    } else {
        format!("`{keyset}` exists already and was left as it is\n")
    })?;
    Ok(Exit::Fine)
}
