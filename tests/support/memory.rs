//! What lies in the memory of another process, which only root may read: the daemon keeps it from everybody else.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// The most that is looked at in one piece.
const PIECE: u64 = 1 << 20;

/// How often a text lies in what a process may write to.
pub(crate) fn copies(process: u32, secret: &str) -> usize {
    let process = format!("/proc/{process}");
    let memory = File::open(format!("{process}/mem")).expect("root may read the memory of others");
    let maps = fs::read_to_string(format!("{process}/maps")).expect("its regions");
    let regions = maps.lines().filter_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).expect("an address");
        rest.starts_with("rw").then(|| (number(start), number(end)))
    });
    let mut found = 0;
    for (start, end) in regions {
        let mut piece = start;
        while piece < end {
            // A secret may lie across the border of two.
            let mut bytes = vec![0; usize::try_from((end - piece).min(PIECE + 64)).expect("a size")];
            // A region may be gone since the list was read.
            if memory.read_exact_at(&mut bytes, piece).is_ok() {
                found += String::from_utf8_lossy(&bytes).matches(secret).count();
            }
            piece += PIECE;
        }
    }
    found
}
