//! Nodes are asked which keys they know: real livekit-servers, and what a configuration may lead to instead of one.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livekit_keyd::fleet::{FleetMetrics, FleetSettings, Watcher};
use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Node, Verdict};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use prometheus::{Registry, TextEncoder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

use support::daemon::Daemon;
use support::deployment;
use support::eventually::{PATIENCE, eventually, value};
use support::http::{self, request};
use support::livekit::LiveKit;

/// Short enough to wait for, long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A watcher that runs, until it is dropped.
struct Watched {
    watcher: Arc<Watcher>,
    registry: Registry,
    changed: Arc<Notify>,
    runtime: tokio::runtime::Runtime,
    _stop: watch::Sender<bool>,
}

impl Watched {
    fn start(nodes: &[&str]) -> Watched {
        Watched::with_timeout(nodes, TIMEOUT)
    }

    fn with_timeout(nodes: &[&str], probe_timeout: Duration) -> Watched {
        listen_to_our_log();
        let nodes = nodes.iter().map(|node| node.parse().expect("a node")).collect();
        let settings = FleetSettings { nodes, probe_interval: Duration::from_millis(200), probe_timeout };
        let registry = Registry::new();
        let metrics = FleetMetrics::register(&registry).expect("names are free");
        let watcher = Arc::new(Watcher::new(settings, metrics).expect("a watcher"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (stop, stopping) = watch::channel(false);
        let changed = Arc::new(Notify::new());
        runtime.spawn(Arc::clone(&watcher).run(Arc::clone(&changed), stopping));
        Watched { watcher, registry, changed, runtime, _stop: stop }
    }

    fn ask_about(&self, keys: &[(&str, Option<&str>)]) {
        let key = |(id, secret): &(&str, Option<&str>)| {
            (KeyId::new(*id), secret.map(|secret| Secret::new(secret.to_owned())))
        };
        self.watcher.ask_about(keys.iter().map(key).collect());
    }

    fn nodes(&self) -> BTreeMap<String, Node> {
        self.watcher.seen().0
    }

    fn node(&self, address: &str) -> Node {
        self.nodes().remove(address).unwrap_or_else(|| panic!("no {address} in {:?}", self.nodes()))
    }

    /// Waits until a node says just that of the keys, and is believed.
    fn wait_for(&self, address: &str, verdicts: &[(&str, Verdict)]) -> Node {
        let wanted: Vec<_> = verdicts.iter().map(|(id, verdict)| (KeyId::new(*id), *verdict)).collect();
        value(PATIENCE, &format!("{address} says {verdicts:?}"), || {
            let node = self.node(address);
            let said: Vec<_> = node.answers.iter().map(|(id, answer)| (id.clone(), answer.verdict)).collect();
            (node.trouble.is_none() && said == wanted).then_some(node)
        })
    }

    /// Waits until a node is in trouble of which the sentence has this part.
    fn wait_for_trouble(&self, address: &str, part: &str) -> Node {
        value(PATIENCE, &format!("{address}: {part}"), || {
            Some(self.node(address)).filter(|node| node.trouble.as_ref().is_some_and(|t| t.contains(part)))
        })
    }

    fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("metrics are text")
    }

    /// Whether `changed` was rung since it was last asked for.
    fn rang(&self) -> bool {
        let rung = async { tokio::time::timeout(PATIENCE, self.changed.notified()).await.is_ok() };
        self.runtime.block_on(rung)
    }
}

fn key_file(folder: &TempDir, keys: &[(&str, &str)]) -> PathBuf {
    let path = folder.path().join("keys.yaml");
    write_keys(&path, keys);
    path
}

fn write_keys(path: &Path, keys: &[(&str, &str)]) {
    let text: String = keys.iter().map(|(id, secret)| format!("{id}: \"{secret}\"\n")).collect();
    fs::write(path, text).expect("the key file is written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode is set");
}

const ONE: &str = "one-secret-one-secret-one-secret-one-secret";
const TWO: &str = "two-secret-two-secret-two-secret-two-secret";

#[test]
fn real_nodes_say_what_they_make_of_each_key() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = LiveKit::start(&key_file(&folder, &[("APIone", ONE), ("APItwo", TWO)]));
    let second = LiveKit::start(&key_file(&other, &[("APIone", TWO)]));
    let watched = Watched::start(&[&first.url(), &second.url()]);
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", None), ("APIzero", Some(ONE))]);
    let node = watched.wait_for(
        &first.url(),
        &[
            ("APIone", Verdict::Accepted),
            // Its secret is not known here: that the id is known there is all that can be told.
            ("APItwo", Verdict::Mismatch),
            ("APIzero", Verdict::Refused),
        ],
    );
    assert_eq!(node.clock_difference, Duration::ZERO, "it is the same machine");
    let since = node.answering_since.expect("it answers");
    watched.wait_for(
        &second.url(),
        &[("APIone", Verdict::Mismatch), ("APItwo", Verdict::Refused), ("APIzero", Verdict::Refused)],
    );
    assert!(watched.rang());

    // They are asked on, and nothing is forgotten meanwhile.
    let one = KeyId::new("APIone");
    let asked_at = node.answers[&one].asked_at;
    eventually(PATIENCE, "it is asked again", || {
        watched.node(&first.url()).answers[&one].asked_at > asked_at
    });
    let later = watched.node(&first.url());
    // Two clocks are read one after the other, so their difference wavers.
    let same = |a: Time, b: Time| a.as_millis().abs_diff(b.as_millis()) < 50;
    assert!(same(later.answers[&one].since, node.answers[&one].since), "{later:?}");
    assert!(same(later.answering_since.expect("it answers"), since), "{later:?}");

    let metrics = watched.metrics();
    let series = |id: &str| format!("node_key_accepted{{key_id=\"{id}\",node=\"{}\"}}", first.url());
    assert!(metrics.contains(&format!("{} 1\n", series("APIone"))), "{metrics}");
    assert!(metrics.contains(&format!("{} 0\n", series("APIzero"))), "{metrics}");
    assert!(metrics.contains("nodes{state=\"answering\"} 2\n"), "{metrics}");
    for result in ["accepted", "refused", "mismatch"] {
        assert!(metrics.contains(&format!("node_probes_total{{result=\"{result}\"}}")), "{metrics}");
    }
    // A key that is gone is gone from both, and a new secret is a new question.
    watched.ask_about(&[("APIone", Some(TWO))]);
    watched.wait_for(&first.url(), &[("APIone", Verdict::Mismatch)]);
    watched.wait_for(&second.url(), &[("APIone", Verdict::Accepted)]);
    assert!(!watched.metrics().contains("APIzero"), "{}", watched.metrics());
}

#[test]
fn a_node_that_stops_is_silent_and_starts_with_what_it_reads_then() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = key_file(&folder, &[("APIone", ONE)]);
    let mut livekit = LiveKit::start(&path);
    let watched = Watched::start(&[&livekit.url()]);
    watched.watcher.hurry(true);
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", Some(TWO))]);
    let before =
        watched.wait_for(&livekit.url(), &[("APIone", Verdict::Accepted), ("APItwo", Verdict::Refused)]);

    livekit.stop();
    let silent = watched.wait_for_trouble(&livekit.url(), "does not answer");
    assert_eq!(silent.answering_since, None);
    assert!(silent.silent_at > before.answering_since);
    let metrics = watched.metrics();
    assert!(metrics.contains("nodes{state=\"silent\"} 1\n"), "{metrics}");
    assert!(!metrics.contains("node_key_accepted{"), "what is not known has no series: {metrics}");

    write_keys(&path, &[("APItwo", TWO)]);
    livekit.start_again();
    let back =
        watched.wait_for(&livekit.url(), &[("APIone", Verdict::Refused), ("APItwo", Verdict::Accepted)]);
    assert!(back.answering_since > silent.silent_at);
}

