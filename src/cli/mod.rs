//! The command line: a file a command, and what they share.
//!
//! Pages for people are pure functions of what the daemon told, the time and the
//! screen. Commands ask over the daemon's sockets and hold nothing themselves.

pub mod accept_restored;
pub mod activate;
pub mod completions;
pub mod context;
pub mod exit;
pub mod hold;
pub mod init;
pub mod keys;
pub mod man;
pub mod moment;
pub mod operate;
pub mod plan;
pub mod refresh;
pub mod reload;
pub mod resume;
pub mod rotate;
#[cfg(test)]
mod sample;
pub mod screen;
pub mod sockets;
pub mod status;
pub mod table;
pub mod timeline;
pub mod token;
pub mod wait;

use clap::{Parser, Subcommand};

use context::Globals;

/// Keeps LiveKit API keys in Vault, rotates them under load, and mints tokens over a Unix socket
#[derive(Parser, Debug)]
#[command(name = "livekit-keyd", version, propagate_version = true, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 fine, 1 failed, 2 misuse, 3 something needs a look, 4 timed out.")]
pub struct Arguments {
    /// Before or after the command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// See [`init`].
    Init(init::Options),
    /// See [`status`].
    Status(status::Options),
    /// See [`plan`].
    Plan(plan::Options),
    /// See [`keys`].
    Keys(keys::Options),
    /// See [`rotate`].
    Rotate(rotate::Options),
    /// See [`activate`].
    Activate(activate::Options),
    /// See [`hold`].
    Hold(hold::Options),
    /// See [`resume`].
    Resume(resume::Options),
    /// See [`refresh`].
    Refresh(refresh::Options),
    /// See [`reload`].
    Reload(reload::Options),
    /// See [`accept_restored`].
    AcceptRestored(accept_restored::Options),
    /// See [`wait`].
    Wait(wait::Options),
    /// See [`token`].
    Token(token::Options),
    /// See [`completions`].
    Completions(completions::Options),
    /// See [`man`].
    Man(man::Options),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Arguments::command().debug_assert();
    }
}
