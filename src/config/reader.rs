//! Takes keys out of a table of TOML and keeps every mistake, so that one run shows them all.
//!
//! A section is read by asking its [`Reader`] for each key that it knows, and
//! then saying [`Reader::finish`]: what is left over is unknown. Nothing returns
//! early: a key that is wrong yields a [`Reported`], which only a recorded
//! mistake can make, and the section is given up when all keys were looked at.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use livekit_keyd_core::nearest::nearest;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::account::Accounts;
use super::problem::{Place, Problem};
use super::setting::Setting;

/// Proof that a mistake was recorded: a value that is missing is never missing silently.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// What is shared by all readers of one text.
pub(super) struct Context<'a> {
    text: &'a str,
    folder: PathBuf,
    problems: RefCell<Vec<Problem>>,
    asked: RefCell<BTreeMap<String, String>>,
    /// The users and groups of this machine.
    pub(super) accounts: Accounts,
}

impl<'a> Context<'a> {
    /// Relative paths in the text start at the folder of its origin.
    pub(super) fn new(text: &'a str, origin: &Path, accounts: Accounts) -> Context<'a> {
        Context {
            text,
            folder: origin.parent().unwrap_or(Path::new("")).to_owned(),
            problems: RefCell::default(),
            asked: RefCell::default(),
            accounts,
        }
    }

    /// A path as it is to be opened.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Records a mistake.
    pub(super) fn report(&self, spot: &Spot, sentence: impl Into<String>) -> Reported {
        self.problems.borrow_mut().push(Problem {
            place: Some(Place::of(self.text, spot.offset)),
            path: spot.path.clone(),
            sentence: sentence.into(),
        });
        Reported(())
    }

    /// The mistakes, and for each key that was asked for what applies when it is left out.
    pub(super) fn into_parts(self) -> (Vec<Problem>, BTreeMap<String, String>) {
        (self.problems.into_inner(), self.asked.into_inner())
    }
}

/// A place in the text with its path, to report mistakes at.
#[derive(Clone, Debug, Default)]
pub(super) struct Spot {
    offset: usize,
    path: String,
}

/// A value and where it was written, or would be.
#[derive(Clone, Debug)]
pub(super) struct Written<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

impl<T> Written<T> {
    /// The same place with another value.
    pub(super) fn map<U>(self, with: impl FnOnce(T) -> U) -> Written<U> {
        Written { value: with(self.value), spot: self.spot }
    }
}

/// Reads one table.
#[must_use = "say finish() when every known key was asked for"]
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context<'a>,
    table: Option<&'a DeTable<'a>>,
    spot: Spot,
    /// The path without numbers of list items: what the reference calls this table.
    generic: String,
    known: Vec<&'static str>,
}

/// In the reference: what applies when a key is left out.
const REQUIRED: &str = "required";
const NOTHING: &str = "";

/// How the sentence of a setting that is not there begins.
pub(super) const MISSING: &str = "is missing: ";

