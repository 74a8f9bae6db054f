//! `GET /v1/plan`: what comes next, and what it waits for.

use hyper::StatusCode;
use livekit_keyd_core::plan::{Action, Alarm, Blocked, Forecast, Plan, Step};
use livekit_keyd_core::time::Time;

use super::Admin;
use crate::api::report::{BlockedReport, Condition, ForecastReport, PlanReport, StepReport};

impl Admin {
    /// The very plan that the rotator goes by.
    pub(super) fn plan(&self) -> Result<PlanReport, (StatusCode, &'static str, String)> {
        let outlook = self.rotator()?.outlook().ok_or_else(|| {
            let sentence = "the rotator has not looked around yet; try again in a second";
            (StatusCode::SERVICE_UNAVAILABLE, "starting", sentence.to_owned())
        })?;
        Ok(report(&outlook.plan, outlook.world.now))
    }
}

fn report(plan: &Plan, at: Time) -> PlanReport {
    PlanReport {
        at,
        steps: plan.steps.iter().map(step).collect(),
        blocked: plan.blocked.iter().map(blocked).collect(),
        alarms: plan.alarms.iter().map(|found| alarm(found, at)).collect(),
        wake: plan.wake,
        forecast: plan.forecast.iter().map(forecast).collect(),
    }
}

fn step(step: &Step) -> StepReport {
    let subject = match &step.action {
        Action::Save { keyset, .. } | Action::Purge { keyset, .. } | Action::PublishClient { keyset, .. } => {
            keyset.as_str()
        }
        Action::Publish { publisher, .. } => publisher,
        Action::Restart { publisher, node, .. } => node.as_ref().unwrap_or(publisher),
        Action::Roll { .. } => "nodes",
    };
    StepReport { rule: step.rule.to_string(), subject: subject.to_owned(), why: step.why.clone() }
}

fn blocked(blocked: &Blocked) -> BlockedReport {
    BlockedReport {
        keyset: blocked.keyset.clone(),
        rule: blocked.rule.to_string(),
        reason: blocked.reason.to_owned(),
        message: blocked.message.clone(),
        until: blocked.until,
    }
}

fn alarm(alarm: &Alarm, since: Time) -> Condition {
    Condition {
        kind: alarm.kind.as_str().to_owned(),
        degraded: alarm.kind.degrades(),
        reason: alarm.keyset.clone().unwrap_or_default(),
        message: alarm.message.clone(),
        since,
    }
}

fn forecast(forecast: &Forecast) -> ForecastReport {
    ForecastReport { keyset: forecast.keyset.clone(), at: forecast.at, what: forecast.what.clone() }
}
