//! The kinds of values that settings have: how each is read, and how its default is written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use livekit_keyd_core::duration;
use livekit_keyd_core::nearest::nearest;
use livekit_keyd_core::rules::Offline;
use toml::de::DeValue;

/// A value that can stand behind a key.
pub(super) trait Setting: Sized {
    /// From TOML, or a sentence that says what to write.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;

    /// As it would be written in TOML.
    fn show(&self) -> String;
}

fn wrong(wanted: &str, value: &DeValue<'_>) -> String {
    let kind = match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    };
    format!("must be {wanted}, and this is {kind}")
}

fn text<'a>(wanted: &str, value: &'a DeValue<'_>) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| wrong(wanted, value))
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(value: &DeValue<'_>, known: &[(&str, T)]) -> Result<T, String> {
    let words = known.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
    let written = text(&words, value)?;
    known.iter().find(|(word, _)| *word == written).map(|(_, value)| *value).ok_or_else(|| {
        match nearest(written, known.iter().map(|(word, _)| *word)) {
            Some(meant) => format!("must be {words}; did you mean \"{meant}\"?"),
            None => format!("must be {words}, and this is \"{written}\""),
        }
    })
}

impl Setting for String {
    fn read(value: &DeValue<'_>) -> Result<String, String> {
        let written = text("text", value)?;
        match written {
            "" => Err("must not be empty: leave the key out instead".to_owned()),
            _ if written.contains('\0') => Err("must not contain a NUL character".to_owned()),
            _ => Ok(written.to_owned()),
        }
    }

    fn show(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| wrong("true or false", value))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for u64 {
    fn read(value: &DeValue<'_>) -> Result<u64, String> {
        let integer = value.as_integer().ok_or_else(|| wrong("a whole number without quotes", value))?;
        u64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| format!("must be a whole number from 0 to {}", u64::MAX))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for Duration {
    fn read(value: &DeValue<'_>) -> Result<Duration, String> {
        duration::parse(text("a duration in quotes, like \"90s\" or \"15m\"", value)?)
    }

    fn show(&self) -> String {
        duration::format(*self).show()
    }
}

impl Setting for PathBuf {
    fn read(value: &DeValue<'_>) -> Result<PathBuf, String> {
        String::read(value).map(PathBuf::from)
    }

    fn show(&self) -> String {
        self.display().to_string().show()
    }
}

impl Setting for Offline {
    fn read(value: &DeValue<'_>) -> Result<Offline, String> {
        one_of(value, &[("sign", Offline::Sign), ("refuse", Offline::Refuse)])
    }

    fn show(&self) -> String {
        match self {
            Offline::Sign => "\"sign\"",
            Offline::Refuse => "\"refuse\"",
        }
        .to_owned()
    }
}

/// Permissions of a file, in octal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mode(pub(super) u32);

impl Setting for Mode {
    fn read(value: &DeValue<'_>) -> Result<Mode, String> {
        let wanted = "an octal file mode in quotes, like \"0640\"";
        let octal = match value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(integer) if integer.radix() == 8 => integer.as_str(),
            _ => return Err(wrong(wanted, value)),
        };
        let digits = octal.bytes().all(|byte| byte.is_ascii_digit());
        let mode = u32::from_str_radix(octal, 8).ok().filter(|mode| digits && *mode <= 0o777);
        mode.map(Mode).ok_or_else(|| format!("must be {wanted}, from 0000 to 0777; this is `{octal}`"))
    }

    fn show(&self) -> String {
        format!("\"{:04o}\"", self.0)
    }
}

/// An address to listen on, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listen(pub(super) Option<SocketAddr>);

impl Setting for Listen {
    fn read(value: &DeValue<'_>) -> Result<Listen, String> {
        let wanted = "an address and a port like \"127.0.0.1:7899\" or \"[::1]:7899\", or \"off\"";
        match text(wanted, value)? {
            "off" => Ok(Listen(None)),
            written => written
                .parse()
                .map(|address| Listen(Some(address)))
                .map_err(|_| format!("must be {wanted}; `{written}` is not")),
        }
    }

    fn show(&self) -> String {
        match self.0 {
            Some(address) => address.to_string().show(),
            None => "\"off\"".to_owned(),
        }
    }
}

/// A user or a group: its name, or its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Name(String),
    Number(u32),
}

impl Setting for Account {
    fn read(value: &DeValue<'_>) -> Result<Account, String> {
        if value.is_integer() {
            return AccountNumber::read(value).map(|number| Account::Number(number.0));
        }
        let name = String::read(value)?;
        Ok(name.parse().map_or_else(|_| Account::Name(name), Account::Number))
    }

    fn show(&self) -> String {
        match self {
            Account::Name(name) => name.show(),
            Account::Number(number) => number.to_string(),
        }
    }
}

/// The number of a user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountNumber(pub(super) u32);

impl Setting for AccountNumber {
    fn read(value: &DeValue<'_>) -> Result<AccountNumber, String> {
        let wanted = || "must be the number of a user or group, from 0 to 4294967294".to_owned();
        let number = u64::read(value).map_err(|_| wanted())?;
        // The last one means "none" to the kernel.
        u32::try_from(number).ok().filter(|number| *number != u32::MAX).map(AccountNumber).ok_or_else(wanted)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}
