//! Peers in other processes and languages.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{Load, Target};
use crate::report::median;
use crate::support::cache;
use crate::support::openbao::OpenBao;

/// This program again, as a server on a socket.
pub(crate) struct Served {
    child: Child,
    socket: PathBuf,
}

impl Served {
    /// Starts one and waits for its socket.
    pub(crate) fn start(what: &str, folder: &Path) -> Served {
        let socket = folder.join(format!("{what}.sock"));
        let program = std::env::current_exe().expect("this program's path");
        let child = Command::new(program).arg(what).arg(&socket).spawn().expect("a server");
        wait_for(&socket);
        Served { child, socket }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until somebody listens on a socket.
pub(crate) fn wait_for(socket: &Path) {
    let began = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody listens on {}", socket.display());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Tokens a second of the JavaScript SDK in its own process.
pub(crate) fn javascript_rate() -> f64 {
    let script = r#"
        const { AccessToken } = require('livekit-server-sdk');
        (async () => {
            const make = async () => {
                const token = new AccessToken('APIbaseline', 's'.repeat(43), { identity: 'alice', ttl: 900 });
                token.addGrant({ roomJoin: true, room: 'demo' });
                return token.toJwt();
            };
            for (let i = 0; i < 200; i++) await make();
            const began = process.hrtime.bigint();
            let made = 0;
            while (process.hrtime.bigint() - began < 1500000000n) { await make(); made++; }
            console.log(made / (Number(process.hrtime.bigint() - began) / 1e9));
        })();
    "#;
    printed_rate(Command::new(cache::path("interop-node")).arg("-e").arg(script))
}

/// Tokens a second of the Python SDK in its own process.
pub(crate) fn python_rate() -> f64 {
    let script = r#"
import datetime, time
from livekit import api
def make():
    grants = api.VideoGrants(room_join=True, room="demo")
    token = api.AccessToken("APIbaseline", "s" * 43).with_identity("alice").with_grants(grants)
    return token.with_ttl(datetime.timedelta(minutes=15)).to_jwt()
for _ in range(50): make()
began, made = time.monotonic(), 0
while time.monotonic() - began < 1.5:
    make()
    made += 1
print(made / (time.monotonic() - began))
"#;
    printed_rate(Command::new(cache::path("interop-python")).arg("-c").arg(script))
}

/// The median of five runs of a program that prints its rate.
fn printed_rate(command: &mut Command) -> f64 {
    median((0..crate::RUNS).map(|_| {
        let output = command.stderr(Stdio::inherit()).output().expect("a program that runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.trim().parse::<f64>().unwrap_or_else(|_| panic!("no rate in {text:?}"))
    }))
}

/// Signatures a second of OpenBao's transit engine over one loopback connection.
pub(crate) fn transit_rate(lasts: Duration) -> f64 {
    let bao = OpenBao::start();
    bao.succeed("POST", "sys/mounts/transit", &serde_json::json!({"type": "transit"}));
    bao.succeed("POST", "transit/keys/livekit", &serde_json::json!({"type": "hmac", "key_size": 32}));
    // As many bytes as a LiveKit token signs, in base64.
    let body = format!(r#"{{"input":"{}"}}"#, "QUFB".repeat(70));
    let request = format!(
        "POST /v1/transit/hmac/livekit/sha2-256 HTTP/1.1\r\nhost: localhost\r\nx-vault-token: {}\r\ncontent-length: {}\r\n\r\n{body}",
        bao.token(),
        body.len()
    );
    let port = bao.address().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let target = Target::tcp(port, request.as_bytes());
    median((0..crate::RUNS).map(|_| Load { connections: 1, lasts }.run(&target).rate))
}
