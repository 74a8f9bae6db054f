//! A real livekit-server that reads a key file.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use tempfile::TempDir;

use super::eventually::PATIENCE;
use super::http::{self, Answer};
use super::server::Server;
use super::{cache, port};

/// A livekit-server that gets SIGTERM within about 90 ms of its first answer never exits.
const SETTLED: Duration = Duration::from_millis(150);

/// One node; alone, unless its configuration names a Redis.
pub(crate) struct LiveKit {
    folder: TempDir,
    port: u16,
    server: Server,
    answered: Instant,
}

impl LiveKit {
    /// Starts one with the keys of `key_file`, which it reads at each start and at no other time.
    pub(crate) fn start(key_file: &Path) -> LiveKit {
        LiveKit::start_with(key_file, "")
    }

    /// With more in its configuration, like `webhook`.
    pub(crate) fn start_with(key_file: &Path, more: &str) -> LiveKit {
        // Within the target folder, as a server that all tests share is never dropped.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let port = port::free();
        let config = format!(
            "port: {port}\n\
             bind_addresses: [127.0.0.1]\n\
             rtc:\n\
            \x20 tcp_port: {tcp}\n\
            \x20 udp_port: {udp}\n\
            \x20 use_external_ip: false\n\
            \x20 node_ip: 127.0.0.1\n\
             key_file: {key_file:?}\n{more}",
            tcp = port::free(),
            udp = port::free(),
        );
        fs::write(config_of(&folder), config).expect("its configuration is written");
        let server = Server::spawn("livekit-server", command(&folder));
        let mut livekit = LiveKit { folder, port, server, answered: Instant::now() };
        livekit.wait_for_answer();
        livekit
    }

    /// Its address, as `[livekit] url` and `nodes` want it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The process, for its log and signals.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Has it read another key file from its next start on.
    pub(crate) fn set_key_file(&self, key_file: &Path) {
        let config = fs::read_to_string(config_of(&self.folder)).expect("its configuration");
        let line = |line: &str| match line.strip_prefix("key_file: ") {
            Some(_) => format!("key_file: {key_file:?}\n"),
            None => format!("{line}\n"),
        };
        let config: String = config.lines().map(line).collect();
        fs::write(config_of(&self.folder), config).expect("its configuration is written");
    }

    /// Stops it and starts it again, with the key file as it is by then.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        thread::sleep(SETTLED.saturating_sub(self.answered.elapsed()));
        self.server.terminate();
    }

    /// Stops it; one that is held up, as by joined rooms, is killed after `grace`.
    pub(crate) fn stop_within(&mut self, grace: Duration) {
        thread::sleep(SETTLED.saturating_sub(self.answered.elapsed()));
        self.server.terminate_within(grace);
    }

    /// Starts a stopped one again, at the same address.
    pub(crate) fn start_again(&mut self) {
        let log = self.server.log().clone();
        port::wait_until_free(("127.0.0.1", self.port));
        self.server = Server::spawn_into("livekit-server", command(&self.folder), log);
        self.wait_for_answer();
    }

    /// Whether it lets a client join with this token: one with roomJoin, a room and an identity.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.validate(token).is_ok_and(|answer| answer.status == 200)
    }

    /// Its answer to `GET /rtc/validate`: 200 for a token that may join, 401 for an unknown key.
    ///
    /// # Errors
    /// What the connection says: the server is down.
    pub(crate) fn validate(&self, token: &str) -> io::Result<Answer> {
        let bearer = format!("Bearer {token}");
        self.send(&http::request("GET", "/rtc/validate", &[("authorization", &bearer)], b""))
    }

    /// Joins a room as a client does, over a WebSocket, and leaves it again: the first message, in which the server
    /// says who joined what (`JoinResponse` of LiveKit's protocol).
    ///
    /// # Errors
    /// As [`LiveKit::validate`]; or the server did not let it join.
    pub(crate) fn join(&self, token: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /rtc?access_token={token}&protocol=15 HTTP/1.1\r\nhost: livekit\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        // A final binary frame of a server, whose length takes two bytes more.
        let mut frame = [0; 4];
        stream.read_exact(&mut frame)?;
        assert_eq!(frame[..2], [0x82, 126], "no message of a few hundred bytes");
        let mut message = vec![0; usize::from(u16::from_be_bytes([frame[2], frame[3]]))];
        stream.read_exact(&mut message)?;
        Ok(message)
    }

    /// Its answer to a call of its server API, like `RoomService/ListRooms`.
    ///
    /// # Errors
    /// As [`LiveKit::validate`].
    pub(crate) fn twirp(&self, method: &str, token: &str, body: &str) -> io::Result<Answer> {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(&http::request("POST", &format!("/twirp/livekit.{method}"), &headers, body.as_bytes()))
    }

    fn send(&self, request: &[u8]) -> io::Result<Answer> {
        http::over_tcp(&format!("127.0.0.1:{}", self.port), request)
    }

    fn wait_for_answer(&mut self) {
        let (address, request) = (format!("127.0.0.1:{}", self.port), http::request("GET", "/", &[], b""));
        self.server.wait_until("it answers", || {
            http::over_tcp(&address, &request).is_ok_and(|answer| answer.status == 200)
        });
        self.answered = Instant::now();
    }
}

fn config_of(folder: &TempDir) -> PathBuf {
    folder.path().join("livekit.yaml")
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(cache::path("livekit-server"));
    command.arg("--config").arg(config_of(folder)).current_dir(folder.path());
    // Keys there would replace those of the key file.
    command.env_remove("LIVEKIT_KEYS").env_remove("LIVEKIT_CONFIG");
    command
}