/// A server made up for a test: what it answers to the bytes of a request.
struct Fake {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (seen_there, answer) = (Arc::clone(&seen), Arc::new(answer));
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen_there), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut bytes = [0; 8192];
                    let length = client.read(&mut bytes).unwrap_or(0);
                    let request = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let answer = answer(&request);
                    seen.lock().expect("nobody panicked").push(request);
                    // Whoever asked may have lost patience.
                    let _ = client.write_all(answer.as_bytes());
                });
            }
        });
        Fake { address, seen }
    }

    /// The token of the first question about a key.
    fn token_of(&self, id: &str) -> Option<String> {
        self.seen.lock().expect("nobody panicked").iter().find_map(|request| {
            let head =
                request.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"))?;
            let token = head.split_once("Bearer ")?.1.trim().to_owned();
            (claims(&token)["iss"] == id).then_some(token)
        })
    }
}

fn claims(token: &str) -> Value {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    serde_json::from_slice(&claims.unwrap_or_default()).unwrap_or_default()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// As a livekit-server that knows one id answers; it looks at no signature.
fn like_livekit(id: &str, headers: &str, request: &str) -> String {
    let token = request.split_once("Bearer ").map_or("", |(_, rest)| rest.lines().next().unwrap_or(""));
    if claims(token)["iss"] == id {
        answer("400 Bad Request", headers, "identity cannot be empty")
    } else {
        answer("401 Unauthorized", headers, "invalid API key: APIwhatever")
    }
}

#[test]
fn what_is_no_livekit_proves_nothing_and_is_named() {
    let all = Fake::answering(|_| answer("200 OK", "", "{}"));
    let polite = Fake::answering(|_| answer("400 Bad Request", "", "identity cannot be empty"));
    let stripped = Fake::answering(|_| answer("401 Unauthorized", "", "no permissions to access the room"));
    let target = all.address.clone();
    let redirect = Fake::answering(move |_| answer("302 Found", &format!("location: {target}/\r\n"), ""));
    let gateway = Fake::answering(|_| answer("503 Service Unavailable", "", ""));
    let gibberish = Fake::answering(|_| "220 mail.example.com ESMTP\r\n".to_owned());
    let endless = Fake::answering(|_| {
        format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: 9999999\r\n\r\n{}", "x".repeat(100_000))
    });
    let fakes = [
        (&all, "answers 200 to all"),
        (&polite, "does not refuse a key that nobody knows"),
        (&stripped, "Authorization header is taken away"),
        (&redirect, "302 is a redirect"),
        (&gateway, "a gateway without its server does, with 503"),
        (&gibberish, "does not answer"),
        (&endless, "does not answer as LiveKit does: 401"),
    ];
    let addresses: Vec<_> = fakes.iter().map(|(fake, _)| fake.address.as_str()).collect();
    let watched = Watched::start(&addresses);
    watched.ask_about(&[("APIone", Some(ONE))]);
    for (fake, part) in fakes {
        let node = watched.wait_for_trouble(&fake.address, part);
        assert_eq!(node.answering_since, None, "{part}");
        assert!(node.answers.values().all(|answer| answer.verdict != Verdict::Accepted), "{part}");
    }
    let followed = all.seen.lock().expect("nobody panicked").iter().any(|asked| asked.starts_with("GET / "));
    assert!(!followed, "a redirect was followed, with the token");
}

#[test]
fn an_answer_after_its_timeout_is_none() {
    let slow = Fake::answering(|request| {
        thread::sleep(Duration::from_millis(400));
        like_livekit("APIone", "", request)
    });
    let watched = Watched::with_timeout(&[&slow.address], Duration::from_millis(100));
    watched.ask_about(&[("APIone", Some(ONE))]);
    let node = watched.wait_for_trouble(&slow.address, "does not answer within 100ms");
    assert!(node.answers.is_empty());
    let patient = Watched::with_timeout(&[&slow.address], PATIENCE);
    patient.ask_about(&[("APIone", Some(ONE))]);
    patient.wait_for(&slow.address, &[("APIone", Verdict::Accepted)]);
}

#[test]
fn clocks_a_minute_apart_show_in_the_answers() {
    let date = |seconds: i64| {
        let now = std::time::SystemTime::now();
        let shift = Duration::from_secs(seconds.unsigned_abs());
        httpdate::fmt_http_date(if seconds < 0 { now - shift } else { now + shift })
    };
    let fake = move |seconds| {
        Fake::answering(move |request| {
            like_livekit("APIone", &format!("date: {}\r\n", date(seconds)), request)
        })
    };
    let (ahead, behind) = (fake(60), fake(-60));
    let watched = Watched::start(&[&ahead.address, &behind.address]);
    watched.ask_about(&[("APIone", Some(ONE))]);
    for fake in [&ahead, &behind] {
        let node = watched.wait_for(&fake.address, &[("APIone", Verdict::Accepted)]);
        let difference = node.clock_difference.as_millis();
        assert!((50_000..=60_000).contains(&difference), "{difference} ms");
    }
    let metrics = watched.metrics();
    let skew = metrics.lines().find_map(|line| line.strip_prefix("livekit_keyd_clock_skew_seconds "));
    assert!(skew.and_then(|skew| skew.parse::<f64>().ok()).is_some_and(|skew| skew > 50.0), "{metrics}");
}

#[test]
fn a_name_gives_each_of_its_addresses_once_or_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    let livekit = LiveKit::start(&key_file(&folder, &[("APIone", ONE)]));
    let address = livekit.url();
    let port = address.rsplit(':').next().expect("a port");
    let name = format!("dns:127.0.0.1:{port}");
    let nothing = format!("dns:no..such.name:{port}");
    let watched = Watched::start(&[&name, &address, &name, &nothing]);
    watched.ask_about(&[("APIone", Some(ONE))]);
    watched.wait_for(&address, &[("APIone", Verdict::Accepted)]);
    eventually(PATIENCE, "one name is known and the other is not", || {
        let (nodes, unresolved) = watched.watcher.seen();
        assert_eq!(nodes.keys().collect::<Vec<_>>(), [&address], "however it is named, it is one node");
        unresolved.keys().eq([&nothing]) && !unresolved[&nothing].contains("not been looked up")
    });
}

