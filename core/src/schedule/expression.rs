//! The five fields of a cron expression, as firings of a wall clock that never jumps.
//!
//! The `cron` crate does the calendar. It counts Sunday as 1, wants seconds, joins
//! the day fields by *and*, and does its own thing around changes of clock; so it
//! is given numbers only, one schedule or two, and a clock without changes.

use chrono::{DateTime, NaiveDateTime};

use super::error::ScheduleError;
use super::field::{DAY_OF_MONTH, DAY_OF_WEEK, Field, HOUR, MINUTE, MONTH};

/// What a nickname stands for, as in crontab(5).
const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A firing matches any one of these: two when either of the day fields is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression(Vec<cron::Schedule>);

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Expression, ScheduleError> {
        let expression = text.trim();
        if expression.starts_with('@') {
            let (_, fields) = NICKNAMES
                .into_iter()
                .find(|(nickname, _)| nickname.eq_ignore_ascii_case(expression))
                .ok_or_else(|| ScheduleError::Nickname { nickname: expression.to_owned() })?;
            return Expression::parse(fields);
        }
        let fields: Vec<&str> = expression.split_whitespace().collect();
        if fields.first().is_some_and(|field| field.contains("TZ=")) {
            return Err(ScheduleError::ZoneInExpression { expression: expression.to_owned() });
        }
        let Ok(fields) = <[&str; 5]>::try_from(fields.as_slice()) else {
            return Err(ScheduleError::FieldCount {
                expression: expression.to_owned(),
                count: fields.len(),
                five: five_of(&fields),
            });
        };
        Expression::from_fields(expression, fields)
    }

    fn from_fields(expression: &str, fields: [&str; 5]) -> Result<Expression, ScheduleError> {
        let read = |field: &Field, text: &str| {
            field.parse(text).map_err(|problem| ScheduleError::Field {
                expression: expression.to_owned(),
                field: field.name,
                problem,
            })
        };
        let [minute, hour, day, month, weekday] = fields;
        let either = !day.starts_with('*') && !weekday.starts_with('*');
        let minute = list(read(&MINUTE, minute)?);
        let hour = list(read(&HOUR, hour)?);
        let day = list(read(&DAY_OF_MONTH, day)?);
        let month = list(read(&MONTH, month)?);
        let weekday = list(read(&DAY_OF_WEEK, weekday)?.map(|number| number + 1));
        let days: &[(&str, &str)] =
            if either { &[(&day, "*"), ("*", &weekday)] } else { &[(&day, &weekday)] };
        let mut schedules = Vec::new();
        for (day, weekday) in days {
            let translated = format!("0 {minute} {hour} {day} {month} {weekday} *");
            let schedule = translated.parse().map_err(|error: cron::error::Error| {
                ScheduleError::Calendar { expression: expression.to_owned(), problem: error.to_string() }
            })?;
            schedules.push(schedule);
        }
        let parsed = Expression(schedules);
        match parsed.next(DateTime::UNIX_EPOCH.naive_utc()) {
            Some(_) => Ok(parsed),
            None => Err(ScheduleError::NeverFires { expression: expression.to_owned() }),
        }
    }

    /// The first firing after `wall`; none after the year 2100, where the `cron` crate's calendar ends.
    pub(super) fn next(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        self.0
            .iter()
            .filter_map(|schedule| schedule.after(&wall.and_utc()).next())
            .min()
            .map(|t| t.naive_utc())
    }

    /// The last firing before `wall`; none before 1970, where the `cron` crate's calendar begins.
    pub(super) fn previous(&self, wall: NaiveDateTime) -> Option<NaiveDateTime> {
        let last = |schedule: &cron::Schedule| schedule.after(&wall.and_utc()).next_back();
        self.0.iter().filter_map(last).max().map(|t| t.naive_utc())
    }
}

fn list(numbers: impl Iterator<Item = u32>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
}

/// What six or seven fields would be as five: seconds stand first where there are any, the year last.
fn five_of(fields: &[&str]) -> Option<String> {
    let starts: &[usize] = match fields.len() {
        6 => &[1, 0],
        7 => &[1],
        _ => &[],
    };
    starts.iter().find_map(|start| {
        let five: Vec<&str> =
            fields[*start..*start + 5].iter().map(|field| if *field == "?" { "*" } else { field }).collect();
        let five = five.join(" ");
        Expression::parse(&five).is_ok().then_some(five)
    })
}
