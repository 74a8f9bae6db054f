//! `wait`: hold a script up until a keyset is where it should be.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use livekit_keyd_core::document::STANDBYS;
use livekit_keyd_core::duration;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::time::Time;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::context::{Context, accepted};
use super::exit::{Exit, Failure};
use super::moment::relative;
use super::screen::{print, remark};
use super::status::only;
use crate::api::report::{KeyStatus, KeysetStatus, PlanReport, Status};
use crate::client::{Client, NoAnswer};
use crate::{clock, random};

/// The shortest pause between two looks; the longest is twice that.
const PAUSE: Duration = Duration::from_millis(150);

/// What `wait` can be told.
#[derive(Args, Debug)]
#[command(after_help = "steady   one key signs, two standbys are proven, nothing is on its way in or out
rotated  no change of key is asked for or committed ahead
proven   two standbys are proven
Where others make the keys: the one at the source is proven, and takes over when its time has come.

With --timeout a daemon that is not there yet is waited for too. Exit code 4: not in time.")]
pub struct Options {
    /// The keyset
    pub keyset: String,
    /// What to wait for
    #[arg(long = "for", value_name = "STATE")]
    pub goal: Goal,
    /// Give up after this long, like 90s [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub timeout: Option<Duration>,
}

/// Where a keyset should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Goal {
    /// Nothing is on its way.
    Steady,
    /// No change of key is outstanding.
    Rotated,
    /// Two standbys are ready.
    Proven,
}

