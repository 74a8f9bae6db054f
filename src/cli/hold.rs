//! `hold`: freeze a keyset for a while.

use clap::Args;
use livekit_keyd_core::duration;
use livekit_keyd_core::time::Time;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::moment::both;
use super::operate::{keyset_path, perform};
use crate::clock;

/// What `hold` can be told.
#[derive(Args, Debug)]
#[command(after_help = "Tokens are signed all the while. The hold ends by itself, or with `resume`.")]
pub struct Options {
    /// The keyset
    pub keyset: String,
    /// Until when: a time like 2030-01-31T12:00:00Z, or a duration like 2h from now
    #[arg(long, value_name = "TIME", value_parser = until)]
    pub until: Time,
}

/// Runs the command.
///
/// # Errors
/// The daemon's reason to say no.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let Options { keyset, until } = options;
    let done = format!("`{keyset}` is on hold; that ends {}", both(until, clock::now()));
    perform(context, &keyset_path(&keyset, "hold"), &json!({ "until": until }), &done).await
}

fn until(text: &str) -> Result<Time, String> {
    let now = clock::now();
    let until = match text.parse() {
        Ok(time) => time,
        Err(_) => {
            now + duration::parse(text).map_err(|_| {
                "write a time as RFC 3339 has it, like 2030-01-31T12:00:00Z, or a duration like 90m or 2d"
                    .to_owned()
            })?
        }
    };
    if until > now { Ok(until) } else { Err(format!("{until} has passed already")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_or_a_duration_that_lies_ahead() {
        let now = clock::now();
        let two_hours = until("2h").expect("a duration");
        assert!(two_hours.since(now) >= Duration::from_secs(7200));
        assert_eq!(until("9999-01-01T00:00:00Z").expect("a time").to_string(), "9999-01-01T00:00:00Z");
        assert!(until("2001-01-01T00:00:00Z").expect_err("long ago").contains("passed"));
        assert!(until("tomorrow").expect_err("neither").contains("RFC 3339"));
        assert!(until("0s").is_err());
    }
}
