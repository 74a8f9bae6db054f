//! The command line: a file a command, and what they share.
//!
//! Pages for people are pure functions of what the daemon told, the time and the
//! screen. Commands ask over the daemon's sockets and hold nothing themselves.

pub mod accept_restored;
pub mod activate;
pub mod audit;
pub mod check;
pub mod completions;
pub mod context;
pub mod dev;
pub mod exit;
pub mod explain;
pub mod hold;
pub mod import;
pub mod init;
pub mod inspect;
pub mod keys;
pub mod man;
pub mod moment;
pub mod node;
pub mod operate;
pub mod plan;
pub mod refresh;
pub mod reload;
pub mod resume;
pub mod revoke;
pub mod rotate;
pub mod run;
#[cfg(test)]
mod sample;
pub mod screen;
pub mod sockets;
pub mod status;
pub mod table;
pub mod timeline;
pub mod token;
pub mod vault_policy;
pub mod wait;

use clap::{Parser, Subcommand};

use context::Globals;

/// Keeps LiveKit API keys in Vault, rotates them under load, and mints tokens over a Unix socket
#[derive(Parser, Debug)]
#[command(name = "livekit-keyd", version, subcommand_required = true)]
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
    /// Run the daemon: rotator, signer or both, as the configuration says
    Run(run::Options),
    /// Run everything on this machine, with nothing else installed, for a look around
    Dev(dev::Options),
    /// Find every mistake in a configuration
    Check(check::Options),
    /// Check an audit trail, or find the event that made a token
    Audit(audit::Options),
    /// Say what policy answers to a request, and why, from the configuration alone
    Explain(explain::Options),
    /// Print the Vault policies and the auth role that a configuration needs
    VaultPolicy(vault_policy::Options),
    /// What asks a daemon
    #[command(flatten)]
    Client(ClientCommand),
    /// Print a shell's completions
    Completions(completions::Options),
    /// Print the manual page
    Man(man::Options),
}

/// Commands that ask a daemon over its sockets.
#[derive(Subcommand, Debug)]
pub enum ClientCommand {
    /// Create a keyset's document and its first keys
    Init(init::Options),
    /// Take over a key that others sign with, from LiveKit's key file
    Import(import::Options),
    /// Show what is: store, keysets, publications and conditions
    Status(status::Options),
    /// Show what the rotator does next and what it waits for
    Plan(plan::Options),
    /// Show the keys on a time line: phases, now, the next firing, ends
    Keys(keys::Options),
    /// Change the signing key now, beside the schedule
    Rotate(rotate::Options),
    /// Let a standby of your choice sign, now
    Activate(activate::Options),
    /// Take a compromised key out of use, or all of them
    Revoke(revoke::Options),
    /// Strike off a node that will never answer again
    Node(node::Options),
    /// Freeze a keyset: no key is changed, taken out or erased
    Hold(hold::Options),
    /// End a hold of a keyset, or of its adopted key
    Resume(resume::Options),
    /// Read the store and look at everything anew, now
    Refresh(refresh::Options),
    /// Let the daemon read its configuration again, as SIGHUP does
    Reload(reload::Options),
    /// Go on from a document that a restored backup brought back
    AcceptRestored(accept_restored::Options),
    /// Wait until a keyset is steady, rotated or proven
    Wait(wait::Options),
    /// Mint a token and print it alone
    Token(token::Options),
    /// Say what a token holds, whose key signed it, and why LiveKit would refuse it
    Inspect(inspect::Options),
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
