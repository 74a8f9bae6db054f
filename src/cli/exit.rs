//! How a command ends: a code that scripts can go by, and a sentence for people.

use std::process::ExitCode;

use crate::client::NoAnswer;

/// The codes, the same for every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked, and all is well.
    Fine = 0,
    /// It could not do what it was asked, or the answer is no.
    Failed = 1,
    /// It was asked wrongly: options, arguments or configuration.
    Misuse = 2,
    /// It did what it was asked, and something needs a look.
    Degraded = 3,
    /// What it waited for did not come in time.
    TimedOut = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not end well.
#[derive(Debug)]
pub struct Failure {
    /// Its code.
    pub exit: Exit,
    /// What was attempted, what came back, what to do.
    pub message: String,
}

impl Failure {
    /// It could not be done.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Failed, message: message.into() }
    }

    /// It was asked wrongly.
    pub fn misuse(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Misuse, message: message.into() }
    }

    /// It did not come in time.
    pub fn timed_out(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::TimedOut, message: message.into() }
    }
}

impl From<NoAnswer> for Failure {
    fn from(error: NoAnswer) -> Failure {
        Failure::failed(error.to_string())
    }
}
