//! One field of a cron expression, as crontab(5) has it.

/// One of the five fields: its name, its numbers, and the names that stand for some of them.
pub(super) struct Field {
    pub(super) name: &'static str,
    first: u32,
    last: u32,
    /// Names of the numbers from `names_from` on.
    names: &'static [&'static str],
    names_from: u32,
}

pub(super) const MINUTE: Field = Field { name: "minute", first: 0, last: 59, names: &[], names_from: 0 };
pub(super) const HOUR: Field = Field { name: "hour", first: 0, last: 23, names: &[], names_from: 0 };
pub(super) const DAY_OF_MONTH: Field =
    Field { name: "day-of-month", first: 1, last: 31, names: &[], names_from: 0 };
pub(super) const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    names_from: 1,
};
/// Sunday is both its ends, so that a range may start or end with it.
pub(super) const DAY_OF_WEEK: Field = Field {
    name: "day-of-week",
    first: 0,
    last: SECOND_SUNDAY,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    names_from: 0,
};
const SECOND_SUNDAY: u32 = 7;

impl Field {
    /// Reads a list of `*`, numbers, names and ranges, with a step behind `*` or a range if need be.
    ///
    /// The numbers that it allows, in rising order; Sunday is 0.
    pub(super) fn parse(&self, text: &str) -> Result<impl Iterator<Item = u32> + use<>, String> {
        let mut bits = 0u64;
        for part in text.split(',') {
            let (first, last, step) = self.part(part)?;
            for number in (first..=last).step_by(step) {
                let sunday = self.last == SECOND_SUNDAY && number == SECOND_SUNDAY;
                bits |= 1 << if sunday { 0 } else { number };
            }
        }
        Ok((0..u64::BITS).filter(move |number| bits & (1 << number) != 0))
    }

    fn part(&self, part: &str) -> Result<(u32, u32, usize), String> {
        let (range, step) = match part.split_once('/') {
            None => (part, None),
            Some((range, step)) => (range, Some(step)),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.first, self.last),
            Some((first, last)) => (self.number(first)?, self.last_number(first, last)?),
            None => {
                let number = self.number(range)?;
                if let Some(step) = step {
                    return Err(format!(
                        "`{part}` steps from a single value; write `{range}-{}/{step}`",
                        self.last
                    ));
                }
                (number, number)
            }
        };
        if first > last {
            return Err(format!(
                "the range `{range}` runs backwards; write it as a list, like `{}`",
                self.around(first, last)
            ));
        }
        Ok((first, last, step.map_or(Ok(1), |step| self.step(part, step))?))
    }

    /// The end of a range; where the week ends with Sunday, that Sunday is 7.
    fn last_number(&self, first: &str, last: &str) -> Result<u32, String> {
        let number = self.number(last)?;
        Ok(if self.last == SECOND_SUNDAY && number == 0 && self.number(first)? > 0 {
            SECOND_SUNDAY
        } else {
            number
        })
    }

    fn number(&self, text: &str) -> Result<u32, String> {
        let named =
            self.names.iter().zip(self.names_from..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        // Nothing but digits: `parse` would take a sign as well.
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        named
            .map(|(_, number)| number)
            .or_else(|| text.parse().ok().filter(|_| digits))
            .filter(|number| (self.first..=self.last).contains(number))
            .ok_or_else(|| format!("`{text}` is not {}", self.allowed()))
    }

    fn step(&self, part: &str, text: &str) -> Result<usize, String> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|step| digits && (1..=60).contains(step))
            .ok_or_else(|| format!("the step of `{part}` must be a whole number from 1 to 60, like `*/2`"))
    }

    fn allowed(&self) -> String {
        let numbers = format!("a number from {} to {}", self.first, self.last);
        let names = match self.names {
            [first, .., last] => format!(", a name from {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "{numbers}{names}, `*`, a range like `{}-{}`, or a list of these",
            self.first,
            self.last.min(5)
        )
    }

    fn around(&self, first: u32, last: u32) -> String {
        format!("{first}-{},{}-{last}", self.last, self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(field: &Field, text: &str) -> Vec<u32> {
        field.parse(text).expect(text).collect()
    }

    #[test]
    fn lists_ranges_steps_and_names() {
        assert_eq!(numbers(&MINUTE, "*").len(), 60);
        assert_eq!(numbers(&MINUTE, "5,1-3,1-3"), [1, 2, 3, 5]);
        assert_eq!(numbers(&MINUTE, "*/20"), [0, 20, 40]);
        assert_eq!(numbers(&MINUTE, "7-59/25"), [7, 32, 57]);
        assert_eq!(
            numbers(&DAY_OF_MONTH, "*/10"),
            [1, 11, 21, 31],
            "steps count from the field's first number"
        );
        assert_eq!(numbers(&MONTH, "jan,Jun-AUG/2"), [1, 6, 8]);
    }

    #[test]
    fn a_sunday_is_a_sunday() {
        for text in ["0", "7", "0,7", "sun", "SUN-SUN", "*/7"] {
            assert_eq!(numbers(&DAY_OF_WEEK, text), [0], "{text}");
        }
        assert_eq!(numbers(&DAY_OF_WEEK, "sun-tue"), [0, 1, 2]);
        assert_eq!(numbers(&DAY_OF_WEEK, "Fri-Sun"), [0, 5, 6]);
        assert_eq!(numbers(&DAY_OF_WEEK, "5-7"), [0, 5, 6]);
        assert_eq!(numbers(&DAY_OF_WEEK, "*").len(), 7);
    }

    #[test]
    fn what_cannot_be_read_is_told_what_to_write() {
        for (field, text, hint) in [
            (&MINUTE, "60", "from 0 to 59"),
            (&MINUTE, "", "from 0 to 59"),
            (&MINUTE, "+5", "from 0 to 59"),
            (&MINUTE, "99999999999999999999", "from 0 to 59"),
            (&MINUTE, "5/15", "`5-59/15`"),
            (&MINUTE, "*/0", "from 1 to 60"),
            (&MINUTE, "*/", "from 1 to 60"),
            (&MINUTE, "1,,2", "from 0 to 59"),
            (&HOUR, "22-2", "`22-23,0-2`"),
            (&DAY_OF_MONTH, "0", "from 1 to 31"),
            (&DAY_OF_MONTH, "L", "from 1 to 31"),
            (&MONTH, "MON", "JAN to DEC"),
            (&DAY_OF_WEEK, "8", "SUN to SAT"),
            (&DAY_OF_WEEK, "MON#2", "SUN to SAT"),
            (&DAY_OF_WEEK, "?", "`*`"),
        ] {
            let problem = field.parse(text).map(|_| ()).expect_err(text);
            assert!(problem.contains(hint), "{text}: {problem}");
        }
    }
}
