//! `import`: a key that others made and sign with goes on signing, and is rotated away when they are ready.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::operate::keyset_path;
use super::screen::{Screen, print, print_bytes};

/// What `import` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "The key signs at once and is held: no schedule rotates it away until `livekit-keyd resume KEYSET`.\nThe file's other keys stay published, listed last, and are not managed."
)]
pub struct Options {
    /// The keyset, which must not have been initialised
    pub keyset: String,
    /// LiveKit's key file, as its nodes read it
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// The id in it that becomes the keyset's signing key
    #[arg(long, value_name = "ID")]
    pub key: String,
    /// Also where there was a document once: after the store was lost
    #[arg(long)]
    pub force: bool,
}

/// Runs the command.
///
/// # Errors
/// The file cannot be read, or the daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let Options { keyset, key_file, key, force } = options;
    let text = std::fs::read_to_string(&key_file).map(Zeroizing::new).map_err(|error| {
        Failure::failed(format!("cannot read the key file {}: {error}", key_file.display()))
    })?;
    let body = json!({ "key_file": text.as_str(), "key": key, "force": force });
    let answer = context.command(&keyset_path(&keyset, "import"), &body).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&page(&keyset, &key, &answer.json()?, &context.screen))?;
    }
    Ok(Exit::Fine)
}

fn page(keyset: &str, key: &str, told: &Value, screen: &Screen) -> String {
    let texts = |name: &str| {
        let list = told[name].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut text = format!("{key} signs for `{keyset}` and is held until `livekit-keyd resume {keyset}`.\n");
    let foreign = texts("foreign");
    if !foreign.is_empty() {
        let kept = format!(
            "{} other keys stay published and are not managed: {}",
            foreign.len(),
            foreign.join(", ")
        );
        text.push_str(&screen.wrap(0, &kept));
    }
    for remark in texts("remarks") {
        text.push_str(&screen.wrap(0, &format!("Note: {remark}.")));
    }
    text
}
