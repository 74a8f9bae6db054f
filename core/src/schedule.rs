//! When a keyset's keys change by themselves.
//!
//! A schedule is a cron expression of the standard five fields (minute, hour, day
//! of month, month, day of week) in a time zone, or a period counted from the last
//! rotation, or nothing at all.
//!
//! **Fields** are as crontab(5) has them: `*`, numbers, names of months and days in
//! any case, ranges, lists, and steps of `*` or of a range. Sunday is 0 or 7. When
//! both day fields are restricted, either is enough: `0 3 1 * MON` fires on every
//! Monday and on each first of the month. As in Vixie's cron, a field that starts
//! with `*` counts as not restricted, and then both must fit: `0 3 */2 * MON` fires
//! on Mondays with an odd date. `@hourly`, `@daily`, `@weekly`, `@monthly` and
//! `@yearly` are accepted too.
//!
//! **Changes of clock**: a firing comes at the first instant at which the zone's
//! clock has shown its time or a later one. So an hour that occurs twice fires once,
//! at its first occurrence, whatever the fields are; and what lies in an hour that
//! does not occur fires once, at the next instant.

mod closest;
mod error;
mod expression;
mod field;
mod zone;

use std::time::Duration;

pub use self::error::ScheduleError;
use self::expression::Expression;
use self::zone::Zone;
use crate::time::Time;

/// The firing schedule of a keyset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At times of a wall clock.
    Cron(Cron),
    /// So long after the last rotation.
    Period(Period),
    /// Never by itself.
    Manual,
}

/// A cron expression in a time zone; made by [`Schedule::cron`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    expression: Expression,
    zone: Zone,
}

/// A period that firings can be counted by; made by [`Schedule::period`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);
}

impl Schedule {
    /// At the times of a five-field cron expression, in a time zone of the IANA database.
    ///
    /// # Errors
    /// What is wrong with the expression or the zone, and what to write.
    pub fn cron(expression: &str, timezone: &str) -> Result<Schedule, ScheduleError> {
        Ok(Schedule::Cron(Cron { expression: Expression::parse(expression)?, zone: Zone::parse(timezone)? }))
    }

    /// Every `period` after the last rotation.
    ///
    /// # Errors
    /// A period under a second or over 36500 days.
    pub fn period(period: Duration) -> Result<Schedule, ScheduleError> {
        if (Period::SHORTEST..=Period::LONGEST).contains(&period) {
            Ok(Schedule::Period(Period(period)))
        } else {
            Err(ScheduleError::Period { period })
        }
    }

    /// The first firing after `after`; `anchor`, the last rotation, is what a period is counted from.
    ///
    /// `None` when nothing fires any more: always for [`Schedule::Manual`], after the
    /// year 2100 for a cron expression, at the end of [`Time`] for a period.
    pub fn next_after(&self, anchor: Time, after: Time) -> Option<Time> {
        match self {
            Schedule::Cron(cron) => cron.next_after(after),
            Schedule::Period(period) => period.next_after(anchor, after),
            Schedule::Manual => None,
        }
    }

    /// The shortest distance at which two successive firings can come.
    ///
    /// A period's is itself. A cron expression's is found over the calendar and the
    /// changes of clock from 2026 to 2100, and is never longer than what occurs in
    /// these years. `None` when there are no two firings.
    pub fn closest(&self) -> Option<Duration> {
        match self {
            Schedule::Cron(cron) => closest::closest(cron),
            Schedule::Period(period) => Some(period.0),
            Schedule::Manual => None,
        }
    }
}

impl Cron {
    fn next_after(&self, after: Time) -> Option<Time> {
        // Whatever lies before the time that the clock shows has come already; of what
        // lies ahead, some may have come too, when the clock was put back since.
        let mut wall = self.zone.wall(after);
        loop {
            wall = self.expression.next(wall)?;
            if let Some(firing) = self.zone.first_instant(wall).filter(|firing| *firing > after) {
                return Some(firing);
            }
        }
    }
}

impl Period {
    fn next_after(self, anchor: Time, after: Time) -> Option<Time> {
        let period = self.0.as_millis();
        let passed = after.since(anchor).as_millis() / period;
        let ahead = u64::try_from((passed + 1) * period).ok()?;
        Some(anchor + Duration::from_millis(ahead)).filter(|firing| *firing > after)
    }
}
