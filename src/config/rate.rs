//! `rate` and `burst`: how many tokens a caller may ask for.

use std::num::NonZeroU32;

use toml::de::DeValue;

use super::reader::{Reader, Reported};
use super::setting::Setting;
use crate::api::limit::{Per, Rate};

/// The limit of a caller's section, if it has one.
pub(super) fn read(section: &mut Reader<'_>) -> Result<Option<Rate>, Reported> {
    let context = section.context;
    let (rate, burst) = (section.optional::<Written>("rate"), section.optional::<Burst>("burst"));
    match (rate?, burst?) {
        (None, None) => Ok(None),
        (None, Some(burst)) => Err(context.report(&burst.spot, "is of a rate: set rate too, like \"50/s\"")),
        (Some(rate), burst) => {
            let Written { count, per } = rate.value;
            Ok(Some(Rate { count, per, burst: burst.map_or(count, |burst| burst.value.0) }))
        }
    }
}

/// `"50/s"`, or 50.
#[derive(Clone, Copy)]
struct Written {
    count: NonZeroU32,
    per: Per,
}

const RATE: &str = "must be a number of tokens in a time, like \"50/s\", \"600/m\" or \"1000/h\"";

impl Setting for Written {
    fn read(value: &DeValue<'_>) -> Result<Written, String> {
        if value.is_integer() {
            return Burst::read(value).map(|Burst(count)| Written { count, per: Per::Second });
        }
        let text = String::read(value).map_err(|_| RATE.to_owned())?;
        let (count, unit) = text.split_once('/').ok_or(RATE)?;
        let per = Per::ALL.into_iter().find(|per| per.as_str() == unit.trim());
        let count = count.trim().parse().ok();
        count.zip(per).map(|(count, per)| Written { count, per }).ok_or_else(|| RATE.to_owned())
    }

    fn show(&self) -> String {
        format!("{}/{}", self.count, self.per.as_str()).show()
    }
}

struct Burst(NonZeroU32);

impl Setting for Burst {
    fn read(value: &DeValue<'_>) -> Result<Burst, String> {
        let number = u64::read(value).ok().and_then(|number| u32::try_from(number).ok());
        let number = number.and_then(NonZeroU32::new);
        number.map(Burst).ok_or_else(|| format!("must be a whole number from 1 to {}", u32::MAX))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}
