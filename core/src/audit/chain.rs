//! Lines and their links.

use std::fmt;
use std::io::Write;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

const SEQ: &[u8] = b"{\"event.sequence\":";
const PREVIOUS: &[u8] = b",\"livekit_keyd.audit.previous\":\"";
const OWN: &[u8] = b",\"event.hash\":\"";
const END: &[u8] = b"\"}";
/// What only the writer of a trail writes: within a text, the quotes would be escaped.
const RESUMED: &[u8] = b"\"event.action\":\"trail-resume\"";

/// A SHA-256, written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Of some bytes.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }

    /// As it is written: 64 hexadecimal digits.
    pub fn parse(text: &[u8]) -> Option<Hash> {
        let digits: &[u8; 64] = text.try_into().ok()?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Hash(hash))
    }

    pub(super) fn hex(self) -> [u8; 64] {
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        text
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

/// A SHA-256 of what comes bit by bit.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes some more.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of everything taken.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// The last line of a trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chain {
    /// Its number; 0 before the first.
    pub seq: u64,
    /// Its hash; zeros before the first.
    pub hash: Hash,
}

impl Chain {
    /// Makes an event, a JSON object, the next line and writes it with its line break behind what is in `out`.
    pub fn seal(&mut self, event: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(SEQ);
        // A vector takes whatever is written to it.
        let _ = write!(out, "{}", self.seq + 1);
        out.extend_from_slice(PREVIOUS);
        out.extend_from_slice(&self.hash.hex());
        out.extend_from_slice(b"\",");
        out.extend_from_slice(event.get(1..).unwrap_or_default());
        let hash = Hash::of(&out[start..]);
        out.truncate(out.len() - 1);
        out.extend_from_slice(OWN);
        out.extend_from_slice(&hash.hex());
        out.extend_from_slice(b"\"}\n");
        *self = Chain { seq: self.seq + 1, hash };
    }
}

/// What a line was written after, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub seq: u64,
    /// The hash of the line before, as it says.
    pub previous: Hash,
    /// Its own hash, as it says.
    pub hash: Hash,
    /// Whether that is its hash.
    pub intact: bool,
}

/// Bytes that a crash left behind the last whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// How many.
    pub bytes: u64,
    /// Their hash.
    pub hash: Hash,
}

#[derive(Deserialize)]
struct TornFields {
    #[serde(rename = "livekit_keyd.audit.torn.bytes")]
    bytes: u64,
    #[serde(rename = "livekit_keyd.audit.torn.sha256")]
    hash: String,
}

impl Link {
    /// Of a line without its line break; `None` if it was not written as a line of a trail is.
    pub fn parse(line: &[u8]) -> Option<Link> {
        let rest = line.strip_prefix(SEQ)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let seq = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let previous = Hash::parse(rest[digits..].strip_prefix(PREVIOUS)?.get(..64)?)?;
        let end = line.len().checked_sub(OWN.len() + 64 + END.len())?;
        let own = line[end..].strip_prefix(OWN)?.strip_suffix(END)?;
        let mut hasher = Hasher::default();
        hasher.add(&line[..end]);
        hasher.add(b"}");
        let hash = Hash::parse(own)?;
        Some(Link { seq, previous, hash, intact: hasher.finish() == hash })
    }

    /// The chain of which this is the last line.
    pub fn chain(&self) -> Chain {
        Chain { seq: self.seq, hash: self.hash }
    }
}

impl Torn {
    /// What an intact line answers for.
    pub fn of(line: &[u8]) -> Option<Torn> {
        line.windows(RESUMED.len()).find(|part| *part == RESUMED)?;
        let fields: TornFields = serde_json::from_slice(line).ok()?;
        Some(Torn { bytes: fields.bytes, hash: Hash::parse(fields.hash.as_bytes())? })
    }
}
