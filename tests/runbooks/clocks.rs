//! clocks.md

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::block::Id;
use super::operator::Operator;
use super::support::daemon::Daemon;
use super::support::deployment::{self, QUICK_RULES};
use super::support::eventually::{PATIENCE, eventually};
use super::support::stores::FILES;

const BOTH: Id<'_> = Id("clocks.md", "ClocksDiffer", "This machine's clock, and the node's.");
const SYNCHRONISED: Id<'_> =
    Id("clocks.md", "ClocksDiffer", "What this machine knows of its own synchronisation.");

/// What this test runs.
pub(crate) const BLOCKS: [Id<'_>; 2] = [BOTH, SYNCHRONISED];

/// As a livekit-server that knows the ids in a file and whose clock is so many seconds ahead; no real one's clock is
/// another than this machine's.
fn node(key_file: PathBuf, ahead: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut bytes = [0; 8192];
            let length = client.read(&mut bytes).unwrap_or(0);
            let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let keys = fs::read_to_string(&key_file).unwrap_or_default();
            let known = issuer(&request).is_some_and(|id| keys.contains(&format!("\"{id}\"")));
            let (status, body) = match known {
                true => ("400 Bad Request", "identity cannot be empty"),
                false => ("401 Unauthorized", "invalid API key: APIwhatever"),
            };
            let now = SystemTime::now() + Duration::from_secs(ahead.load(Ordering::Relaxed));
            let head = format!("date: {}\r\ncontent-length: {}", httpdate::fmt_http_date(now), body.len());
            // Whoever asked may have lost patience.
            let _ = write!(client, "HTTP/1.1 {status}\r\n{head}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    address
}

fn issuer(request: &str) -> Option<String> {
    let token = request.split_once("Bearer ")?.1.lines().next()?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["iss"].as_str().map(str::to_owned)
}

#[test]
fn a_node_whose_clock_is_a_minute_ahead() {
    let folder = tempfile::tempdir().expect("a folder");
    let (key_file, ahead) = (folder.path().join("keys.yaml"), Arc::new(AtomicU64::new(60)));
    let url = node(key_file.clone(), Arc::clone(&ahead));
    let asking = format!("nodes = [\"{url}\"]\nprobe_interval = \"500ms\"\nprobe_timeout = \"500ms\"");
    let config = deployment::config_on(FILES, "both", QUICK_RULES)
        .replace("proof = \"disabled\"", &asking)
        .replace("{dir}/keys.yaml", key_file.to_str().expect("text"));
    let daemon = Daemon::start(&config);
    daemon.init("apps");
    let mut operator = Operator::at(&daemon, &BLOCKS);
    operator.set("NODE", &url);
    operator.sees("ClocksDiffer", "");
    assert!(operator.run(BOTH).contains("date:"), "the node tells its clock");
    ahead.store(0, Ordering::Relaxed);
    eventually(PATIENCE, "the next round of questions is over", || {
        let metrics = daemon.telemetry("/metrics");
        let skew = metrics.lines().find_map(|line| line.strip_prefix("livekit_keyd_clock_skew_seconds "));
        skew.and_then(|skew| skew.parse::<f64>().ok()).is_some_and(|skew| skew < 1.0)
    });
    operator.run(SYNCHRONISED);
    operator.sees_no_more("ClocksDiffer");
}
