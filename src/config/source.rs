//! Who makes a keyset's keys, and where others put those that they make.

use toml::de::DeValue;

use super::paths::StorePath;
use super::reader::{Reader, Reported, Written};
use super::setting::{Setting, one_of};
use crate::keyset::Source;

/// What only whoever makes the keys can follow.
const MADE_HERE: [&str; 7] = [
    "rotation_schedule",
    "rotation_period",
    "timezone",
    "rotation_window",
    "publish_client",
    "on_change",
    "on_change_timeout",
];
const MADE_BY_OTHERS: [&str; 3] = ["source", "source_key_field", "source_secret_field"];

/// Where others put the key; nothing where keys are made here.
pub(super) fn read(section: &mut Reader<'_>) -> Result<Option<Written<Source>>, Reported> {
    let mode = section.or("mode", Mode::Managed).inspect_err(|_| {
        // Which of these have a meaning hangs on it.
        MADE_BY_OTHERS.iter().for_each(|name| section.pass_over(name));
    })?;
    match mode.value {
        Mode::Managed => {
            let sentence =
                "has a meaning for keys that others make: write mode = \"external\", or take this out";
            MADE_BY_OTHERS.iter().for_each(|name| section.refuse(name, sentence));
            Ok(None)
        }
        Mode::External => {
            let sentence = "is for keys that are made here, and with mode = \"external\" others make, publish and rotate them: take this out";
            MADE_HERE.iter().for_each(|name| section.refuse(name, sentence));
            place(section).map(Some)
        }
    }
}

fn place(section: &mut Reader<'_>) -> Result<Written<Source>, Reported> {
    let hint = "name the path in the store where others put the key, like \"cloud/livekit\"";
    let path = section.required::<StorePath>("source", hint);
    let key_field = section.or("source_key_field", "api_key".to_owned());
    let secret_field = section.or("source_secret_field", "api_secret".to_owned());
    let (path, key_field, secret_field) = (path?, key_field?, secret_field?);
    if key_field.value == secret_field.value {
        return Err(section
            .context
            .report(&secret_field.spot, "must be another field than source_key_field"));
    }
    Ok(path.map(|path| Source {
        path: path.into_string(),
        key_field: key_field.value,
        secret_field: secret_field.value,
    }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Managed,
    External,
}

impl Setting for Mode {
    fn read(value: &DeValue<'_>) -> Result<Mode, String> {
        one_of(value, &[("managed", Mode::Managed), ("external", Mode::External)])
    }

    fn show(&self) -> String {
        match self {
            Mode::Managed => "\"managed\"".to_owned(),
            Mode::External => "\"external\"".to_owned(),
        }
    }
}
