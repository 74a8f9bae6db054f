//! Reads an issuer's keys: bounded in time and size, and from nowhere but where they were said to be.

use std::path::Path;
use std::time::Duration;

use livekit_keyd_core::issuer::{Jwk, LARGEST_SET, jwk_set};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::place::{Place, check_safe, is_loopback};

/// How long each of the two requests may take, from its first byte to the answer's last.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The largest discovery document, in bytes.
const LARGEST_DISCOVERY: usize = 64 * 1024;

/// Reads keys from one place.
pub(super) struct Reader {
    issuer: String,
    from: From,
}

enum From {
    Discovery(Client, Url),
    File(std::path::PathBuf),
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Reader {
    /// Of an issuer's keys.
    ///
    /// # Errors
    /// A sentence: there can be no HTTP client.
    pub(super) fn new(issuer: &str, place: &Place) -> Result<Reader, String> {
        let from = match place {
            Place::File(path) => From::File(path.clone()),
            Place::Discovery(url) => From::Discovery(client(url)?, discovery_of(url)),
        };
        Ok(Reader { issuer: issuer.to_owned(), from })
    }

    /// The keys as they are now.
    ///
    /// # Errors
    /// A sentence that says what was tried and what came back.
    pub(super) async fn read(&self) -> Result<Vec<Jwk>, String> {
        match &self.from {
            From::File(path) => {
                let bytes = file(path).await?;
                jwk_set(&bytes).map_err(|why| format!("{}: {why}", path.display()))
            }
            From::Discovery(client, url) => {
                let bytes = get(client, url, LARGEST_DISCOVERY).await?;
                let discovery: Discovery = serde_json::from_slice(&bytes)
                    .map_err(|_| format!("{url} has no `issuer` and `jwks_uri`"))?;
                if discovery.issuer != self.issuer {
                    let other = discovery.issuer;
                    return Err(format!("{url} speaks for {other:?}, and `url` is another"));
                }
                let uri = self.jwks_uri(url, &discovery.jwks_uri)?;
                jwk_set(&get(client, &uri, LARGEST_SET).await?).map_err(|why| format!("{uri}: {why}"))
            }
        }
    }

    /// An issuer elsewhere must not make us call what listens on this machine.
    fn jwks_uri(&self, discovery: &Url, written: &str) -> Result<Url, String> {
        let wrong = |why: &str| format!("{discovery} names {written:?} as `jwks_uri`, which {why}");
        let uri = Url::parse(written).map_err(|_| wrong("is no URL"))?;
        check_safe(&uri).map_err(|_| wrong("is neither https:// nor on loopback"))?;
        if is_loopback(&uri) && !is_loopback(discovery) {
            return Err(wrong("is on loopback"));
        }
        Ok(uri)
    }
}

fn client(url: &Url) -> Result<Client, String> {
    let builder = Client::builder()
        .tls_backend_rustls()
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        // Keys come from where they were said to be, or not at all.
        .redirect(Policy::none());
    // Spares reading the system's certificates, which nobody will need.
    let builder =
        if url.scheme() == "http" { builder.no_proxy().tls_certs_only(Vec::new()) } else { builder };
    builder.build().map_err(|error| format!("no HTTP client can be made: {error}"))
}

/// Where an issuer describes itself: a slash at the end of its name does not count.
fn discovery_of(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/')));
    url
}

async fn get(client: &Client, url: &Url, most: usize) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("GET {url} failed: {error}{cause}")
    };
    let mut answer = client.get(url.clone()).send().await.map_err(failed)?;
    match answer.status() {
        StatusCode::OK => {}
        status if status.is_redirection() => {
            return Err(format!("GET {url} gave {status}, and redirects are not followed"));
        }
        status => return Err(format!("GET {url} gave {status}")),
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > most {
            return Err(format!("GET {url} gave more than {most} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{} cannot be read: {error}", path.display());
    let size = tokio::fs::metadata(path).await.map_err(failed)?.len();
    if size > LARGEST_SET as u64 {
        return Err(format!("{} has more than {LARGEST_SET} bytes", path.display()));
    }
    tokio::fs::read(path).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_is_below_the_issuer() {
        for (issuer, discovery) in [
            ("https://id.example.com", "https://id.example.com/.well-known/openid-configuration"),
            ("https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"),
            ("https://id.example.com/a/b/", "https://id.example.com/a/b/.well-known/openid-configuration"),
        ] {
            assert_eq!(discovery_of(&Url::parse(issuer).expect("a URL")).as_str(), discovery);
        }
    }

    #[test]
    fn a_remote_issuer_cannot_point_at_this_machine() {
        let place = Place::discovery("https://id.example.com").expect("a place");
        let reader = Reader::new("https://id.example.com", &place).expect("a reader");
        let discovery = Url::parse("https://id.example.com").expect("a URL");
        for bad in [
            "http://127.0.0.1/keys",
            "https://localhost/keys",
            "http://id.example.com/keys",
            "file:///etc/passwd",
            "keys",
        ] {
            assert!(reader.jwks_uri(&discovery, bad).is_err(), "{bad}");
        }
        assert!(reader.jwks_uri(&discovery, "https://keys.example.com/1").is_ok());
    }
}
