//! What the operators' commands share: a call to the admin socket, and its answer in a sentence.

use livekit_keyd_core::time::Time;
use serde_json::Value;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::moment::both;
use super::screen::{print, print_bytes};
use crate::api::report::Accepted;
use crate::client::segment;
use crate::clock;

/// A keyset's call.
pub fn keyset_path(keyset: &str, call: &str) -> String {
    format!("/v1/keysets/{}/{call}", segment(keyset))
}

/// Asks for a change of key and says what came of it.
///
/// # Errors
/// Why there was no answer, or the daemon's reason to say no.
pub async fn change_key(context: &Context, path: &str) -> Result<Exit, Failure> {
    let answer = context.command(path, &Value::Object(Default::default())).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&sentence(&answer.json()?, clock::now()))?;
    }
    Ok(Exit::Fine)
}

/// Asks for something else and says what was done, unless JSON is wanted.
///
/// # Errors
/// Why there was no answer, or the daemon's reason to say no.
pub async fn perform(context: &Context, path: &str, body: &Value, done: &str) -> Result<Exit, Failure> {
    let answer = context.command(path, body).await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&format!("{done}\n"))?;
    }
    Ok(Exit::Fine)
}

fn sentence(accepted: &Accepted, now: Time) -> String {
    match accepted {
        Accepted::Committed { keyset, key_id, not_before, .. } => {
            format!("{key_id} signs for `{keyset}` {}\n", both(*not_before, now))
        }
        Accepted::Waiting { reason, .. } => format!(
            "accepted, and it waits: {reason}\nIt is remembered and done as soon as that allows; `livekit-keyd wait KEYSET --for rotated` waits with it.\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_a_sentence() {
        let now: Time = "2026-11-24T12:00:00Z".parse().expect("a time");
        let committed: Accepted = serde_json::from_str(
            r#"{"keyset":"default","key_id":"APIx","not_before":"2026-11-24T12:05:00Z","seq":9}"#,
        )
        .expect("an answer");
        assert_eq!(sentence(&committed, now), "APIx signs for `default` in 5 min (2026-11-24 12:05:00Z)\n");
        let waiting: Accepted =
            serde_json::from_str(r#"{"waiting":true,"reason":"no standby is proven yet"}"#)
                .expect("an answer");
        assert!(sentence(&waiting, now).contains("waits: no standby is proven yet"));
    }
}
