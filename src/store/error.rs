//! Why the store did not do what it was asked.

use std::fmt;

/// A store's refusal or silence. The sentences say what was attempted, what came back and what to do; never data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Somebody else wrote first: read again.
    Conflict,
    /// No answer, or one that says "later". A write may or may not have landed.
    Unreachable {
        /// For the operator.
        sentence: String,
    },
    /// A clear no, which another try will not change.
    Refused {
        /// For the operator.
        sentence: String,
    },
    /// What is there cannot be read as what was expected.
    Malformed {
        /// For the operator.
        sentence: String,
    },
}

impl StoreError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, StoreError::Unreachable { .. })
    }

    /// For metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            StoreError::Conflict => "conflict",
            StoreError::Unreachable { .. } => "unreachable",
            StoreError::Refused { .. } => "refused",
            StoreError::Malformed { .. } => "malformed",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Conflict => f.write_str("somebody else wrote first"),
            StoreError::Unreachable { sentence }
            | StoreError::Refused { sentence }
            | StoreError::Malformed { sentence } => f.write_str(sentence),
        }
    }
}

impl std::error::Error for StoreError {}
