//! `check`: every mistake in a configuration, before a daemon has to find it, and what deserves a thought.
//! With `--online` also what only the store, the nodes and the publishers can tell.

mod online;

use clap::Args;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::{Hue, Screen, print};
use crate::config::review::{self, Finding, Verdict};
use crate::config::{Config, ConfigErrors};

/// What `check` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit code 2 says that there are mistakes; each is told with its line and remedy. With --online, 1 says that something failed. Warnings end with 0, or with 3 under --strict."
)]
pub struct Options {
    /// End with 3 if there are warnings
    #[arg(long)]
    pub strict: bool,
    /// Try login, permissions, documents, publishers, nodes and clocks too, as this user and changing nothing
    #[arg(long)]
    pub online: bool,
}

/// Runs the command.
///
/// # Errors
/// Every mistake, unless JSON is wanted: then they are the output.
pub fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let path = context.config_path()?;
    let loaded = Config::load(path);
    if let (true, Err(errors)) = (context.globals.json, &loaded) {
        print(&format!("{}\n", mistakes(errors)))?;
        return Ok(Exit::Misuse);
    }
    let config =
        loaded.map_err(|errors| Failure::misuse(format!("the configuration has mistakes\n{errors}")))?;
    let findings = review::review(&config);
    let json = context.globals.json;
    if !json {
        print(&format!("{}: no mistakes\n{}", path.display(), page(&findings, &context.screen)))?;
    }
    let tried = if options.online { online::run(context, &config)? } else { Vec::new() };
    if json {
        print(&format!("{}\n", reviewed(&findings, options.online.then_some(&tried))))?;
    }
    let failed = tried.iter().any(|tried| tried.result == online::Tried::Fail);
    let warned = findings.iter().any(|finding| finding.verdict == Verdict::Warn)
        || tried.iter().any(|tried| tried.result == online::Tried::Warn);
    Ok(match (failed, warned && options.strict) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Degraded,
        (false, false) => Exit::Fine,
    })
}

/// The review, a line and a reason for each look.
fn page(findings: &[Finding], screen: &Screen) -> String {
    let mut text = String::new();
    for finding in findings {
        let verdict = match finding.verdict {
            Verdict::Pass => screen.paint(Hue::Good, "pass"),
            Verdict::Warn => screen.paint(Hue::Warn, "warn"),
        };
        text.push_str(&format!("  {verdict} {}\n", finding.what));
        text.push_str(&screen.wrap(7, &finding.why));
    }
    text
}

fn mistakes(errors: &ConfigErrors) -> Value {
    let problem = |problem: &crate::config::Problem| {
        json!({
            "line": problem.place.map(|place| place.line),
            "column": problem.place.map(|place| place.column),
            "setting": problem.path,
            "message": problem.sentence,
        })
    };
    json!({ "valid": false, "problems": errors.problems().iter().map(problem).collect::<Vec<_>>() })
}

fn reviewed(findings: &[Finding], tried: Option<&Vec<online::Outcome>>) -> Value {
    let finding = |finding: &Finding| {
        let verdict = if finding.verdict == Verdict::Pass { "pass" } else { "warn" };
        json!({ "verdict": verdict, "what": finding.what, "why": finding.why })
    };
    let review: Vec<_> = findings.iter().map(finding).collect();
    let mut all = json!({ "valid": true, "problems": [], "review": review });
    if let Some(tried) = tried {
        all["online"] = tried.iter().map(online::Outcome::json).collect();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_is_told_with_its_reason() {
        let findings = [
            Finding { verdict: Verdict::Pass, what: "algorithm", why: "HS256 alone".to_owned() },
            Finding { verdict: Verdict::Warn, what: "storage", why: "files, unencrypted".to_owned() },
        ];
        let told = page(&findings, &Screen::PLAIN);
        assert_eq!(told, "  pass algorithm\n       HS256 alone\n  warn storage\n       files, unencrypted\n");
        assert_eq!(reviewed(&findings, None)["review"][1]["verdict"], "warn");
    }
}
