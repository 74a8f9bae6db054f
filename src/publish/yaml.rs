//! LiveKit's key file: a YAML map from id to secret, and a first line that says where it came from.

use std::collections::BTreeSet;

use livekit_keyd_core::key::KeyId;
use livekit_keyd_core::plan::{Publication, Vector};
use livekit_keyd_core::secret::Secret;
use livekit_keyd_core::time::Time;
use saphyr_parser::{Event, Parser};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const MARK: &str = "# livekit-keyd ";

/// What the first line says.
#[derive(Serialize, Deserialize)]
struct Origin {
    documents: Vector,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed_at: Option<Time>,
}

/// The file's text. Every id and secret is quoted, since `123` and `yes` are no strings to YAML.
pub(super) fn write(publication: &Publication) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    if publication.changed_at.is_some() || !publication.vector.0.is_empty() {
        let origin = Origin { documents: publication.vector.clone(), changed_at: publication.changed_at };
        text.push_str(MARK);
        text.push_str(&serde_json::to_string(&origin).unwrap_or_default());
        text.push_str("\n# Written by livekit-keyd; LiveKit reads it at its start only. Changes made here are undone.\n");
    }
    text.push_str(&keys(publication));
    text
}

/// The same without a word of where it came from.
pub(super) fn keys(publication: &Publication) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    for (id, secret) in &publication.keys {
        text.push_str(&quoted(id.as_str()));
        text.push_str(": ");
        text.push_str(&quoted(secret.expose()));
        text.push('\n');
    }
    text
}

/// JSON's strings are YAML's double-quoted scalars.
fn quoted(text: &str) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(text).unwrap_or_default())
}

/// Reads what we or others wrote.
///
/// Plain scalars count as they are written, so an unquoted number keeps its digits.
///
/// # Errors
/// Where the text is no such map: a part of a sentence, without any content of the file.
pub(super) fn read(text: &str) -> Result<Publication, String> {
    let origin = text.lines().next().and_then(|line| line.strip_prefix(MARK));
    let origin = origin.and_then(|json| serde_json::from_str::<Origin>(json).ok());
    let (vector, changed_at) = match origin {
        Some(origin) => (origin.documents, origin.changed_at),
        None => (Vector::default(), None),
    };
    Ok(Publication { keys: pairs(text)?, vector, changed_at })
}

fn pairs(text: &str) -> Result<Vec<(KeyId, Secret)>, String> {
    let (mut keys, mut ids) = (Vec::new(), BTreeSet::new());
    let mut depth = 0usize;
    let mut pending: Option<KeyId> = None;
    for event in Parser::new_from_str(text) {
        // The parser's own words may quote the file.
        let (event, span) = event.map_err(|error| format!("line {} is no YAML", error.marker().line()))?;
        let line = span.start.line();
        match event {
            Event::MappingStart(..) if depth == 0 && pending.is_none() => depth = 1,
            Event::MappingEnd => depth = 0,
            Event::Scalar(value, ..) if depth == 1 => match pending.take() {
                None => {
                    let id = KeyId::new(value.into_owned());
                    if !ids.insert(id.clone()) {
                        return Err(format!("line {line} has the id {id} a second time"));
                    }
                    pending = Some(id);
                }
                Some(id) => keys.push((id, Secret::new(value.into_owned()))),
            },
            Event::Scalar(value, ..) if value.is_empty() => {}
            Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                return Err(format!("line {line} is not of the form `id: secret`"));
            }
            _ => {}
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn publication(keys: &[(&str, &str)]) -> Publication {
        let keys = keys.iter().map(|(id, secret)| (KeyId::new(*id), Secret::new((*secret).into())));
        Publication {
            keys: keys.collect(),
            vector: serde_json::from_str(r#"{"default":["lin",7]}"#).expect("a vector"),
            changed_at: Some(Time::from_millis(1_800_000_000_000)),
        }
    }

    #[test]
    fn order_and_origin_survive() {
        let written = publication(&[("APIz", "one"), ("APIa", "yes"), ("123", "0456")]);
        assert_eq!(read(&write(&written)).expect("readable"), written);
    }

    #[test]
    fn files_of_others_are_read_as_livekit_reads_them() {
        let read = read("---\nAPIa: secret # mine\n'APIb': \"two\"\n123: 0456\n").expect("readable");
        let pairs: Vec<_> = read.keys.iter().map(|(id, secret)| (id.as_str(), secret.expose())).collect();
        assert_eq!(pairs, [("APIa", "secret"), ("APIb", "two"), ("123", "0456")]);
        assert_eq!(read.changed_at, None);
        for empty in ["", "# nothing\n", "{}\n"] {
            assert!(super::read(empty).expect("readable").keys.is_empty(), "{empty:?}");
        }
    }

    #[test]
    fn other_yaml_is_refused_by_line_and_without_its_content() {
        let cases = [
            ("APIa: [hunter2]\n", "line 1 is not of the form `id: secret`"),
            ("- hunter2\n", "line 1 is not of the form `id: secret`"),
            ("APIa: a\nAPIa: b\n", "line 2 has the id APIa a second time"),
            ("APIa: {b: hunter2}\n", "line 1 is not of the form `id: secret`"),
            ("hunter2\n", "line 1 is not of the form `id: secret`"),
            ("a: b\n\t- : hunter2: }{\n", "line"),
        ];
        for (text, expected) in cases {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected) && !error.contains("hunter2"), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_texts_are(keys in prop::collection::btree_map("[^\u{0}]{1,20}", "[ -~]{1,40}", 0..5)) {
            let keys: Vec<_> = keys.iter().map(|(id, secret)| (id.as_str(), secret.as_str())).collect();
            let written = publication(&keys);
            prop_assert_eq!(read(&write(&written)).expect("readable"), written);
        }
    }
}