impl Goal {
    fn name(self) -> &'static str {
        match self {
            Goal::Steady => "steady",
            Goal::Rotated => "rotated",
            Goal::Proven => "proven",
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What was waited for when the time was up, or why the daemon does not tell.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let admin = context.admin()?;
    let (started, started_at) = (Instant::now(), clock::now());
    let mut progress = Progress::default();
    let mut rung = false;
    loop {
        let missing = match look(&admin, &options.keyset).await {
            Ok((keyset, plan)) => {
                // A rotator with nothing to do looks again after many seconds only.
                if plan.at < started_at && !rung {
                    rung = admin.post("/v1/refresh", &json!({})).await.is_ok();
                }
                missing(options.goal, &keyset, &plan, started_at)
            }
            Err(Unheard::Starting(sentence)) => Some(sentence),
            Err(Unheard::NotThere(error)) if options.timeout.is_some() => Some(error.to_string()),
            Err(Unheard::NotThere(error)) => return Err(error.into()),
            Err(Unheard::Failed(failure)) => return Err(failure),
        };
        let Some(missing) = missing else {
            progress.end();
            if !context.globals.json {
                print(&format!("`{}` is {}\n", options.keyset, options.goal.name()))?;
            }
            return Ok(Exit::Fine);
        };
        if let Some(limit) = options.timeout.filter(|limit| started.elapsed() >= *limit) {
            progress.end();
            return Err(Failure::timed_out(format!(
                "`{}` is not {} after {}: {missing}",
                options.keyset,
                options.goal.name(),
                duration::format(limit)
            )));
        }
        progress.show(&format!("waiting for `{}` to be {}: {missing}", options.keyset, options.goal.name()));
        let left = options.timeout.map_or(Duration::MAX, |limit| limit.saturating_sub(started.elapsed()));
        tokio::time::sleep(pause().min(left)).await;
    }
}

/// Scripts that start together do not ask together.
fn pause() -> Duration {
    PAUSE + PAUSE.mul_f64(random::fraction())
}

enum Unheard {
    /// A daemon that starts would mend it.
    NotThere(NoAnswer),
    /// It is there and cannot tell yet.
    Starting(String),
    /// Waiting mends nothing.
    Failed(Failure),
}

async fn look(admin: &Client, keyset: &str) -> Result<(KeysetStatus, PlanReport), Unheard> {
    // The plan first: a request that the plan no longer shows is in the status that comes after it.
    let plan: PlanReport = ask(admin, "/v1/plan").await?;
    let mut status: Status = ask(admin, "/v1/status").await?;
    only(&mut status, keyset).map_err(Unheard::Failed)?;
    let gone = || Unheard::Failed(Failure::failed(format!("the daemon has no keyset `{keyset}`")));
    Ok((status.keysets.pop().ok_or_else(gone)?, plan))
}

async fn ask<T: DeserializeOwned>(admin: &Client, path: &str) -> Result<T, Unheard> {
    let answer = admin.get(path).await.map_err(|error| {
        if error.may_come() { Unheard::NotThere(error) } else { Unheard::Failed(error.into()) }
    })?;
    if answer.status == 503 {
        return Err(Unheard::Starting(answer.problem()));
    }
    let answer = accepted(answer).map_err(Unheard::Failed)?;
    answer.json().map_err(|error| Unheard::Failed(error.into()))
}

/// What is missing to a goal, in words; nothing, if it is reached.
fn missing(goal: Goal, keyset: &KeysetStatus, plan: &PlanReport, since: Time) -> Option<String> {
    let now = clock::now();
    if keyset.seq.is_none() {
        return Some(format!("it has no document yet (`livekit-keyd init {}` makes one)", keyset.name));
    }
    let found = match goal {
        Goal::Proven => unproven(keyset, plan),
        Goal::Rotated => outstanding(keyset, plan, now),
        Goal::Steady => outstanding(keyset, plan, now)
            .or_else(|| leaving(keyset, now))
            .or_else(|| unproven(keyset, plan))
            .or_else(|| unsigned(keyset))
            .or_else(|| to_do(keyset, plan)),
    };
    // A plan from before the wait may not know yet what was asked for right before it.
    let stale = goal != Goal::Proven && plan.at < since;
    found.or_else(|| stale.then(|| "the rotator has not looked since".to_owned()))
}

fn in_phase(keyset: &KeysetStatus, phase: Phase) -> impl Iterator<Item = &KeyStatus> {
    keyset.keys.iter().filter(move |key| key.phase == phase.as_str())
}

/// A change of key that was asked for, is due, or is committed and lies ahead.
fn outstanding(keyset: &KeysetStatus, plan: &PlanReport, now: Time) -> Option<String> {
    const CHANGES: [&str; 4] = ["bootstrap", "fire", "request", "follow"];
    if let Some(key) = in_phase(keyset, Phase::Scheduled).next() {
        let when = key.not_before.map(|at| relative(at, now)).unwrap_or_default();
        return Some(format!("{} signs {when}", key.id));
    }
    let step =
        plan.steps.iter().find(|step| step.subject == keyset.name && CHANGES.contains(&step.rule.as_str()));
    if let Some(step) = step {
        return Some(step.why.clone());
    }
    let waits = |rule: &str| CHANGES.contains(&rule);
    let blocked = plan
        .blocked
        .iter()
        .find(|blocked| blocked.keyset.as_deref() == Some(keyset.name.as_str()) && waits(&blocked.rule));
    blocked.map(|blocked| blocked.message.clone())
}

fn leaving(keyset: &KeysetStatus, now: Time) -> Option<String> {
    if let Some(key) = in_phase(keyset, Phase::Retiring).next() {
        let end = key.not_after.map(|at| format!(", its last token ends {}", relative(at, now)));
        return Some(format!("{} is retiring{}", key.id, end.unwrap_or_default()));
    }
    in_phase(keyset, Phase::Retired).next().map(|key| format!("{} is retired and not erased yet", key.id))
}

fn unproven(keyset: &KeysetStatus, plan: &PlanReport) -> Option<String> {
    if keyset.external {
        // Others make one key at a time, which signs as soon as it is proven.
        let awaited = in_phase(keyset, Phase::Standby).find(|key| key.proven_at.is_none());
        return awaited.map(|key| format!("{} is not proven yet", key.id)).or_else(|| unsigned(keyset));
    }
    let proven =
        in_phase(keyset, Phase::Standby).filter(|key| key.proven_at.is_some() && !key.compromised).count();
    if proven >= STANDBYS {
        return None;
    }
    let why = plan.blocked.iter().find(|blocked| {
        blocked.keyset.as_deref() == Some(keyset.name.as_str())
            && ["prove", "replenish"].contains(&blocked.rule.as_str())
    });
    let why = why.map(|blocked| format!(" ({})", blocked.message)).unwrap_or_default();
    Some(format!("{proven} of {STANDBYS} standbys are proven{why}"))
}

fn unsigned(keyset: &KeysetStatus) -> Option<String> {
    in_phase(keyset, Phase::Active).next().is_none().then(|| "no key signs".to_owned())
}

/// Anything else that the rotator is about to do, to this keyset or to what is published.
fn to_do(keyset: &KeysetStatus, plan: &PlanReport) -> Option<String> {
    let concerns_all = |rule: &str| ["publish", "roll"].contains(&rule);
    let step = plan.steps.iter().find(|step| step.subject == keyset.name || concerns_all(&step.rule));
    let awaited = || plan.blocked.iter().find(|blocked| concerns_all(&blocked.rule));
    let unreadable = || plan.alarms.iter().find(|alarm| alarm.kind.starts_with("Publication"));
    step.map(|step| step.why.clone())
        .or_else(|| awaited().map(|blocked| blocked.message.clone()))
        .or_else(|| unreadable().map(|alarm| alarm.message.clone()))
}

/// One line on the terminal that is written over.
#[derive(Default)]
struct Progress {
    shown: bool,
}

impl Progress {
    fn show(&mut self, text: &str) {
        let stderr = std::io::stderr();
        if stderr.is_terminal() {
            let text: String = text.chars().take(width(&stderr).saturating_sub(1)).collect();
            let _nobody_looks = write!(stderr.lock(), "\r\x1b[K{text}").and_then(|()| stderr.lock().flush());
            self.shown = true;
        } else if !self.shown {
            remark(text);
            self.shown = true;
        }
    }

