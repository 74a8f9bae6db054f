//! The end of a trail in a file: where the chain goes on, and what a crash left behind the last whole line.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use livekit_keyd_core::audit::{Chain, Hash, Link, Torn};

/// As far back as the last line is looked for, in bytes: many times the longest.
const FARTHEST: u64 = 1 << 20;

/// The end of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// Of the last whole line; `None` in an empty file.
    pub(super) chain: Option<Chain>,
    /// What lies behind it.
    pub(super) torn: Option<Torn>,
    /// Whether the next line must be preceded by a line break.
    pub(super) needs_break: bool,
}

/// Reads a file's end.
///
/// # Errors
/// As the operating system has it, or there is something else than a trail in the file.
pub(super) fn read(file: &File) -> io::Result<Tail> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(FARTHEST);
    let mut bytes = vec![0; usize::try_from(length - start).unwrap_or_default()];
    file.read_exact_at(&mut bytes, start)?;
    let needs_break = bytes.last().is_some_and(|last| *last != b'\n');
    let mut end = bytes.len();
    while end > 0 {
        let line_end = if bytes[end - 1] == b'\n' { end - 1 } else { end };
        let line_start = bytes[..line_end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if let Some(link) = Link::parse(&bytes[line_start..line_end]).filter(|link| link.intact) {
            let torn = bytes[end..].strip_suffix(b"\n").unwrap_or(&bytes[end..]);
            let torn = (!torn.is_empty()).then(|| Torn { bytes: torn.len() as u64, hash: Hash::of(torn) });
            return Ok(Tail { chain: Some(link.chain()), torn, needs_break });
        }
        end = line_start;
    }
    match length {
        0 => Ok(Tail { chain: None, torn: None, needs_break: false }),
        // The very first line may have been torn.
        _ if start == 0 && b"{\"event.sequence\":".starts_with(&bytes[..bytes.len().min(18)]) => {
            let torn = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
            let torn = Some(Torn { bytes: torn.len() as u64, hash: Hash::of(torn) });
            Ok(Tail { chain: None, torn, needs_break })
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its end holds no line of an audit trail")),
    }
}
