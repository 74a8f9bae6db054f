//! schemathesis makes requests of all kinds from what the signing socket says of itself: each is answered as described,
//! none with 500, and none with 503, which nothing here provokes. `make api-test` makes more of them.

mod support;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use support::cache;
use support::daemon::Daemon;
use support::deployment::{QUICK_RULES, config_on};

/// schemathesis speaks TCP only: a port of the loopback for the socket.
fn forward(socket: PathBuf) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(server) = UnixStream::connect(&socket) {
                let _ = join(client, server);
            }
        }
    });
    Ok(address)
}

fn join(client: TcpStream, server: UnixStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

#[test]
fn every_answer_is_as_the_document_says() {
    let store = "[store]\nkind = \"file\"\n[store.file]\ndir = \"{dir}/store\"\n";
    let mut daemon = Daemon::start(&config_on(store, "both", QUICK_RULES));
    daemon.init("apps");
    daemon.wait_until_ready();
    let address = forward(daemon.sign().path().to_owned()).expect("a free port");
    let examples = std::env::var("LIVEKIT_KEYD_EXAMPLES").unwrap_or_else(|_| "10".to_owned());
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis/hooks.py");
    let output = Command::new(cache::path("schemathesis"))
        .current_dir(daemon.folder())
        .env("SCHEMATHESIS_HOOKS", hooks)
        .args(["run", &format!("http://{address}/openapi.json"), "--checks", "all", "--no-color"])
        // A schema counts characters where LiveKit counts bytes, and knows nothing of policy.
        .args(["--exclude-checks", "positive_data_acceptance", "--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &examples, "--header", "Authorization: Bearer a.b.c"])
        .output()
        .expect("schemathesis starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