    fn end(&mut self) {
        let stderr = std::io::stderr();
        if self.shown && stderr.is_terminal() {
            let _nobody_looks = write!(stderr.lock(), "\r\x1b[K");
        }
    }
}

fn width(stderr: &std::io::Stderr) -> usize {
    rustix::termios::tcgetwinsize(stderr).map_or(80, |size| usize::from(size.ws_col).max(20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::report::{BlockedReport, StepReport};
    use crate::cli::sample;

    fn plan(at: Time) -> PlanReport {
        PlanReport {
            at,
            steps: Vec::new(),
            blocked: Vec::new(),
            alarms: Vec::new(),
            wake: None,
            forecast: Vec::new(),
        }
    }

    fn steady(now: Time) -> KeysetStatus {
        let mut keyset = sample::status(now).keysets.remove(0);
        keyset.keys.retain(|key| key.phase != "retiring");
        keyset
    }

    fn lacks(goal: Goal, keyset: KeysetStatus, plan: &PlanReport) -> String {
        missing(goal, &keyset, plan, sample::now()).unwrap_or_default()
    }

    #[test]
    fn steady_is_when_nothing_is_on_its_way() {
        let now = sample::now();
        assert_eq!(lacks(Goal::Steady, steady(now), &plan(now)), "");
        let retiring = sample::status(now).keysets.remove(0);
        assert!(lacks(Goal::Steady, retiring, &plan(now)).contains("APIold is retiring"));

        let mut one_standby = steady(now);
        one_standby.keys.pop();
        assert!(lacks(Goal::Steady, one_standby, &plan(now)).contains("1 of 2 standbys"));

        let mut publishes = plan(now);
        publishes.steps.push(StepReport {
            rule: "publish".to_owned(),
            subject: "keys.yaml".to_owned(),
            why: "the set of keys has changed".to_owned(),
        });
        assert!(lacks(Goal::Steady, steady(now), &publishes).contains("set of keys"));
    }

    #[test]
    fn keys_that_others_make_need_no_standbys() {
        let now = sample::now();
        let mut keyset = KeysetStatus { external: true, ..steady(now) };
        let mut standby = keyset.keys.pop().expect("a standby");
        keyset.keys.retain(|key| key.phase == "active");
        assert_eq!(lacks(Goal::Steady, keyset.clone(), &plan(now)), "");
        standby.proven_at = None;
        keyset.keys.push(standby);
        assert!(lacks(Goal::Proven, keyset.clone(), &plan(now)).contains("APIstandby2 is not proven yet"));
        keyset.keys.clear();
        assert_eq!(lacks(Goal::Proven, keyset, &plan(now)), "no key signs");
    }

    #[test]
    fn rotated_is_when_no_change_of_key_is_outstanding() {
        let now = sample::now();
        let retiring = || sample::status(now).keysets.remove(0);
        assert_eq!(lacks(Goal::Rotated, retiring(), &plan(now)), "");

        let mut scheduled = retiring();
        scheduled.keys[2].phase = "scheduled".to_owned();
        assert!(lacks(Goal::Rotated, scheduled, &plan(now)).contains("APIstandby1 signs"));

        let mut asked = plan(now);
        asked.blocked.push(BlockedReport {
            keyset: Some("default".to_owned()),
            rule: "request".to_owned(),
            reason: "standby".to_owned(),
            message: "no standby is proven yet".to_owned(),
            until: None,
        });
        assert!(lacks(Goal::Rotated, retiring(), &asked).contains("no standby is proven"));
    }

    #[test]
    fn a_plan_from_before_the_wait_proves_nothing() {
        let now = sample::now();
        assert!(
            lacks(Goal::Rotated, steady(now), &plan(now - Duration::from_secs(5))).contains("not looked")
        );
    }

    #[test]
    fn before_init_it_says_how_to_begin() {
        let now = sample::now();
        let keyset = KeysetStatus { seq: None, ..steady(now) };
        assert!(lacks(Goal::Proven, keyset, &plan(now)).contains("livekit-keyd init default"));
    }
}
