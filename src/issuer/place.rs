//! Where an issuer's keys are.

use std::path::PathBuf;

use reqwest::Url;

/// Where an issuer's keys are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// From the issuer itself, by discovery (OpenID Connect Discovery 1.0, section 4).
    Discovery(Url),
    /// From a file; nothing is fetched.
    File(PathBuf),
}

impl Place {
    /// At an issuer's URL.
    ///
    /// # Errors
    /// A sentence: it is no address that keys may come from.
    pub fn discovery(issuer: &str) -> Result<Place, String> {
        let url = Url::parse(issuer)
            .map_err(|_| format!("`{issuer}` is no URL, like \"https://id.example.com\""))?;
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(format!("`{issuer}` has more than scheme, host, port and path"));
        }
        check_safe(&url)?;
        Ok(Place::Discovery(url))
    }
}

/// Keys decide who is believed: they come encrypted, or never leave this machine.
pub(super) fn check_safe(url: &Url) -> Result<(), String> {
    match url.scheme() {
        "https" if url.has_host() => Ok(()),
        "http" if is_loopback(url) => Ok(()),
        _ => Err(format!("`{url}` must be https://, or http:// on loopback")),
    }
}

/// Whether this machine itself is meant, by number or by the name that stands for it (RFC 6761, section 6.3).
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_encrypted_or_from_this_machine() {
        for good in [
            "https://id.example.com/tenant/",
            "http://127.0.0.1:8080",
            "http://[::1]:1",
            "http://localhost/a",
        ] {
            assert!(Place::discovery(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://0.0.0.0",
            "ftp://id.example.com",
            "file:///etc/passwd",
            "https://user:pass@id.example.com",
            "https://id.example.com?tenant=1",
            "https://id.example.com#1",
            "id.example.com",
            "",
        ] {
            assert!(Place::discovery(bad).is_err(), "{bad}");
        }
    }
}
