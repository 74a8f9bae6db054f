//! Names of keysets, profiles and callers: they stand in metrics, tokens, paths of the API, and file names.

use toml::de::DeValue;

use super::reader::{Context, Reported, Written};
use super::setting::Setting;

/// A name that is safe wherever it may appear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) String);

const LONGEST_NAME: usize = 63;

impl Setting for Name {
    fn read(value: &DeValue<'_>) -> Result<Name, String> {
        let name = String::read(value)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if begins && name.chars().all(plain) && name.len() <= LONGEST_NAME {
            return Ok(Name(name));
        }
        Err(format!(
            "must be up to {LONGEST_NAME} letters, digits, `-`, `_` and `.`, the first a letter or digit; this is `{name}`"
        ))
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// Reports a name that was given to an earlier one of its kind.
pub(super) fn check_new<'a>(
    context: &Context<'_>,
    section: &str,
    name: &Written<Name>,
    mut earlier: impl Iterator<Item = &'a Written<Name>>,
) -> Result<(), Reported> {
    if earlier.any(|other| other.value == name.value) {
        let sentence = format!("another [[{section}]] is named `{}`: choose another name", name.value.0);
        return Err(context.report(&name.spot, sentence));
    }
    Ok(())
}
