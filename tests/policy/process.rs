//! Processes of other users and groups that ask for a token.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::table::Who;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) body: Value,
}

/// `POST /v1/tokens` by a process of that user, that primary group and those supplementary ones, and no other.
pub(crate) fn ask(socket: &Path, who: &Who, request: &str) -> Answer {
    let others = who.groups.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let groups = if others.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={others}") };
    let output = Command::new("setpriv")
        .args(["--reuid", &who.uid.to_string(), "--regid", &who.gid.to_string(), &groups])
        .args(["curl", "--silent", "--show-error", "--unix-socket"])
        .arg(socket)
        .args([
            "--write-out",
            "\n%{http_code} %header{retry-after}",
            "--data-raw",
            request,
            "http://keyd/v1/tokens",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("setpriv (util-linux) and curl are installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, rest) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{output:?}"));
    let (status, retry_after) = rest.split_once(' ').unwrap_or_else(|| panic!("{output:?}"));
    Answer {
        status: status.parse().unwrap_or_else(|_| panic!("{output:?}")),
        retry_after: retry_after.parse().ok(),
        body: serde_json::from_str(body).unwrap_or_else(|_| panic!("{output:?}")),
    }
}
