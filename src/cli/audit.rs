//! `audit`: check a trail, or find the event that made a token. Both read files and ask no daemon.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use livekit_keyd_core::audit::{Hash, Report, Verifier};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::{print, remark};
use crate::config::Config;

/// The longest token that is read, in bytes.
const LONGEST_TOKEN: u64 = 1 << 20;

/// What `audit` can be told.
#[derive(Args, Debug)]
pub struct Options {
    /// What to do
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// What can be done with a trail.
#[derive(Subcommand, Debug)]
pub enum AuditCommand {
    /// Find lines that were removed, changed, inserted or moved
    #[command(
        after_help = "Exit code 1 says that the trail is broken.\n\nExample: livekit-keyd audit verify audit.jsonl.000000170311 audit.jsonl --head 5d41.."
    )]
    Verify {
        /// The trail's files, the oldest first
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A hash of the trail that was noted elsewhere, from the log or `status`: shows whether the end was cut
        #[arg(long, value_name = "HASH", value_parser = hash)]
        head: Option<Hash>,
    },
    /// Find the event that made a token, by the token's hash
    #[command(
        after_help = "Exit code 1 says that there is none.\n\nExample: pbpaste | livekit-keyd audit find - --in audit.jsonl"
    )]
    Find {
        /// A file with the token, or - for standard input
        token: PathBuf,
        /// The trail's files; left out, the one of the configuration
        #[arg(long = "in", value_name = "FILE", num_args = 1..)]
        files: Vec<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// A file cannot be read.
pub fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    match options.command {
        AuditCommand::Verify { files, head } => verify(context, &files, head),
        AuditCommand::Find { token, files } => find(context, &token, files),
    }
}

fn verify(context: &Context, files: &[PathBuf], head: Option<Hash>) -> Result<Exit, Failure> {
    let mut verifier = Verifier::new(head);
    let mut ended = true;
    for (number, path) in files.iter().enumerate() {
        verifier.next_file(number);
        each_line(path, |line| {
            ended = line.ends_with(b"\n");
            verifier.feed(line.strip_suffix(b"\n").unwrap_or(line));
        })?;
    }
    let report = verifier.finish(ended);
    let page = match context.globals.json {
        true => serde_json::to_string(&report).unwrap_or_default() + "\n",
        false => page(&report, files),
    };
    print(&page)?;
    Ok(if report.broken.is_empty() { Exit::Fine } else { Exit::Failed })
}

fn page(report: &Report, files: &[PathBuf]) -> String {
    let file = |number: usize| files.get(number).map(|path| path.display().to_string()).unwrap_or_default();
    let mut page = String::new();
    for finding in &report.broken {
        page.push_str(&format!("{}:{}: {}\n", file(finding.place.file), finding.place.line, finding.broken));
    }
    for torn in &report.torn {
        let why = match torn.owned {
            true => "a crash tore the line, and the trail goes on behind it",
            false => "the last line is torn: the daemon was killed, or is writing it",
        };
        page.push_str(&format!("{}:{}: {why}\n", file(torn.place.file), torn.place.line));
    }
    let word = if report.broken.is_empty() { "whole" } else { "BROKEN" };
    page.push_str(&match (report.first, report.last, report.head) {
        (Some(first), Some(last), Some(head)) => {
            format!("{word}: {} lines, number {first} to {last}, head {head}\n", report.lines)
        }
        _ => format!("{word}: no lines\n"),
    });
    page
}

fn find(context: &Context, token: &Path, files: Vec<PathBuf>) -> Result<Exit, Failure> {
    let mut text = String::new();
    let read = match token.to_str() {
        Some("-") => std::io::stdin().lock().take(LONGEST_TOKEN).read_to_string(&mut text),
        _ => File::open(token).and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::failed(format!("the token cannot be read: {error}")))?;
    let wanted = format!("\"livekit_keyd.token.sha256\":\"{}\"", Hash::of(text.trim().as_bytes()));
    let files = if files.is_empty() { configured(context)? } else { files };
    let mut found = Vec::new();
    for path in &files {
        each_line(path, |line| {
            // Within a text the quotes would be escaped.
            if line.windows(wanted.len()).any(|part| part == wanted.as_bytes()) {
                found.extend_from_slice(line);
            }
        })?;
    }
    if found.is_empty() {
        remark("no event of these files made this token, or was about it");
        return Ok(Exit::Failed);
    }
    print(&String::from_utf8_lossy(&found))?;
    Ok(Exit::Fine)
}

fn configured(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let missing = || Failure::misuse("name the trail's files with --in, or a configuration with --config");
    let path = context.globals.config.as_deref().ok_or_else(missing)?;
    let config = Config::load(path).map_err(|errors| Failure::misuse(errors.to_string()))?;
    match config.audit.map(|audit| audit.settings.target) {
        Some(crate::audit::Target::File { path, .. }) => Ok(vec![path]),
        _ => Err(missing()),
    }
}

fn each_line(path: &Path, mut with: impl FnMut(&[u8])) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("{} cannot be read: {error}", path.display()));
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        with(&line);
        line.clear();
    }
    Ok(())
}

/// # Errors
/// How a hash is written.
fn hash(text: &str) -> Result<Hash, String> {
    Hash::parse(text.as_bytes())
        .ok_or_else(|| "write a hash as 64 hexadecimal digits in lower case".to_owned())
}
