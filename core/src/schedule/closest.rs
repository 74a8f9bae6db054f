//! How close two successive firings of a cron expression can come.
//!
//! A wall clock that never jumps has the same times on every day that fires, so
//! it is enough to look at the times of one day and at the distances of such days.
//! Putting the clock back only draws firings apart; putting it forward draws those
//! on both sides together, so each such change is looked at by itself.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, TimeDelta};

use super::Cron;
use super::expression::Expression;
use crate::time::Time;

/// The years of this program: what a zone's clock did before will not occur again.
const FROM: i64 = 1_767_225_600_000;
/// The first of January 2101; the calendar of the `cron` crate ends there.
const TO: i64 = 4_133_980_800_000;

pub(super) fn closest(cron: &Cron) -> Option<Duration> {
    let steady = steady(&cron.expression).and_then(|distance| distance.to_std().ok());
    let (from, to) = (Time::from_millis(FROM), Time::from_millis(TO));
    let jumps = cron.zone.jumps(from, to).filter_map(|wall| around(cron, wall)).min();
    steady.into_iter().chain(jumps).min()
}

/// Between firings of a clock without changes.
fn steady(expression: &Expression) -> Option<TimeDelta> {
    // From a moment before midnight, so that the first day is a whole one.
    let first = expression.next(DateTime::from_timestamp_millis(FROM - 1000)?.naive_utc())?;
    let mut least: Option<TimeDelta> = None;
    let mut last = first;
    while let Some(next) = expression.next(last).filter(|next| next.date() == first.date()) {
        least = Some(least.map_or(next - last, |least| least.min(next - last)));
        last = next;
    }
    let across = across_days(expression, last);
    least.into_iter().chain(across).min()
}

/// Between the last firing of a day and the first of the next day that fires.
fn across_days(expression: &Expression, mut last: NaiveDateTime) -> Option<TimeDelta> {
    let time_of_last = last.time();
    let mut least: Option<TimeDelta> = None;
    while let Some(first) = expression.next(last) {
        let distance = first - last;
        least = Some(least.map_or(distance, |least| least.min(distance)));
        let neighbours = first.date().pred_opt() == Some(last.date());
        if neighbours {
            break;
        }
        last = first.date().and_time(time_of_last);
    }
    least
}

/// Between the firings around the instant at which the clock, about to show `wall`, is put forward.
fn around(cron: &Cron, wall: NaiveDateTime) -> Option<Duration> {
    let before = cron.zone.first_instant(cron.expression.previous(wall)?)?;
    let first = cron.next_after(before)?;
    let second = cron.next_after(first);
    [Some(first.since(before)), second.map(|second| second.since(first))].into_iter().flatten().min()
}
