//! A real Redis, by which livekit-servers know each other and where each room is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use super::server::Server;
use super::{cache, port};

/// One that keeps nothing on disk.
pub(crate) struct Redis {
    port: u16,
    _server: Server,
}

impl Redis {
    /// Starts one.
    pub(crate) fn start() -> Redis {
        let port = port::free();
        let mut command = Command::new(cache::path("redis-server"));
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(port.to_string());
        let mut server = Server::spawn("redis-server", command);
        server.wait_until("it answers", || is_answering(port));
        Redis { port, _server: server }
    }

    /// The section of a livekit-server's configuration that makes it one of the cluster.
    pub(crate) fn section(&self) -> String {
        format!("redis:\n  address: 127.0.0.1:{}\n", self.port)
    }
}

fn is_answering(port: u16) -> bool {
    let mut answer = [0; 5];
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.write_all(b"PING\r\n")?;
        stream.read_exact(&mut answer)
    });
    asked.is_ok() && answer == *b"+PONG"
}
