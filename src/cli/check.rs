//! `check`: every mistake in a configuration, before a daemon has to find it.

use clap::Args;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::print;
use crate::config::{Config, ConfigErrors};

/// What `check` can be told.
#[derive(Args, Debug)]
#[command(after_help = "Exit code 2 says that there are mistakes; each is told with its line and remedy.")]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// Every mistake, unless JSON is wanted: then they are the output.
pub fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    let path = context.config_path()?;
    let loaded = Config::load(path);
    if context.globals.json {
        print(&format!("{}\n", report(&loaded)))?;
        return Ok(if loaded.is_ok() { Exit::Fine } else { Exit::Misuse });
    }
    loaded.map_err(|errors| Failure::misuse(format!("the configuration has mistakes\n{errors}")))?;
    print(&format!("{}: no mistakes\n", path.display()))?;
    Ok(Exit::Fine)
}

fn report(loaded: &Result<Config, ConfigErrors>) -> serde_json::Value {
    let problems = loaded.as_ref().err().map(ConfigErrors::problems).unwrap_or_default();
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| {
            json!({
                "line": problem.place.map(|place| place.line),
                "column": problem.place.map(|place| place.column),
                "setting": problem.path,
                "message": problem.sentence,
            })
        })
        .collect();
    json!({ "valid": loaded.is_ok(), "problems": problems })
}
