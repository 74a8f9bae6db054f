//! Signing speed, as ratios: each peer is measured in turn, in one run, on one machine.
//!
//! `make bench` runs it. Absolute figures lie on shared machines; what is said is
//! how often livekit-keyd answers for one answer of its peer.
#![expect(clippy::panic, reason = "a measurement that cannot be made ends with its sentence")]

mod baseline;
mod daemon;
mod in_process;
mod load;
mod peers;
mod ping_pong;
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::time::Duration;

use load::{Load, Target};
use report::{Report, median};

/// Connections that are measured.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Interleaved runs of which the median counts.
const RUNS: usize = 5;
/// How long one run lasts.
const LASTS: Duration = Duration::from_millis(1500);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "serve-baseline", socket] => baseline::serve(Path::new(socket)),
        [_, "serve-hyper", socket] => baseline::serve_in_hyper(Path::new(socket)),
        [_, "serve-ping-pong", socket] => ping_pong::serve(Path::new(socket)),
        _ => measure(),
    }
}

fn measure() {
    let folder = tempfile::tempdir().expect("a folder for sockets");
    let baseline = peers::Served::start("serve-baseline", folder.path());
    let hyper = peers::Served::start("serve-hyper", folder.path());
    let ping_pong = peers::Served::start("serve-ping-pong", folder.path());
    let daemon = daemon::Daemon::start(folder.path(), "");
    let audited = folder.path().join("audited");
    let audited = daemon::Daemon::start(&audited, &daemon::audit(&audited));
    let request = load::token_request();
    let size = load::answer_size(&daemon.sign_socket(), &request);

    let mut report = Report::new(daemon.resident_kib(), daemon.keys(), size);
    for connections in CONNECTIONS {
        eprintln!("measuring {connections} connections, {RUNS} interleaved runs");
        let mut rows = [const { Vec::new() }; 5];
        for _ in 0..RUNS {
            let targets = [
                Target::http(&daemon.sign_socket(), &request),
                Target::http(&audited.sign_socket(), &request),
                Target::http(baseline.socket(), &request),
                Target::http(hyper.socket(), &request),
                Target::ping_pong(ping_pong.socket(), request.len(), size),
            ];
            for (row, target) in rows.iter_mut().zip(targets) {
                row.push(Load { connections, lasts: LASTS }.run(&target));
            }
        }
        let [keyd, audited, axum, hyper, raw] = rows;
        report.throughput(connections, &keyd, &audited, &axum, &hyper, &raw);
    }
    report.memory_under_load(daemon.resident_kib());
    drop(audited);

    eprintln!("measuring batches against a loop in this process");
    let pairs: Vec<_> = (0..RUNS)
        .map(|_| (load::batch_rate(&daemon.sign_socket(), LASTS), in_process::jsonwebtoken_rate(LASTS)))
        .collect();
    report.batch(median(pairs.iter().map(|(batch, _)| *batch)), median(pairs.iter().map(|(_, own)| *own)));

    eprintln!("measuring the official SDKs and OpenBao's transit engine");
    report.peer("npm livekit-server-sdk, in process", peers::javascript_rate());
    report.peer("PyPI livekit-api, in process", peers::python_rate());
    report.peer("OpenBao transit HMAC, loopback TCP, 1 connection", peers::transit_rate(LASTS));

    eprintln!("measuring starts from a file store");
    drop(daemon);
    report.start(median((0..RUNS).map(|_| daemon::milliseconds_to_ready(folder.path()))));
    report.write(Path::new("docs/benchmarks.md"));
}
