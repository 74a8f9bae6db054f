//! `revoke`: a key was compromised, one command takes it out of use.

use std::io::{IsTerminal, Write};

use clap::Args;
use serde_json::json;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::moment::relative;
use super::operate::keyset_path;
use super::screen::{Screen, print, print_bytes};
use crate::api::report::Revocation;
use crate::client::segment;
use crate::clock;

/// What `revoke` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "The next proven standby signs at once, and tokens of the key are not believed any more. Each node refuses the key after its restart.\nWithout a proven standby the key goes on signing until one is: --now does not wait for that."
)]
pub struct Options {
    /// The keyset
    pub keyset: String,
    /// The key's id, as `keys` shows it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub key: Option<String>,
    /// Every key of the keyset, as when what LiveKit's nodes read has leaked: nothing signs until new keys are proven
    #[arg(long)]
    pub all: bool,
    /// Why; it is kept with the key
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Do not wait for a proven standby: callers get no tokens until there is one
    #[arg(long, conflicts_with = "all")]
    pub now: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command.
///
/// # Errors
/// Nobody confirmed it, or the daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    if let Some(breaks) = what_breaks(&options).filter(|_| !options.yes) {
        confirm(&breaks)?;
    }
    let call = match &options.key {
        Some(key) => format!("keys/{}/revoke", segment(key)),
        None => "revoke".to_owned(),
    };
    let mut body = json!({ "reason": options.reason });
    if options.now {
        body["now"] = true.into();
    }
    let answer = context.command(&keyset_path(&options.keyset, &call), &body).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&page(&answer.json()?, &context.screen))?;
    }
    Ok(Exit::Fine)
}

fn what_breaks(options: &Options) -> Option<String> {
    let Options { keyset, .. } = options;
    if options.all {
        Some(format!(
            "Every key of `{keyset}` is revoked: callers get no tokens until every LiveKit node was restarted and accepts a new key, and all tokens made so far are refused by then."
        ))
    } else {
        options
            .now
            .then(|| format!("If no standby of `{keyset}` is proven, callers get no tokens until one is."))
    }
}

fn confirm(breaks: &str) -> Result<(), Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::misuse(format!("{breaks} Say --yes if that is wanted.")));
    }
    eprint!("{breaks}\nGo on? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    let yes = read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes");
    if yes { Ok(()) } else { Err(Failure::failed("nothing was revoked")) }
}

fn page(revocation: &Revocation, screen: &Screen) -> String {
    let Revocation { keyset, revoked, signs_with, waiting, used, queries, remains, .. } = revocation;
    let mut text = String::new();
    match waiting {
        Some(waiting) => text.push_str(&format!("Not yet: {waiting}\n")),
        None => text.push_str(&format!("Compromised, and used no more: {}\n", revoked.join(", "))),
    }
    match signs_with {
        Some(key) => text.push_str(&format!("{key} signs for `{keyset}`.\n")),
        None => text.push_str(&format!(
            "Nothing signs for `{keyset}` until a key is proven: `livekit-keyd wait {keyset} --for proven`.\n"
        )),
    }
    text.push_str("\nUse in this process since it started:\n");
    for used in used {
        let last = used.last_used_at.map_or_else(
            || "never used".to_owned(),
            |at| format!("{} tokens, the last {}", used.tokens_issued, relative(at, clock::now())),
        );
        text.push_str(&format!("  {}: {last}\n", used.key_id));
    }
    text.push_str("In all processes, by Prometheus:\n");
    for query in queries {
        text.push_str(&format!("  {query}\n"));
    }
    text.push_str("What LiveKit may still hold:\n");
    for remark in remains {
        text.push_str(&screen.wrap(2, remark));
    }
    text
}
