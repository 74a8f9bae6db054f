//! `completions`: what a shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::exit::{Exit, Failure};
use super::screen::print_bytes;

/// What `completions` can be told.
#[derive(Args, Debug)]
#[command(after_help = "Example: livekit-keyd completions bash > /etc/bash_completion.d/livekit-keyd")]
pub struct Options {
    /// The shell
    pub shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// What writing met.
pub fn run(options: Options) -> Result<Exit, Failure> {
    let mut command = Arguments::command();
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command, "livekit-keyd", &mut script);
    print_bytes(&script)?;
    Ok(Exit::Fine)
}
