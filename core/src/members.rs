//! The members of a JSON object, written one by one.
//!
//! For what is written with each token. Names stand in the program and need no
//! escapes, and neither do times, hashes and tokens; serde looks for some in each of
//! their letters.

use serde::Serialize;

/// An object that is being written.
pub struct Members<'a> {
    out: &'a mut Vec<u8>,
    next: u8,
}

impl<'a> Members<'a> {
    /// Begins behind what is in `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> Members<'a> {
        Members { out, next: b'{' }
    }

    /// One with any value.
    pub fn put(&mut self, name: &'static str, value: impl Serialize) {
        self.name(name);
        // Only a writer or a map with other keys than text fails, and there is neither.
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    /// One with a value, if there is one.
    pub fn put_some(&mut self, name: &'static str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// One with a text of ASCII letters, digits and signs, of which none is a quote or a backslash.
    pub fn put_plain(&mut self, name: &'static str, text: &[u8]) {
        debug_assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte) && !b"\"\\".contains(byte)));
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(text);
        self.out.push(b'"');
    }

    /// Ends it.
    pub fn end(self) {
        if self.next == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn name(&mut self, name: &'static str) {
        self.out.push(std::mem::replace(&mut self.next, b','));
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_what_serde_reads() {
        let mut out = b"x".to_vec();
        let mut members = Members::begin(&mut out);
        members.put("text", "a \"b\" \\ \n");
        members.put_some("none", None::<u8>);
        members.put_plain("plain", b"A-z_0.9");
        members.put_some("some", Some(7));
        members.end();
        let read: serde_json::Value = serde_json::from_slice(&out[1..]).expect("JSON");
        assert_eq!(read, serde_json::json!({"text": "a \"b\" \\ \n", "plain": "A-z_0.9", "some": 7}));
        out.clear();
        Members::begin(&mut out).end();
        assert_eq!(out, b"{}");
    }
}
