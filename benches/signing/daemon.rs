//! livekit-keyd itself, with policy and metrics, on a file store with a dozen keys.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Keysets; each has three keys.
const KEYSETS: usize = 4;

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    /// Starts one on fresh keys and waits until it signs. `more` is put before the rest of its configuration.
    pub(crate) fn start(folder: &Path, more: &str) -> Daemon {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("keyd.toml"), format!("{more}{}", config(folder)))
            .expect("a configuration");
        let daemon = Daemon { child: spawn(folder), folder: folder.to_owned() };
        wait_until("the admin socket answers", || {
            status(&folder.join("admin.sock"), "GET", "/v1/status") == Some(200)
        });
        for index in 0..KEYSETS {
            status(&folder.join("admin.sock"), "POST", &format!("/v1/keysets/k{index}/init"));
        }
        wait_until("it is ready", || status(&daemon.sign_socket(), "GET", "/readyz") == Some(200));
        // The first moments after a start are not idle.
        std::thread::sleep(Duration::from_secs(2));
        daemon
    }

    /// Where tokens are asked for.
    pub(crate) fn sign_socket(&self) -> PathBuf {
        self.folder.join("sign.sock")
    }

    /// How many keys it holds.
    pub(crate) fn keys(&self) -> usize {
        KEYSETS * 3
    }

    /// Its memory, as the kernel counts it.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every token is written down, as in production.
pub(crate) fn audit(folder: &Path) -> String {
    format!("audit.sink = \"file\"\naudit.path = \"{}/audit.jsonl\"\n", folder.display())
}

/// Starts one on the keys that are there, and says how long it took until it could mint.
pub(crate) fn milliseconds_to_ready(folder: &Path) -> f64 {
    let began = Instant::now();
    let daemon = Daemon { child: spawn(folder), folder: folder.to_owned() };
    while status(&daemon.sign_socket(), "GET", "/readyz") != Some(200) {
        assert!(began.elapsed() < Duration::from_secs(20), "it never gets ready");
        std::thread::sleep(Duration::from_micros(200));
    }
    began.elapsed().as_secs_f64() * 1000.0
}

fn spawn(folder: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livekit-keyd"));
    command.arg("run").arg("--config").arg(folder.join("keyd.toml"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the daemon starts")
}

fn wait_until(what: &str, reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The status of a call without a body, if anybody answers.
fn status(socket: &Path, method: &str, path: &str) -> Option<u16> {
    let mut stream = UnixStream::connect(socket).ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.get(9..12)?.parse().ok()
}

fn config(folder: &Path) -> String {
    let dir = folder.display();
    let mut text = format!(
        "role = \"both\"\nstate_dir = \"{dir}/state\"\n[livekit]\nproof = \"disabled\"\n\
         [store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n\
         [sign]\nsocket = \"{dir}/sign.sock\"\n[admin]\nsocket = \"{dir}/admin.sock\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [[publish]]\nkind = \"key_file\"\npath = \"{dir}/keys.yaml\"\nmode = \"0600\"\n\
         [[profile]]\nname = \"speaker\"\n[profile.video]\nroomJoin = true\n\
         [[caller]]\nname = \"bench\"\nuid = {}\nkeyset = \"k0\"\nprofiles = [\"speaker\"]\nallowed_rooms = [\"demo*\"]\nallowed_identities = [\"*\"]\n",
        rustix::process::getuid().as_raw()
    );
    for index in 0..KEYSETS {
        text.push_str(&format!(
            "[[keyset]]\nname = \"k{index}\"\npublish_delay = \"0s\"\nrotation_period = \"168h\"\n"
        ));
    }
    text
}