#[test]
fn a_load_balancer_between_two_nodes_gives_itself_away() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let first = LiveKit::start(&key_file(&folder, &[("APIone", ONE)]));
    let second = LiveKit::start(&key_file(&other, &[("APItwo", TWO)]));
    let balancer = balance(vec![first.url(), second.url()]);
    let watched = Watched::start(&[&balancer]);
    watched.ask_about(&[("APIone", Some(ONE))]);
    watched.wait_for_trouble(&balancer, "behind a load balancer");
    assert!(!watched.metrics().contains("node_key_accepted{"), "{}", watched.metrics());
}

/// Passes each connection to the next of the servers.
fn balance(servers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for (client, server) in listener.incoming().flatten().zip(servers.iter().cycle()) {
            let server = TcpStream::connect(server.trim_start_matches("http://")).expect("it listens");
            let (mut from, mut to) =
                (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            thread::spawn(move || {
                // Gone already is as good.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn a_probes_token_is_worth_nothing_and_is_in_no_log_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let livekit = LiveKit::start(&key_file(&folder, &[("APIone", ONE), ("APItwo", TWO)]));
    // It neither accepts nor refuses, so both kinds of question come.
    let thief = Fake::answering(|_| answer("418 I'm a teapot", "", ""));
    let watched = Watched::start(&[&thief.address, &livekit.url()]);
    // The wrong secret makes livekit-server 1.13 answer with the whole token.
    watched.ask_about(&[("APIone", Some(ONE)), ("APItwo", Some(ONE))]);
    watched.wait_for(&livekit.url(), &[("APIone", Verdict::Accepted), ("APItwo", Verdict::Mismatch)]);
    let balancer_like = watched.wait_for_trouble(&thief.address, "418");
    assert!(balancer_like.answers.is_empty());

    // The control is the first question, so the key's own token is had from a node that refuses the control.
    let careful = Fake::answering(|request| like_livekit("APIone", "", request));
    let other = Watched::start(&[&careful.address]);
    other.ask_about(&[("APIone", Some(ONE))]);
    let token = value(PATIENCE, "it is asked about the key", || careful.token_of("APIone"));
    assert_eq!(claims(&token)["sub"], Value::Null);
    assert_eq!(claims(&token)["jti"], Value::Null);
    let room = claims(&token)["video"]["room"].as_str().expect("a room").to_owned();

    let validate = livekit.validate(&token).expect("it answers");
    assert_eq!((validate.status, validate.text().trim()), (400, "identity cannot be empty"));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let host = livekit.url().trim_start_matches("http://").to_owned();
    for path in [
        format!("/rtc/validate?identity=mallory&room={room}"),
        format!("/rtc?identity=mallory&room={room}"),
        format!("/rtc/v1?identity=mallory&room={room}"),
        "/twirp/livekit.RoomService/ListRooms".to_owned(),
    ] {
        let answer = http::over_tcp(&host, &request("GET", &path, &headers, b"")).expect("it answers");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    for (method, body) in [
        ("RoomService/ListRooms", "{}".to_owned()),
        ("RoomService/CreateRoom", format!("{{\"name\":\"{room}\"}}")),
        ("RoomService/ListParticipants", format!("{{\"room\":\"{room}\"}}")),
        ("RoomService/DeleteRoom", format!("{{\"room\":\"{room}\"}}")),
        ("Egress/ListEgress", "{}".to_owned()),
        ("Ingress/ListIngress", "{}".to_owned()),
        ("SIP/ListSIPTrunk", "{}".to_owned()),
    ] {
        let answer = livekit.twirp(method, &token, &body).expect("it answers");
        assert_eq!(answer.status, 401, "{method}: {}", answer.text());
    }
    let log = String::from_utf8_lossy(&OUR_LOG.lock().expect("nobody panicked")).into_owned();
    assert!(log.contains("the node answers"), "the log is ours:\n{log}");
    for secret in ["eyJ", ONE, TWO, &room] {
        assert!(!log.contains(secret), "{secret} in our log:\n{log}");
    }
}

#[test]
fn a_daemon_signs_with_nothing_that_its_node_does_not_accept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = key_file(&folder, &[("APIforeign", ONE)]);
    let mut livekit = LiveKit::start(&path);
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let asking =
        format!("nodes = [\"{}\"]\nprobe_interval = \"200ms\"\nprobe_timeout = \"200ms\"", livekit.url());
    let config = deployment::config_on(store, "both", deployment::QUICK_RULES)
        .replace("proof = \"disabled\"", &asking)
        .replace("{dir}/keys.yaml", path.to_str().expect("a path"));
    let mut daemon = Daemon::start(&format!("{config}\n[log]\nlevel = \"trace\"\n"));
    daemon.init("apps");
    eventually(PATIENCE, "its keys are published", || deployment::keys_in(&path).len() == 4);
    let refused = |key: &str| format!("node_key_accepted{{key_id=\"{key}\",node=\"{}\"}} 0\n", livekit.url());
    let own: Vec<_> = deployment::keys_in(&path).into_keys().filter(|key| key != "APIforeign").collect();
    eventually(PATIENCE, "its node does not know them, and it says so", || {
        let metrics = daemon.telemetry("/metrics");
        own.iter().all(|key| metrics.contains(&refused(key)))
    });
    let (status, _) = deployment::mint(&daemon);
    assert_eq!(status, 503, "there is no key that the node accepts");

    livekit.restart();
    daemon.wait_until_ready();
    let (status, minted) = deployment::mint(&daemon);
    assert_eq!(status, 201, "{minted}");
    assert!(livekit.accepts(minted["token"].as_str().expect("a token")));
    let log = daemon.log().text();
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("INFO"), "{log}");
    assert!(!log.contains("eyJ"), "a token in the log:\n{log}");
}

static OUR_LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(Arc::default);

/// Everything that any test of this file makes us log, however unimportant.
fn listen_to_our_log() {
    struct Shared;
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            OUR_LOG.lock().expect("nobody panicked").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(|| Shared)
        .finish();
    // Another test of this file was first.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
