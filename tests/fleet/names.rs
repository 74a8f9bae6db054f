//! Names, and what lies behind one address.

use std::net::{TcpListener, TcpStream};
use std::thread;

use livekit_keyd_core::plan::Verdict;

use crate::support::eventually::{PATIENCE, eventually};
use crate::support::livekit::LiveKit;
use crate::{ONE, TWO, Watched, key_file};

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