impl<'a> Reader<'a> {
    /// Of a whole text.
    pub(super) fn root(context: &'a Context<'a>, table: &'a DeTable<'a>) -> Reader<'a> {
        Reader {
            context,
            table: Some(table),
            spot: Spot::default(),
            generic: String::new(),
            known: Vec::new(),
        }
    }

    /// Records a mistake of the table as a whole.
    pub(super) fn report(&self, sentence: impl Into<String>) -> Reported {
        self.context.report(&self.spot, sentence)
    }

    /// Whether the key was written, without asking for it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A key that may be left out.
    pub(super) fn optional<T: Setting>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Written<T>>, Reported> {
        self.ask(name, NOTHING);
        self.find(name).map(|found| self.setting(name, found)).transpose()
    }

    /// A key with a default.
    pub(super) fn or<T: Setting>(&mut self, name: &'static str, default: T) -> Result<Written<T>, Reported> {
        self.ask(name, &default.show());
        match self.find(name) {
            Some(found) => self.setting(name, found),
            None => Ok(Written { value: default, spot: self.spot_of(name) }),
        }
    }

    /// A key that must be written; `hint` says what for, or what to write.
    pub(super) fn required<T: Setting>(
        &mut self,
        name: &'static str,
        hint: &str,
    ) -> Result<Written<T>, Reported> {
        self.ask(name, REQUIRED);
        match self.find(name) {
            Some(found) => self.setting(name, found),
            None => Err(self.missing(name, hint)),
        }
    }

    /// A list, or a single value that stands for a list of one; `None` when left out.
    pub(super) fn list<T: Setting>(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Vec<Written<T>>>, Reported> {
        self.ask(name, NOTHING);
        let Some(found) = self.find(name) else { return Ok(None) };
        let DeValue::Array(items) = found.get_ref() else {
            return self.setting(name, found).map(|value| Some(vec![value]));
        };
        // Every item is looked at before the first mistake counts.
        let items: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.setting(&format!("{name}[{index}]"), item))
            .collect();
        items.into_iter().collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// A list that must be written, and have something in it.
    pub(super) fn required_list<T: Setting>(
        &mut self,
        name: &'static str,
        hint: &str,
    ) -> Result<Vec<Written<T>>, Reported> {
        let written = self.list(name)?;
        self.ask(name, REQUIRED);
        written.filter(|all| !all.is_empty()).ok_or_else(|| self.missing(name, hint))
    }

    /// A list with a default.
    pub(super) fn list_or<T: Setting>(
        &mut self,
        name: &'static str,
        default: Vec<T>,
    ) -> Result<Written<Vec<T>>, Reported> {
        let written = self.list(name)?;
        let shown: Vec<_> = default.iter().map(Setting::show).collect();
        self.ask(name, &format!("[{}]", shown.join(", ")));
        let value = written.map_or(default, |all| all.into_iter().map(|one: Written<T>| one.value).collect());
        Ok(Written { value, spot: self.spot_of(name) })
    }

    /// The pairs of a table whose keys are free or known elsewhere, each with its place.
    pub(super) fn pairs(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<(String, Written<&'a DeValue<'a>>)>, Reported> {
        self.ask(name, NOTHING);
        let Some(below) = self.optional_table(name)? else { return Ok(Vec::new()) };
        let pairs = below.table.into_iter().flat_map(|table| table.iter());
        Ok(pairs
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                let spot = below.spot_at(&name, value);
                (name, Written { value: value.get_ref(), spot })
            })
            .collect())
    }

    /// A table that may be left out.
    pub(super) fn optional_table(&mut self, name: &'static str) -> Result<Option<Reader<'a>>, Reported> {
        self.known.push(name);
        let Some(found) = self.find(name) else { return Ok(None) };
        self.below(name, name, found).map(Some)
    }

    /// A table whose keys all have defaults: left out, it is empty.
    pub(super) fn table(&mut self, name: &'static str) -> Result<Reader<'a>, Reported> {
        let read = self.optional_table(name)?;
        Ok(read.unwrap_or_else(|| Reader {
            context: self.context,
            table: None,
            spot: self.spot_of(name),
            generic: self.generic_of(name),
            known: Vec::new(),
        }))
    }

    /// The tables of a list, each readable or not.
    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Result<Reader<'a>, Reported>> {
        self.known.push(name);
        let Some(found) = self.find(name) else { return Vec::new() };
        let DeValue::Array(items) = found.get_ref() else {
            let sentence = format!("there can be several of these: write `[[{name}]]` instead of `[{name}]`");
            return vec![Err(self.context.report(&self.spot_at(name, found), sentence))];
        };
        let generic = format!("{name}[]");
        let below = |(index, item)| self.below(&format!("{name}[{index}]"), &generic, item);
        items.iter().enumerate().map(below).collect()
    }

    /// A key that is refused for a reason of its own.
    pub(super) fn refuse(&mut self, name: &'static str, sentence: &str) {
        if let Some(found) = self.find(name) {
            self.context.report(&self.spot_at(name, found), sentence);
            self.known.push(name);
        }
    }

    /// A key whose meaning hangs on another one that is wrong.
    pub(super) fn pass_over(&mut self, name: &'static str) {
        self.known.push(name);
    }

    /// Reports what is left over as unknown.
    pub(super) fn finish(self) {
        let Some(table) = self.table else { return };
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let spot = Spot { offset: key.span().start, path: join(&self.spot.path, name) };
            let sentence = match nearest(name, self.known.iter().copied()) {
                Some(meant) => format!("there is no such setting; did you mean `{meant}`?"),
                None => format!("there is no such setting; known here are {}", self.known.join(", ")),
            };
            self.context.report(&spot, sentence);
        }
    }

    /// Records that a setting is not there.
    pub(super) fn missing(&self, name: &str, hint: &str) -> Reported {
        self.context.report(&self.spot_of(name), format!("{MISSING}{hint}"))
    }

    fn ask(&mut self, name: &'static str, default: &str) {
        self.known.push(name);
        self.context.asked.borrow_mut().insert(self.generic_of(name), default.to_owned());
    }

    fn find(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    fn setting<T: Setting>(&self, name: &str, found: &Spanned<DeValue<'_>>) -> Result<Written<T>, Reported> {
        let spot = self.spot_at(name, found);
        match T::read(found.get_ref()) {
            Ok(value) => Ok(Written { value, spot }),
            Err(sentence) => Err(self.context.report(&spot, sentence)),
        }
    }

    fn below(
        &self,
        name: &str,
        generic: &str,
        found: &'a Spanned<DeValue<'a>>,
    ) -> Result<Reader<'a>, Reported> {
        let spot = self.spot_at(name, found);
        let DeValue::Table(table) = found.get_ref() else {
            let kind = found.get_ref().type_str();
            return Err(self.context.report(&spot, format!("must be a table, and this is a {kind}")));
        };
        let generic = self.generic_of(generic);
        Ok(Reader { context: self.context, table: Some(table), spot, generic, known: Vec::new() })
    }

    fn spot_at(&self, name: &str, found: &Spanned<DeValue<'_>>) -> Spot {
        Spot { offset: found.span().start, path: join(&self.spot.path, name) }
    }

    /// Where a key stands, or would.
    pub(super) fn place_of(&self, name: &str) -> Spot {
        self.find(name).map_or_else(|| self.spot_of(name), |found| self.spot_at(name, found))
    }

    /// Where a key would stand: at its table.
    pub(super) fn spot_of(&self, name: &str) -> Spot {
        Spot { offset: self.spot.offset, path: join(&self.spot.path, name) }
    }

    fn generic_of(&self, name: &str) -> String {
        join(&self.generic, name)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
