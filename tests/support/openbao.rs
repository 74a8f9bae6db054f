//! A real OpenBao, which speaks Vault's API.

use std::process::Command;
use std::{fs, io};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{self, Answer};
use super::server::Server;
use super::{cache, port};

/// An unsealed server with KV version 2 at `secret/`, on disk, so that its data outlives a stop.
pub(crate) struct OpenBao {
    folder: TempDir,
    api: Api,
    server: Server,
    unseal_key: String,
}

impl OpenBao {
    /// Starts, initialises and unseals one.
    pub(crate) fn start() -> OpenBao {
        OpenBao::start_with("")
    }

    /// With more in its configuration, like another listener.
    pub(crate) fn start_with(more: &str) -> OpenBao {
        // Within the target folder, as a server that all tests share is never dropped.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let (port, cluster_port) = (port::free(), port::free());
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder for its data");
        let config = format!(
            "storage \"raft\" {{ path = {data:?}, node_id = \"one\", performance_multiplier = 1 }}\n\
             listener \"tcp\" {{ address = \"127.0.0.1:{port}\", tls_disable = true }}\n\
             api_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"http://127.0.0.1:{cluster_port}\"\n{more}\n"
        );
        fs::write(folder.path().join("openbao.hcl"), config).expect("its configuration is written");
        let server = Server::spawn("OpenBao", command(&folder));
        let api = Api { port, token: String::new() };
        let mut bao = OpenBao { folder, api, server, unseal_key: String::new() };
        bao.wait_for_answer();
        let keys = bao.succeed("PUT", "sys/init", &json!({"secret_shares": 1, "secret_threshold": 1}));
        bao.api.token = text(&keys["root_token"]);
        bao.unseal_key = text(&keys["keys_base64"][0]);
        bao.unseal();
        bao.mount();
        bao
    }

    fn mount(&mut self) {
        self.succeed("POST", "sys/mounts/secret", &json!({"type": "kv", "options": {"version": "2"}}));
        // A new mount of version 2 refuses calls while it prepares itself.
        self.wait_for_200("secret/config");
    }

    /// Loses what lies at `secret/`; an empty mount stands there instead.
    pub(crate) fn lose_all(&mut self) {
        self.succeed("DELETE", "sys/mounts/secret", &Value::Null);
        self.mount();
    }

    /// A snapshot of everything.
    pub(crate) fn backup(&self) -> Vec<u8> {
        let answer = self.call("GET", "sys/storage/raft/snapshot", &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.body
    }

    /// Puts a snapshot in place of everything.
    pub(crate) fn restore(&mut self, snapshot: &[u8]) {
        let path = "sys/storage/raft/snapshot-force";
        let answer = self.api.send("POST", path, snapshot, &[]).expect("OpenBao answers");
        assert_eq!(answer.status, 204, "{}", answer.text());
        self.wait_for_200("sys/health");
    }

    /// Its address, as `[store.vault] address` wants it.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.api.port)
    }

    /// The root token.
    pub(crate) fn token(&self) -> &str {
        &self.api.token
    }

    /// The process, for its log and signals.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Calls `/v1/<path>` with the root token.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.api
            .call(method, path, body)
            .unwrap_or_else(|error| panic!("OpenBao does not answer {method} {path}: {error}"))
    }

    /// As [`OpenBao::call`], with another token.
    pub(crate) fn call_as(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let api = Api { port: self.api.port, token: token.to_owned() };
        api.call(method, path, body).expect("OpenBao answers")
    }

    /// As [`OpenBao::call`], for a call that must succeed; the answer's JSON.
    pub(crate) fn succeed(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body);
        let good = (200..300).contains(&answer.status);
        assert!(good, "OpenBao answers {method} {path} with {}: {}", answer.status, answer.text());
        answer.json()
    }

    /// As [`OpenBao::succeed`], with the answer wrapped: the token that unwraps it, once.
    pub(crate) fn wrapped(&self, method: &str, path: &str, body: &Value, ttl: &str) -> String {
        let answer =
            self.api.call_with(method, path, body, &[("x-vault-wrap-ttl", ttl)]).expect("OpenBao answers");
        text(&answer.json()["wrap_info"]["token"])
    }

    /// Has it read its certificates again.
    pub(crate) fn reload(&mut self) {
        self.server.signal(Signal::HUP);
    }

    /// Ends it, keeping its data: connections are refused.
    pub(crate) fn stop(&mut self) {
        self.server.terminate();
    }

    /// Starts a stopped one again, at the same address, unsealed.
    pub(crate) fn start_again(&mut self) {
        port::wait_until_free(("127.0.0.1", self.api.port));
        self.server = Server::spawn_into("OpenBao", command(&self.folder), self.server.log().clone());
        self.wait_for_answer();
        self.unseal();
    }

    /// Halts it: connections are made, and nothing answers.
    pub(crate) fn freeze(&mut self) {
        self.server.signal(Signal::STOP);
    }

    /// Ends a [`OpenBao::freeze`].
    pub(crate) fn thaw(&mut self) {
        self.server.signal(Signal::CONT);
    }

    /// Seals it: it answers 503.
    pub(crate) fn seal(&self) {
        self.succeed("PUT", "sys/seal", &Value::Null);
    }

    /// Ends a [`OpenBao::seal`].
    pub(crate) fn unseal(&mut self) {
        self.succeed("PUT", "sys/unseal", &json!({"key": self.unseal_key}));
        self.wait_for_200("sys/health");
    }

    fn wait_for_answer(&mut self) {
        self.server.wait_until("it answers", || self.api.call("GET", "sys/init", &Value::Null).is_ok());
    }

    fn wait_for_200(&mut self, path: &str) {
        self.server.wait_until(&format!("GET {path} gives 200"), || {
            self.api.call("GET", path, &Value::Null).is_ok_and(|answer| answer.status == 200)
        });
    }
}

/// What a call needs, apart from the process that answers it.
struct Api {
    port: u16,
    token: String,
}

impl Api {
    fn call(&self, method: &str, path: &str, body: &Value) -> io::Result<Answer> {
        self.call_with(method, path, body, &[])
    }

    fn call_with(&self, method: &str, path: &str, body: &Value, more: &[(&str, &str)]) -> io::Result<Answer> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        self.send(method, path, &body, more)
    }

    fn send(&self, method: &str, path: &str, body: &[u8], more: &[(&str, &str)]) -> io::Result<Answer> {
        let headers = [("x-vault-token", self.token.as_str()), ("x-vault-request", "true")];
        let headers = [&headers, more].concat();
        let request = http::request(method, &format!("/v1/{path}"), &headers, body);
        http::over_tcp(&format!("127.0.0.1:{}", self.port), &request)
    }
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(cache::path("bao"));
    command.arg("server").arg("-config").arg(folder.path().join("openbao.hcl")).current_dir(folder.path());
    command
}

fn text(value: &Value) -> String {
    value.as_str().expect("OpenBao answers with text").to_owned()
}
