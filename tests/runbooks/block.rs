//! The shell blocks of the pages.

use std::fmt;

use super::pages::pages;

/// A block by its page, its section (none before the first) and the comment that it begins with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id<'a>(pub(crate) &'a str, pub(crate) &'a str, pub(crate) &'a str);

impl fmt::Debug for Id<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}: {}", self.0, self.1, self.2)
    }
}

/// What an operator copies into a shell.
#[derive(Debug)]
pub(crate) struct Block {
    page: String,
    section: String,
    comment: String,
    /// All of it.
    pub(crate) text: String,
}

impl Block {
    /// What tells it from all others.
    pub(crate) fn id(&self) -> Id<'_> {
        Id(&self.page, &self.section, &self.comment)
    }
}

/// The block of the index, which sets the names that the others use.
pub(crate) const NAMES: Id<'_> = Id("README.md", "", "The names that the blocks use: set those that differ.");

/// Every block of every page.
pub(crate) fn all() -> Vec<Block> {
    pages().iter().flat_map(|(page, text)| of(page, text)).collect()
}

/// The text of one.
pub(crate) fn text(id: Id<'_>) -> String {
    let found = all().into_iter().find(|block| block.id() == id);
    found.unwrap_or_else(|| panic!("no page has {id:?}")).text
}

fn of(page: &str, text: &str) -> Vec<Block> {
    let (mut blocks, mut section, mut open) = (Vec::new(), String::new(), None::<String>);
    for line in text.lines() {
        match open.as_mut() {
            Some(text) if line == "```" => {
                let comment = text.lines().next().and_then(|first| first.strip_prefix("# "));
                let comment = comment.unwrap_or_else(|| panic!("{page}: a block says first what it does"));
                let (comment, page) = (comment.to_owned(), page.to_owned());
                blocks.push(Block { page, section: section.clone(), comment, text: std::mem::take(text) });
                open = None;
            }
            Some(text) => *text += &format!("{line}\n"),
            None if line.starts_with("```") => {
                assert_eq!(line, "```sh", "{page}: a block that is no shell");
                open = Some(String::new());
            }
            None => {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut section);
                }
            }
        }
    }
    blocks
}
