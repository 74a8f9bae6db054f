//! What was measured, as ratios, on the terminal and in docs/benchmarks.md.

use std::fmt::Write as _;
use std::path::Path;

use crate::load::Outcome;

/// Lines of a Markdown page.
pub(crate) struct Report {
    machine: String,
    throughput: String,
    others: String,
}

/// The middle one.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn rates(outcomes: &[Outcome]) -> f64 {
    median(outcomes.iter().map(|outcome| outcome.rate))
}

fn ratio(of: &[Outcome], to: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> f64 {
    median(of.iter().zip(to).map(|(of, to)| figure(of) / figure(to)))
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "**falls short**" }
}

impl Report {
    /// Empty, but for the machine and the daemon at rest.
    pub(crate) fn new(idle_kib: u64, keys: usize, answer: usize) -> Report {
        let mut report = Report { machine: machine(), throughput: String::new(), others: String::new() };
        report.machine.push_str(&format!("\nAn answer has {answer} bytes, head and all.\n"));
        report.row(
            &format!("resident memory, idle, {keys} keys"),
            &format!("{:.1} MiB", idle_kib as f64 / 1024.0),
            "under 12 MB",
            idle_kib < 12_000,
        );
        report
    }

    fn row(&mut self, what: &str, figure: &str, wanted: &str, holds: bool) {
        let line = format!("| {what} | {figure} | {wanted} | {} |", verdict(holds));
        println!("{line}");
        let _ = writeln!(self.others, "{line}");
    }

    /// Against the bare handler and the limit, run by run.
    pub(crate) fn throughput(
        &mut self,
        connections: usize,
        keyd: &[Outcome],
        audited: &[Outcome],
        axum: &[Outcome],
        hyper: &[Outcome],
        raw: &[Outcome],
    ) {
        let rate = |of| ratio(of, axum, |outcome| outcome.rate);
        let slowest = |of| ratio(of, axum, |outcome| outcome.p99.as_secs_f64());
        let sane = ratio(axum, raw, |outcome| outcome.rate);
        let (wanted, least) = if connections == 1 { (1.0, 0.5) } else { (1.2, 0.3) };
        // The sanity of the baseline is asked at 1 and 16 connections.
        let is_sane = connections > 16 || sane > least;
        let mut line =
            format!("| {connections} | {:.0} | {:.0} | {:.0} |", rates(keyd), rates(axum), rates(raw));
        for of in [keyd, audited] {
            let (rate, slowest) = (rate(of), slowest(of));
            let _ = write!(
                line,
                " {rate:.2} (at least {wanted}: {}) | {slowest:.2} (at most 1.1: {}) |",
                verdict(rate >= wanted),
                verdict(slowest <= 1.1),
            );
        }
        let sanity = if is_sane { "sane" } else { "**the baseline was slowed down**" };
        let _ = write!(line, " {:.2} | {sane:.2} ({sanity}) |", rate(hyper));
        println!("{line}");
        let _ = writeln!(self.throughput, "{line}");
    }

    /// After the runs.
    pub(crate) fn memory_under_load(&mut self, kib: u64) {
        let figure = format!("{:.1} MiB", kib as f64 / 1024.0);
        self.row("resident memory, under load", &figure, "under 20 MB", kib < 20_000);
    }

    /// Batches against a loop without a socket.
    pub(crate) fn batch(&mut self, batch: f64, own: f64) {
        let figure = format!("{:.2} ({batch:.0} against {own:.0} tokens/s)", batch / own);
        self.row("batch / jsonwebtoken in a loop on all cores", &figure, "at least 0.5", batch / own >= 0.5);
    }

    /// One of the other ways to get a token.
    pub(crate) fn peer(&mut self, name: &str, rate: f64) {
        let line = format!("| {name} | {rate:.0}/s | | |");
        println!("{line}");
        let _ = writeln!(self.others, "{line}");
    }

    /// From the process's start to its readiness.
    pub(crate) fn start(&mut self, milliseconds: f64) {
        let figure = format!("{milliseconds:.0} ms");
        self.row("ready, from a file store", &figure, "within 50 ms", milliseconds <= 50.0);
    }

    /// Replaces the page.
    pub(crate) fn write(&self, page: &Path) {
        let text = format!(
            "# Benchmarks\n\nWritten by `make bench`. Each row was measured side by side in one run; absolute figures lie on shared machines, ratios do not.\n\n{}\n\
             ## Signing over a Unix socket\n\nMedians of {} interleaved runs. *axum* is a bare axum handler with serde and jsonwebtoken, without policy or metrics, and *hyper* is the same handler without axum; *audited* is livekit-keyd with an audit trail in a file, of which each answer waits for its line; *ping-pong* sends as many bytes there and back and does nothing else.\n\n\
             | connections | livekit-keyd/s | axum/s | ping-pong/s | livekit-keyd / axum | p99 / p99 of axum | audited / axum | p99 of audited / p99 of axum | hyper / axum | axum / ping-pong |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n{}\n\
             ## Everything else\n\n| what | figure | wanted | |\n| --- | --- | --- | --- |\n{}",
            self.machine,
            crate::RUNS,
            self.throughput,
            self.others,
        );
        std::fs::write(page, text).expect("a page that can be written");
    }
}

/// The machine's shape.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .and_then(|line| line.split(':').nth(1))
            .unwrap_or("?")
            .trim()
            .to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "Machine: {cores} cores ({}), {} of memory, Linux {}; client and server share the cores.\n",
        after(&read("/proc/cpuinfo"), "model name"),
        after(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}
