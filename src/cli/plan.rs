//! `plan`: what comes next, what it waits for, and what will happen if nothing else does.

use clap::Args;
use livekit_keyd_core::time::Time;

use super::context::{Context, fetch, json_line};
use super::exit::{Exit, Failure};
use super::moment::{both, calendar, relative};
use super::screen::{Hue, Screen, print, print_bytes};
use super::status::conditions;
use super::table::columns;
use crate::api::report::{BlockedReport, PlanReport};
use crate::clock;

/// What `plan` can be told.
#[derive(Args, Debug)]
pub struct Options {}

/// Runs the command.
///
/// # Errors
/// Why the daemon does not tell.
pub async fn run(context: &Context, _: Options) -> Result<Exit, Failure> {
    let (answer, plan) = fetch::<PlanReport>(&context.admin()?, "/v1/plan").await?;
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&page(&plan, clock::now(), &context.screen))?;
    }
    Ok(Exit::Fine)
}

/// The page.
pub fn page(plan: &PlanReport, now: Time, screen: &Screen) -> String {
    let heading = |text: &str| format!("{}\n", screen.paint(Hue::Bold, text));
    let mut text = heading("Next");
    if plan.steps.is_empty() {
        text.push_str("  nothing is due\n");
    }
    for step in &plan.steps {
        text.push_str(&format!("  {} {}\n", screen.paint(Hue::Good, &step.rule), step.subject));
        text.push_str(&screen.wrap(4, &step.why));
    }
    if !plan.blocked.is_empty() {
        text.push_str(&heading("Waiting"));
    }
    for blocked in &plan.blocked {
        text.push_str(&self::blocked(blocked, now, screen));
    }
    if !plan.alarms.is_empty() {
        text.push_str(&heading("Worth knowing"));
        text.push_str(&conditions(&plan.alarms, now, screen));
    }
    text.push_str(&heading("Foreseen"));
    if plan.forecast.is_empty() {
        text.push_str("  nothing, unless somebody asks for it\n");
    }
    let rows: Vec<Vec<String>> = plan
        .forecast
        .iter()
        .map(|forecast| {
            let at = if screen.terminal { relative(forecast.at, now) } else { both(forecast.at, now) };
            vec![format!("  {at}"), forecast.keyset.clone(), forecast.what.clone()]
        })
        .collect();
    text.push_str(&columns(&rows));
    let wake = plan
        .wake
        .map_or_else(String::new, |at| format!("; the clock alone changes it {}", relative(at, now)));
    text.push_str(&screen.paint(Hue::Dim, &format!("Made at {}{wake}.", calendar(plan.at))));
    text.push('\n');
    text
}

fn blocked(blocked: &BlockedReport, now: Time, screen: &Screen) -> String {
    let until = blocked.until.map_or_else(String::new, |at| format!(", {}", both(at, now)));
    let reason = screen.paint(Hue::Dim, &format!("({}){until}", blocked.reason));
    let head = format!(
        "  {} {} {reason}\n",
        screen.paint(Hue::Warn, &blocked.rule),
        blocked.keyset.as_deref().unwrap_or("nodes")
    );
    head + &screen.wrap(4, &blocked.message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::report::{ForecastReport, StepReport};
    use crate::cli::sample;

    #[test]
    fn steps_waits_and_forecast_with_relative_times() {
        let now = sample::now();
        let plan = PlanReport {
            at: now,
            steps: vec![StepReport {
                rule: "fire".to_owned(),
                subject: "default".to_owned(),
                why: "APIstandby1 signs from noon".to_owned(),
            }],
            blocked: vec![BlockedReport {
                keyset: Some("default".to_owned()),
                rule: "replenish".to_owned(),
                reason: "retirement".to_owned(),
                message: "made together with the next retirement".to_owned(),
                until: Some(now + Duration::from_secs(60)),
            }],
            alarms: Vec::new(),
            wake: Some(now + Duration::from_secs(15)),
            forecast: vec![ForecastReport {
                keyset: "default".to_owned(),
                at: now + Duration::from_secs(3 * 3600 + 12 * 60),
                what: "the next key becomes active by schedule".to_owned(),
            }],
        };
        let told = page(&plan, now, &Screen::PLAIN);
        for part in [
            "Next\n  fire default\n    APIstandby1 signs from noon\n",
            "Waiting\n  replenish default (retirement), in 1 min (2026-11-24 12:01:00Z)\n    made together",
            "Foreseen\n  in 3 h 12 min (2026-11-24 15:12:00Z)  default  the next key becomes active by schedule\n",
            "Made at 2026-11-24 12:00:00Z; the clock alone changes it in 15 s.",
        ] {
            assert!(told.contains(part), "{part:?} is missing in\n{told}");
        }
    }

    #[test]
    fn an_empty_plan_says_so() {
        let plan = PlanReport {
            at: sample::now(),
            steps: Vec::new(),
            blocked: Vec::new(),
            alarms: Vec::new(),
            wake: None,
            forecast: Vec::new(),
        };
        let told = page(&plan, sample::now(), &Screen::PLAIN);
        assert!(told.contains("nothing is due") && told.contains("unless somebody asks"), "{told}");
    }
}
