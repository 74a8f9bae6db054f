//! tmp
use crate::time::Time;
use std::time::Duration;
/// t
pub enum Schedule {
    /// t
    Manual,
    /// t
    Period(Duration),
}
/// t
#[derive(Debug)]
pub struct ScheduleError;
impl std::fmt::Display for ScheduleError {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}
impl Schedule {
    /// t
    pub fn cron(_: &str, _: &str) -> Result<Schedule, ScheduleError> {
        Ok(Schedule::Manual)
    }
    /// t
    pub fn period(d: Duration) -> Result<Schedule, ScheduleError> {
        Ok(Schedule::Period(d))
    }
    /// t
    pub fn next_after(&self, anchor: Time, after: Time) -> Option<Time> {
        match self {
            Schedule::Manual => None,
            Schedule::Period(p) => {
                let mut t = anchor + *p;
                while t <= after {
                    t = t + *p
                }
                Some(t)
            }
        }
    }
}
