//! `keys`: the keys of each keyset on a time line, or in a table where nobody looks.

use std::time::Duration;

use clap::Args;
use livekit_keyd_core::time::Time;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::screen::{Screen, print, print_bytes};
use super::status::only;
use super::table::columns;
use super::timeline;
use crate::api::report::{KeyStatus, Status};
use crate::clock;

/// How often a watched picture is drawn anew.
const FRAME: Duration = Duration::from_secs(1);

/// What `keys` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "On a terminal the time line is drawn; elsewhere, or with --table, a plain table is printed."
)]
pub struct Options {
    /// Show this keyset only
    pub keyset: Option<String>,
    /// Draw anew every second until interrupted
    #[arg(long, conflicts_with_all = ["table", "json"])]
    pub watch: bool,
    /// Print a table on a terminal too
    #[arg(long)]
    pub table: bool,
    /// Include keys whose secrets were erased
    #[arg(long)]
    pub all: bool,
}

/// Runs the command.
///
/// # Errors
/// Why the daemon does not tell.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let screen = &context.screen;
    if options.watch && !screen.terminal {
        return Err(Failure::misuse("--watch draws on a terminal, and standard output is none"));
    }
    let admin = context.admin()?;
    loop {
        let (answer, mut status) = super::context::fetch::<Status>(&admin, "/v1/status").await?;
        if let Some(name) = &options.keyset {
            only(&mut status, name)?;
        }
        let now = clock::now();
        if context.globals.json {
            print_bytes(&json_line(&answer))?;
        } else if options.table || options.all || !screen.terminal {
            print(&table(&status, options.all))?;
        } else {
            let clear = if options.watch { "\x1b[H\x1b[2J" } else { "" };
            print(&format!("{clear}{}", page(&status, now, screen)))?;
        }
        if !options.watch {
            return Ok(Exit::Fine);
        }
        tokio::time::sleep(FRAME).await;
    }
}

/// The time lines, each with its keyset's name; a table where they do not fit.
pub fn page(status: &Status, now: Time, screen: &Screen) -> String {
    let pictures: Option<Vec<String>> =
        status.keysets.iter().map(|keyset| timeline::draw(keyset, now, screen)).collect();
    match pictures {
        Some(pictures) if !pictures.is_empty() => {
            format!("{}\n{}", pictures.join("\n"), timeline::legend(screen))
        }
        _ => table(status, false),
    }
}

/// A line a key, times in RFC 3339, `-` for what is not.
pub fn table(status: &Status, all: bool) -> String {
    let heads = [
        "KEYSET",
        "KEY",
        "PHASE",
        "CREATED",
        "PROVEN",
        "NOT_BEFORE",
        "NOT_AFTER",
        "UNPUBLISHED",
        "ERASED",
        "TOKENS",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for keyset in &status.keysets {
        let shown = keyset.keys.iter().filter(|key| all || key.erased_at.is_none());
        rows.extend(shown.map(|key| row(&keyset.name, key)));
    }
    columns(&rows)
}

fn row(keyset: &str, key: &KeyStatus) -> Vec<String> {
    let time = |at: Option<Time>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let mut phase = key.phase.clone();
    if key.compromised {
        phase.push_str(",compromised");
    }
    if key.held {
        phase.push_str(",held");
    }
    vec![
        keyset.to_owned(),
        key.id.clone(),
        phase,
        key.created_at.to_string(),
        time(key.proven_at),
        time(key.not_before),
        time(key.not_after),
        time(key.unpublished_at),
        time(key.erased_at),
        key.tokens_issued.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;

    #[test]
    fn the_table_has_a_line_a_key_and_hides_the_erased_unless_asked() {
        let now = sample::now();
        let mut status = sample::status(now);
        status.keysets[0].keys[0].erased_at = Some(now);
        let told = table(&status, false);
        assert!(told.starts_with("KEYSET   KEY"), "{told}");
        assert_eq!(told.lines().count(), 4, "{told}");
        let all = table(&status, true);
        assert!(all.lines().nth(1).is_some_and(|line| line.ends_with("2026-11-24T12:00:00Z  4000")), "{all}");
    }

    #[test]
    fn a_page_that_is_too_narrow_for_bars_is_a_table() {
        let now = sample::now();
        let screen = Screen { terminal: true, colour: false, width: 40 };
        assert!(page(&sample::status(now), now, &screen).starts_with("KEYSET"));
        let wide = Screen { width: 120, ..screen };
        assert!(page(&sample::status(now), now, &wide).ends_with("(UTC)\n"));
    }
}
