//! Why something is no schedule, in sentences for whoever wrote it.

use std::fmt;
use std::time::Duration;

use crate::duration;

/// Why something is no schedule. Each reads as a sentence that says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Not five fields.
    FieldCount {
        /// As it was written.
        expression: String,
        /// How many fields there are.
        count: usize,
        /// What was probably meant, without seconds and year.
        five: Option<String>,
    },
    /// A field that cannot be read.
    Field {
        /// As it was written.
        expression: String,
        /// Which of the five.
        field: &'static str,
        /// What is wrong with it and what to write.
        problem: String,
    },
    /// Five sound fields that the `cron` crate refuses all the same.
    Calendar {
        /// As it was written.
        expression: String,
        /// In that crate's words.
        problem: String,
    },
    /// A nickname that names no five fields.
    Nickname {
        /// As it was written.
        nickname: String,
    },
    /// The time zone stands inside the expression.
    ZoneInExpression {
        /// As it was written.
        expression: String,
    },
    /// No day of the calendar fits.
    NeverFires {
        /// As it was written.
        expression: String,
    },
    /// Not a name of the IANA time zone database.
    TimeZone {
        /// As it was written.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A period too short or too long.
    Period {
        /// As it was given.
        period: Duration,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScheduleError::FieldCount { expression, count, five } => {
                let plural = if *count == 1 { "" } else { "s" };
                write!(
                    f,
                    "the schedule `{expression}` has {count} field{plural}; it takes five: minute, hour, day of month, month, day of week"
                )?;
                match five {
                    Some(five) => write!(
                        f,
                        "; without seconds and year it is `{five}` (here Sunday is 0 or 7 and Monday 1, which some six-field forms count differently)"
                    ),
                    None => f.write_str(", like `0 3 * * MON`"),
                }
            }
            ScheduleError::Field { expression, field, problem } => {
                write!(f, "the {field} field of the schedule `{expression}` cannot be read: {problem}")
            }
            ScheduleError::Calendar { expression, problem } => {
                write!(
                    f,
                    "the schedule `{expression}` is not understood: {problem}; write it another way and report this"
                )
            }
            ScheduleError::Nickname { nickname } => write!(
                f,
                "`{nickname}` is no schedule; write @hourly, @daily, @weekly, @monthly, @yearly or five fields like `0 3 * * MON`"
            ),
            ScheduleError::ZoneInExpression { expression } => write!(
                f,
                "the schedule `{expression}` names a time zone; write the five fields alone and set `timezone` beside them"
            ),
            ScheduleError::NeverFires { expression } => write!(
                f,
                "the schedule `{expression}` never fires: no day from 1970 to 2100 fits its day of month, month and day of week; change one of the three"
            ),
            ScheduleError::TimeZone { name, nearest } => {
                write!(f, "`{name}` is not a time zone of the IANA database; ")?;
                match nearest {
                    Some(nearest) => write!(f, "did you mean `{nearest}`?"),
                    None => f.write_str("write one like `UTC` or `Europe/Berlin`"),
                }
            }
            ScheduleError::Period { period } => write!(
                f,
                "a rotation period of {} is out of the range from 1s to 36500d; write one like 168h, or leave it out to rotate by command only",
                duration::format(*period)
            ),
        }
    }
}

impl std::error::Error for ScheduleError {}
