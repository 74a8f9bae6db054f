//! What may happen in a model's world.

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A rotator reads the publications.
    Begins(usize),
    /// It reads all else, asks the nodes, looks at the clock and plans.
    Looks(usize),
    /// It does the next part of what it planned, and learns what became of it.
    Acts(usize),
    /// A signer reads the document.
    Refreshes(usize),
    /// A dependent reads its one key.
    Reads(usize),
    /// Time passes.
    Passes,
    /// A rotator dies, and another begins in its place.
    Dies(usize),
    /// The next part of what it planned is under way and lands some other time; it hears nothing.
    Sends(usize),
    /// What was under way lands.
    Lands(usize),
    /// A node starts anew by itself, with an old file or not.
    Starts { node: usize, old: bool },
    /// The store loses a standby's secret.
    Loses,
    /// The store goes back to an old state.
    GoesBack,
    /// An operator accepts that it did.
    Accepts,
    /// An operator's command.
    Commands(Command),
}

/// What an operator may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Rotate,
    Revoke,
    Replace,
    RevokeAll,
    /// The configuration gets other rules, under a higher number.
    Configure,
}

impl Event {
    /// Whether it is none of a healthy world's, nor the remedy for what was not.
    pub(crate) fn disturbs(self) -> bool {
        use Event::{Accepts, Acts, Begins, Lands, Looks, Passes, Reads, Refreshes};
        !matches!(
            self,
            Begins(_) | Looks(_) | Acts(_) | Refreshes(_) | Reads(_) | Passes | Lands(_) | Accepts
        )
    }
}
