//! Where nodes are, as the configuration names them.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::str::FromStr;

use reqwest::Url;

/// One entry of `nodes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A node at its own address.
    Node(Endpoint),
    /// A DNS name, each of whose addresses is a node.
    Name(DnsName),
}

/// Where one node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As status and metrics name it: a scheme, a host, and a port that is not the scheme's own.
    pub address: String,
    url: Url,
}

/// A name that is looked up again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsName {
    /// As it was written, with its prefix and its port.
    pub written: String,
    /// What is looked up.
    pub host: String,
    /// Where each of its addresses answers.
    pub port: u16,
}

impl Endpoint {
    fn new(url: Url) -> Endpoint {
        Endpoint { address: url.as_str().trim_end_matches('/').to_owned(), url }
    }

    /// One address of a DNS name. The same address in two spellings is one node.
    pub(super) fn of(address: SocketAddr) -> Option<Endpoint> {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Url::parse(&format!("http://{address}")).ok().map(Endpoint::new)
    }

    /// The same place with a path.
    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(path);
        url
    }

    /// The host and the port to be looked up; an IP address needs no such thing.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        Some((self.url.domain()?, self.url.port_or_known_default()?))
    }

    /// Whether its certificate is checked.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl PartialOrd for Endpoint {
    fn partial_cmp(&self, other: &Endpoint) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Endpoint {
    fn cmp(&self, other: &Endpoint) -> Ordering {
        self.address.cmp(&other.address)
    }
}

impl FromStr for Source {
    type Err = String;

    /// The error is a sentence that says what to write.
    fn from_str(written: &str) -> Result<Source, String> {
        let wrong = || {
            format!(
                "must be a node's own address like \"http://10.0.0.1:7880\", or a DNS name that gives the addresses of all nodes, like \"dns:livekit-headless:7880\"; this is `{written}`"
            )
        };
        if let Some(name) = written.strip_prefix("dns:") {
            let (host, port) = name.rsplit_once(':').ok_or_else(wrong)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
            if host.is_empty() || !host.chars().all(plain) {
                return Err(wrong());
            }
            return Ok(Source::Name(DnsName { written: written.to_owned(), host: host.to_owned(), port }));
        }
        let url = Url::parse(written).map_err(|_| wrong())?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if bare { Ok(Source::Node(Endpoint::new(url))) } else { Err(wrong()) }
    }
}

impl Source {
    /// As it was written, but for spellings that mean the same.
    pub fn as_str(&self) -> &str {
        match self {
            Source::Node(endpoint) => &endpoint.address,
            Source::Name(name) => &name.written,
        }
    }

    /// What has to be looked up for it.
    pub(super) fn name(&self) -> Option<(&str, u16)> {
        match self {
            Source::Node(endpoint) => endpoint.name(),
            Source::Name(name) => Some((&name.host, name.port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_the_same_however_it_is_spelled() {
        for (written, address) in [
            ("http://10.0.0.1:7880", "http://10.0.0.1:7880"),
            ("http://10.0.0.1:7880/", "http://10.0.0.1:7880"),
            ("HTTPS://LiveKit.Example.com:443", "https://livekit.example.com"),
            ("http://[0:0::1]:7880", "http://[::1]:7880"),
            ("dns:livekit-headless:7880", "dns:livekit-headless:7880"),
        ] {
            assert_eq!(written.parse::<Source>().as_ref().map(Source::as_str), Ok(address), "{written}");
        }
        let mapped = Endpoint::of("[::ffff:10.0.0.1]:7880".parse().expect("an address"));
        assert_eq!(mapped.map(|endpoint| endpoint.address).as_deref(), Some("http://10.0.0.1:7880"));
    }

    #[test]
    fn what_is_no_address_of_a_node_is_refused() {
        for written in [
            "",
            "10.0.0.1:7880",
            "livekit",
            "wss://livekit.example.com",
            "http://",
            "http://10.0.0.1/rtc",
            "http://user:password@10.0.0.1",
            "http://10.0.0.1?x",
            "dns:livekit",
            "dns::7880",
            "dns:livekit:0",
            "dns:livekit:70000",
            "dns:http://livekit:7880",
        ] {
            let error = written.parse::<Source>().expect_err(written);
            assert!(error.contains("dns:livekit-headless:7880"), "{error}");
        }
    }
}
