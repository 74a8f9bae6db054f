//! The built `livekit-keyd`, running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use super::eventually::PATIENCE;
use super::log::Log;
use super::server::Server;
use super::socket::Socket;
use super::{http, port};

/// What a caller's shell may hold and a test must not see.
const SETTINGS: [&str; 5] =
    ["LIVEKIT_KEYD_CONFIG", "LIVEKIT_KEYD_SOCKET", "LIVEKIT_KEYD_ADMIN_SOCKET", "VAULT_ADDR", "VAULT_TOKEN"];

/// A daemon and its folder, which outlives the process, so that it can be killed and started again.
pub(crate) struct Daemon {
    folder: TempDir,
    metrics: String,
    serves_signing: bool,
    variables: Vec<(String, String)>,
    wrapper: Vec<String>,
    server: Option<Server>,
    log: Log,
    started_at: usize,
}

impl Daemon {
    /// Runs `livekit-keyd run` with this configuration and waits until its sockets answer.
    ///
    /// In the text `{dir}` stands for the daemon's folder. Sections `[sign]`,
    /// `[admin]` and `[metrics]` are added where they are left out; one that is
    /// there must name `{dir}/sign.sock`, `{dir}/admin.sock` and `{metrics}`.
    pub(crate) fn start(config: &str) -> Daemon {
        let mut daemon = Daemon::new(config);
        daemon.start_again();
        daemon
    }

    /// Everything that [`Daemon::start`] does before the process starts.
    pub(crate) fn new(config: &str) -> Daemon {
        let daemon = Daemon {
            folder: tempfile::tempdir().expect("a folder"),
            metrics: format!("127.0.0.1:{}", port::free()),
            serves_signing: !config.contains("role = \"rotator\""),
            variables: Vec::new(),
            wrapper: Vec::new(),
            server: None,
            log: Log::default(),
            started_at: 0,
        };
        daemon.write_config(config);
        daemon
    }

    /// Sets an environment variable for the following starts.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Has another program become the daemon at the following starts, like `env --ignore-signal=XFSZ`.
    pub(crate) fn start_by(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|&part| part.to_owned()).collect();
    }

    /// Replaces the configuration, for the next start or reload.
    pub(crate) fn write_config(&self, config: &str) {
        let mut text = config.to_owned();
        for (section, key, value) in [
            ("sign", "socket", "{dir}/sign.sock"),
            ("admin", "socket", "{dir}/admin.sock"),
            ("metrics", "listen", "{metrics}"),
        ] {
            let wanted = section != "sign" || self.serves_signing;
            if wanted && !text.lines().any(|line| line.trim() == format!("[{section}]")) {
                text.push_str(&format!("\n[{section}]\n{key} = \"{value}\"\n"));
            }
        }
        let folder = self.folder.path().to_str().expect("a folder's name is text");
        let text = text.replace("{dir}", folder).replace("{metrics}", &self.metrics);
        fs::write(self.config(), text).expect("the configuration is written");
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("keyd.toml")
    }

    /// Its folder, `{dir}`.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The signing socket.
    pub(crate) fn sign(&self) -> Socket {
        Socket::at(self.folder.path().join("sign.sock"))
    }

    /// The admin socket.
    pub(crate) fn admin(&self) -> Socket {
        Socket::at(self.folder.path().join("admin.sock"))
    }

    /// Where its telemetry listens.
    pub(crate) fn metrics_address(&self) -> &str {
        &self.metrics
    }

    /// The body of a path on the telemetry address, like `/metrics`; empty when nothing answers.
    pub(crate) fn telemetry(&self, path: &str) -> String {
        http::over_tcp(&self.metrics, &http::request("GET", path, &[], b""))
            .map(|answer| answer.text())
            .unwrap_or_default()
    }

    /// Starts it, after it was new or ended, and waits until its sockets answer.
    pub(crate) fn start_again(&mut self) {
        self.spawn();
        self.wait_until_it_answers();
    }

    /// Waits until the sockets of one that was spawned answer.
    pub(crate) fn wait_until_it_answers(&mut self) {
        let (sign, admin) = (self.serves_signing.then(|| self.sign()), self.admin());
        self.process().wait_until("its sockets answer", || {
            sign.as_ref().is_none_or(|sign| sign.is_200("/healthz")) && admin.is_200("/v1/status")
        });
    }

    /// Starts it, and does not wait for its answers.
    pub(crate) fn spawn(&mut self) {
        port::wait_until_free(&self.metrics);
        let mut command = self.program();
        command.arg("run").arg("--config").arg(self.config());
        self.started_at = self.log.len();
        self.server = Some(Server::spawn_into("livekit-keyd", command, self.log.clone()));
    }

    /// Waits until it can mint a token.
    pub(crate) fn wait_until_ready(&mut self) {
        let sign = self.sign();
        self.process().wait_until("/readyz gives 200", || sign.is_200("/readyz"));
    }

    /// Creates a keyset's document.
    pub(crate) fn init(&self, keyset: &str) {
        let (status, answer) =
            self.admin().post(&format!("/v1/keysets/{keyset}/init"), &serde_json::json!({}));
        assert_eq!(status, 201, "init of {keyset}: {answer}");
    }

    /// Runs another command of the program against this daemon.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.program().args(arguments).stdin(Stdio::null()).output().expect("the program starts")
    }

    /// What its processes wrote, one after the other.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Waits for a line of the present process that contains `part`, and returns it.
    pub(crate) fn wait_for_log(&self, part: &str) -> String {
        self.log.wait_for(part, self.started_at, PATIENCE)
    }

    /// Where in the log the present process begins.
    pub(crate) fn started_at(&self) -> usize {
        self.started_at
    }

    /// The process, for signals and its end.
    pub(crate) fn process(&mut self) -> &mut Server {
        self.server.as_mut().expect("the daemon was started")
    }

    /// Sends SIGHUP, which is a reload.
    pub(crate) fn hang_up(&mut self) {
        self.process().signal(Signal::HUP);
    }

    /// Sends SIGTERM and waits for the end of the drain.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process().terminate()
    }

    /// Sends SIGKILL and waits.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.process().kill()
    }

    fn program(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_livekit-keyd");
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(self.folder.path());
        for name in SETTINGS {
            command.env_remove(name);
        }
        command.env("LIVEKIT_KEYD_SOCKET", self.sign().path());
        command.env("LIVEKIT_KEYD_ADMIN_SOCKET", self.admin().path());
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }
}
