//! A real OpenID provider, a real livekit-server and LiveKit's own client SDK.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::company::{self, RULES, exchange, issuer};
use super::support::daemon::Daemon;
use super::support::http;
use super::support::livekit::LiveKit;
use super::support::server::Server;
use super::support::{cache, port};

fn script(name: &str) -> Command {
    let mut command = Command::new(cache::path("sign-on-node"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sign_on/node").join(name));
    command
}

fn output(mut command: Command) -> Value {
    let output = command.output().expect("node starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// `oidc-provider` of npm.
struct Provider {
    port: u16,
    server: Server,
}

impl Provider {
    fn start() -> Provider {
        let port = port::free();
        let mut command = script("provider.cjs");
        command.arg(port.to_string());
        let mut provider = Provider { port, server: Server::spawn("the OpenID provider", command) };
        let (address, request) = (provider.address(), http::request("GET", "/jwks", &[], b""));
        provider.server.wait_until("it answers", || {
            http::over_tcp(&address, &request).is_ok_and(|answer| answer.status == 200)
        });
        provider
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Signs its user in by the code flow; what the application gets.
    fn sign_in(&self) -> Value {
        let mut command = script("user.cjs");
        command.arg(self.url());
        output(command)
    }

    fn rotate(&self) {
        let request = http::request("POST", "/test/rotate", &[], b"");
        assert_eq!(http::over_tcp(&self.address(), &request).expect("it answers").status, 204);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("this is no text: {value}")).to_owned()
}

/// A daemon for the provider's users, whose keys a livekit-server knows.
fn deployment(provider: &Provider, rules: &str) -> (Daemon, LiveKit) {
    let daemon = company::start(&issuer("company", &provider.url(), rules));
    company::wait_for_keys(&daemon, "company");
    let livekit = LiveKit::start(&daemon.folder().join("keys.yaml"));
    (daemon, livekit)
}

/// Joins with a token of the provider's only user, as whom the server knows them then.
fn join(livekit: &LiveKit, token: &str) {
    let said = livekit.join(token).expect("livekit-server lets them join");
    assert!(said.windows(3).any(|part| part == b"ann"), "somebody else joined");
    assert!(livekit.join(&token.replace('.', ".e")).is_err(), "anybody may join");
}

#[test]
fn from_a_code_flow_to_a_join_through_a_rotation_and_a_cut_network() {
    let mut provider = Provider::start();
    let (daemon, livekit) = deployment(&provider, RULES);
    let joins = |id_token: &str| {
        let answer = exchange(&daemon, id_token, &[("room", "web-1")]);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let token = text(&answer.json()["access_token"]);
        join(&livekit, &token);
        company::claims_of(&daemon, &token)
    };
    let first = provider.sign_in();
    let made = joins(&text(&first["id_token"]));
    assert_eq!((&made["sub"], &made["name"]), (&json!("ann"), &json!("Ann")));
    assert_eq!(made["attributes"], json!({"plan": "gold"}));
    // Its access tokens are opaque, and the answer says what to send instead.
    let opaque = exchange(&daemon, &text(&first["access_token"]), &[]);
    assert!(opaque.text().contains("send the ID token"), "{}", opaque.text());

    provider.rotate();
    let second = text(&provider.sign_in()["id_token"]);
    joins(&second);
    let old = exchange(&daemon, &text(&first["id_token"]), &[]);
    assert!(old.text().contains("no such key"), "{}", old.text());

    // The network is cut: connections are made, and nothing comes back.
    provider.server.signal(Signal::STOP);
    let began = Instant::now();
    joins(&second);
    assert!(began.elapsed() < Duration::from_secs(3), "known keys wait for nobody: {:?}", began.elapsed());
    provider.server.signal(Signal::CONT);
    joins(&text(&provider.sign_in()["id_token"]));
}

/// What the application does: HTTP from its users on to the socket. It counts the requests.
fn forward(socket: PathBuf) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/token", listener.local_addr().expect("an address"));
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let daemon = UnixStream::connect(&socket).expect("the daemon listens");
            let ends = (client.try_clone().expect("a socket"), daemon.try_clone().expect("a socket"));
            let count = Arc::clone(&counted);
            thread::spawn(move || {
                let _ = count_requests(ends.0, ends.1, &count);
            });
            thread::spawn(move || io::copy(&mut { daemon }, &mut { client }));
        }
    });
    (url, count)
}

fn count_requests(mut client: TcpStream, mut daemon: UnixStream, count: &AtomicUsize) -> io::Result<()> {
    let mut bytes = [0; 65_536];
    loop {
        let read = client.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        count.fetch_add(usize::from(bytes.starts_with(b"POST /token ")), Ordering::Relaxed);
        io::Write::write_all(&mut daemon, &bytes[..read])?;
    }
}

#[test]
fn the_client_sdk_gets_its_token_and_fetches_anew_when_it_expires() {
    let provider = Provider::start();
    // The SDK takes a token for expired a minute before it is: these last for two seconds.
    let rules = RULES.replace("\"participant\"", "\"brief\"")
        + "[[profile]]\nname = \"brief\"\nttl = \"62s\"\nallowed_room_config = true\nvideo = { roomJoin = true }\n";
    let (daemon, livekit) = deployment(&provider, &rules);
    let (url, count) = forward(daemon.sign().path().to_owned());
    let user = text(&provider.sign_in()["id_token"]);
    let mut command = script("client.cjs");
    command.arg(url).arg(user);
    let fetched = output(command);
    let [first, second, third] = [0, 1, 2].map(|index| text(&fetched[index]["participantToken"]));
    assert_eq!(first, second, "a token that is good is not fetched again");
    assert_ne!(first, third);
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(fetched[0]["serverUrl"], "wss://livekit.example.com");
    for token in [first, third] {
        join(&livekit, &token);
        let made = company::claims_of(&daemon, &token);
        assert_eq!((&made["sub"], &made["video"]["room"]), (&json!("ann"), &json!("web-9")));
        assert_eq!(made["roomConfig"]["agents"][0]["agentName"], "helper");
    }
}
