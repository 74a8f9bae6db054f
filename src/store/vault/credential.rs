//! A login's credential: read without what editors leave in it, and watched for a change.

use std::error::Error;
use std::path::Path;
use std::time::SystemTime;

use reqwest::Identity;
use zeroize::Zeroizing;

use crate::store::StoreError;

/// Read anew at each login, as others may renew it.
pub(super) async fn from_file(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let named = format!("the credential {}", path.display());
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
    usable(&named, &text.map_err(|error| unusable(&named, &error.to_string()))?)
}

/// Out of a variable of this process.
pub(super) fn from_environment(name: &str) -> Result<Zeroizing<String>, StoreError> {
    let named = format!("the token in the variable {name}, as [store.vault.auth] env has it,");
    let text = match std::env::var(name) {
        Ok(text) => Zeroizing::new(text),
        Err(std::env::VarError::NotPresent) => return Err(unusable(&named, "it is not set")),
        // The error's own words would show it.
        Err(std::env::VarError::NotUnicode(_)) => return Err(unusable(&named, "it is no text")),
    };
    usable(&named, &text)
}

/// It goes into a header, where only plain text can stand.
fn usable(named: &str, text: &str) -> Result<Zeroizing<String>, StoreError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(unusable(named, "it is empty"));
    }
    if !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(named, "there is white space, or a letter that is not ASCII, within it"));
    }
    Ok(Zeroizing::new(trimmed.to_owned()))
}

fn unusable(named: &str, why: &str) -> StoreError {
    StoreError::Refused { sentence: format!("{named} cannot be used: {why}") }
}

/// A client certificate with its key, read anew at each login.
pub(super) async fn identity(certificate: &Path, key: &Path) -> Result<Identity, StoreError> {
    let mut both = Zeroizing::new(Vec::new());
    for path in [certificate, key] {
        let read = tokio::fs::read(path).await.map(Zeroizing::new);
        let pem = read
            .map_err(|error| unusable(&format!("the credential {}", path.display()), &error.to_string()))?;
        both.extend_from_slice(&pem);
        both.push(b'\n');
    }
    let named = format!("the client certificate {} with the key {}", certificate.display(), key.display());
    Identity::from_pem(&both).map_err(|error| {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        unusable(&named, &cause)
    })
}

/// What tells one state of a login's files from another.
#[derive(PartialEq, Eq)]
pub(super) struct Watched(Vec<Option<(SystemTime, u64)>>);

impl Watched {
    /// As they are now.
    pub(super) async fn of(files: &[&Path]) -> Watched {
        let mut states = Vec::new();
        for file in files {
            let metadata = tokio::fs::metadata(file).await.ok();
            states.push(metadata.and_then(|metadata| Some((metadata.modified().ok()?, metadata.len()))));
        }
        Watched(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_at_the_end_is_left_out_and_what_no_header_takes_is_refused() {
        assert_eq!(**usable("it", " s.abc\r\n").as_ref().expect("a token"), *"s.abc");
        for text in ["", " \n", "a b", "a\nb", "\u{feff}s.abc", "tök", "a\0"] {
            let error = usable("it", text).expect_err(text);
            assert!(!error.is_retryable() && error.to_string().contains("cannot be used"), "{error}");
        }
    }
}
