//! Daemons with a trail.

use serde_json::{Value, json};

use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::http::{self, Answer};

/// A trail in a file.
pub(crate) const FILE: &str = "sink = \"file\"\npath = \"{dir}/audit.jsonl\"\n";

/// A configuration with a store of files, and this `[audit]`.
pub(crate) fn config(audit: &str) -> String {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let config = deployment::config_on(store, "both", QUICK_RULES);
    format!("{config}\n[audit]\n{audit}\n")
}

/// A daemon of that configuration, which can sign.
pub(crate) fn daemon(audit: &str) -> Daemon {
    start(Daemon::new(&config(audit)))
}

/// Starts it, with keys.
pub(crate) fn start(mut daemon: Daemon) -> Daemon {
    daemon.start_again();
    daemon.init("apps");
    daemon.wait_until_ready();
    daemon
}

/// A token that may join.
pub(crate) fn minted(daemon: &Daemon) -> String {
    deployment::mint(daemon).1["token"].as_str().expect("a token").to_owned()
}

/// Shows a token to be verified.
pub(crate) fn show(daemon: &Daemon, token: &str) -> Value {
    daemon.sign().post("/v1/tokens/verify", &json!({"token": token})).1
}

/// The same token with another signature.
pub(crate) fn with_another_signature(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').expect("a token");
    format!("{message}.{}", signature.chars().rev().collect::<String>())
}

/// Shows something as a webhook.
pub(crate) fn webhook(daemon: &Daemon, authorization: &str, id: &str, body: &[u8]) -> Answer {
    let headers = [("authorization", authorization), ("x-request-id", id)];
    let request = http::request("POST", "/v1/webhooks/verify", &headers, body);
    daemon.sign().send(&request).expect("an answer")
}
