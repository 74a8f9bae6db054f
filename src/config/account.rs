//! Users and groups of this machine, by name.
//!
//! `/etc/passwd` and `/etc/group` are read as they are: accounts that only a name
//! service knows (LDAP and the like) are written in the configuration as numbers.

use std::collections::BTreeMap;
use std::fs;

use livekit_keyd_core::nearest::nearest;

use super::reader::{Context, Reported, Written};
use super::setting::Account;

/// The names that this machine's files know.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

/// A user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Group,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::User => "user",
            Kind::Group => "group",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Kind::User => "/etc/passwd",
            Kind::Group => "/etc/group",
        }
    }
}

impl Accounts {
    /// Of the machine. A file that cannot be read knows nobody.
    pub(super) fn of_this_machine() -> Accounts {
        let read = |kind: Kind| parse(&fs::read_to_string(kind.file()).unwrap_or_default());
        Accounts { users: read(Kind::User), groups: read(Kind::Group) }
    }

    fn names(&self, kind: Kind) -> &BTreeMap<String, u32> {
        match kind {
            Kind::User => &self.users,
            Kind::Group => &self.groups,
        }
    }
}

/// Lines of passwd(5) and group(5): a name, a password, a number.
fn parse(text: &str) -> BTreeMap<String, u32> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?.parse().ok()?;
        Some((name.to_owned(), number))
    };
    text.lines().filter_map(line).collect()
}

/// The number of an account.
pub(super) fn number(context: &Context<'_>, kind: Kind, written: &Written<Account>) -> Result<u32, Reported> {
    let name = match &written.value {
        Account::Number(number) => return Ok(*number),
        Account::Name(name) => name,
    };
    let names = context.accounts.names(kind);
    names.get(name).copied().ok_or_else(|| {
        let (word, file) = (kind.word(), kind.file());
        let remedy = match nearest(name, names.keys().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("create the {word}, or write its number if another name service knows it"),
        };
        context.report(&written.spot, format!("{file} knows no {word} `{name}`; {remedy}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_passwd_and_group() {
        let names = parse("root:x:0:0:root:/root:/bin/sh\n# none\nbroken:x\nlivekit:x:990:\n");
        assert_eq!(names, BTreeMap::from([("root".into(), 0), ("livekit".into(), 990)]));
    }
}
