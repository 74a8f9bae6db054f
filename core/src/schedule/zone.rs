//! A wall clock that is put forward and back, and the instants at which it shows a time.
//!
//! One rule settles both: a firing comes at **the first instant at which the clock
//! has shown its time or a later one**. A time that comes twice fires once, when it
//! first comes; a time that is left out fires at the instant the clock is put
//! forward; and firings keep their order.

use chrono::{DateTime, LocalResult, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

use super::error::ScheduleError;
use crate::nearest::nearest;
use crate::time::Time;

/// A time zone of the IANA database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Zone(Tz);

impl Zone {
    pub(super) fn parse(name: &str) -> Result<Zone, ScheduleError> {
        name.parse()
            .map(Zone)
            .map_err(|_| ScheduleError::TimeZone { name: name.to_owned(), nearest: nearest_zone(name) })
    }

    /// What the clock shows at an instant.
    pub(super) fn wall(self, instant: Time) -> NaiveDateTime {
        instant.to_utc().with_timezone(&self.0).naive_local()
    }

    /// The first instant at which the clock has shown `wall` or later.
    pub(super) fn first_instant(self, wall: NaiveDateTime) -> Option<Time> {
        let instant = match self.0.from_local_datetime(&wall) {
            LocalResult::Single(only) => only,
            LocalResult::Ambiguous(one, other) => one.min(other),
            LocalResult::None => GapInfo::new(&wall, &self.0)?.end?,
        };
        Some(instant.with_timezone(&Utc).into())
    }

    /// Where the clock is put forward between two instants: what it leaves out, from there on.
    pub(super) fn jumps(self, from: Time, to: Time) -> impl Iterator<Item = NaiveDateTime> {
        // No zone changes its clock twice within a week in the years to come.
        const WEEK: i64 = 7 * 86_400;
        let weeks = (to.as_secs() - from.as_secs()) / WEEK + 1;
        (0..weeks).filter_map(move |week| {
            let start = from.as_secs() + week * WEEK;
            self.jump(start, start + WEEK)
        })
    }

    /// The same in seconds since the Unix epoch, for one change after `early` and not after `late`.
    fn jump(self, mut early: i64, mut late: i64) -> Option<NaiveDateTime> {
        let before = self.offset(early)?;
        if self.offset(late)? <= before {
            return None;
        }
        while late - early > 1 {
            let middle = early + (late - early) / 2;
            if self.offset(middle)? == before {
                early = middle;
            } else {
                late = middle;
            }
        }
        DateTime::from_timestamp(late + before, 0).map(|wall| wall.naive_utc())
    }

    fn offset(self, instant: i64) -> Option<i64> {
        let utc = DateTime::from_timestamp(instant, 0)?.naive_utc();
        Some(self.0.offset_from_utc_datetime(&utc).fix().local_minus_utc().into())
    }
}

/// By its whole name, or by the place alone.
fn nearest_zone(name: &str) -> Option<&'static str> {
    let names = || TZ_VARIANTS.iter().map(|zone| zone.name());
    let place = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    nearest(name, names()).or_else(|| {
        let meant = nearest(name, names().map(place))?;
        names().find(|name| place(name) == meant)
    })
}
