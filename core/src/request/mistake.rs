//! Finds out what is wrong with a body that could not be read.

use serde::de::DeserializeOwned;

use crate::grants::GrantPattern;
use crate::nearest::nearest;
use crate::object::Object;
use crate::problem::Problem;

/// The mistake in a body that is no `T`.
pub(super) fn find<T: DeserializeOwned>(body: &[u8]) -> Problem {
    if body.trim_ascii().is_empty() {
        return Problem::malformed(
            "",
            "the body is empty; send a JSON object like {\"identity\": \"alice\", \"room\": \"demo\"}",
        );
    }
    let Err(error) = std::str::from_utf8(body) else { return in_text::<T>(body) };
    Problem::malformed("", format!("the body is no UTF-8 text (byte {})", error.valid_up_to()))
}

fn in_text<T: DeserializeOwned>(body: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let Err(error) = serde_path_to_error::deserialize::<_, Object<T>>(&mut deserializer) else {
        return Problem::malformed("", "something follows the JSON object; send one object");
    };
    let pointer = pointer(error.path());
    let inner = error.inner();
    if inner.is_syntax() || inner.is_eof() {
        let detail = format!("the body is no JSON: {}", plain(&inner.to_string()));
        return Problem::malformed(
            "",
            format!("{detail} (line {}, column {})", inner.line(), inner.column()),
        );
    }
    let message = plain(&inner.to_string());
    // serde says: duplicate field `a`.
    if let Some((field, _)) = message.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`'))
    {
        let detail = format!("`{field}` is there twice: send it once");
        return Problem::malformed(&with_field(&pointer, field), detail);
    }
    if let Some((field, known)) = one_of(&message, "unknown field `") {
        return Problem::malformed(&with_field(&pointer, field), unknown(field, &known));
    }
    match one_of(&message, "unknown variant `") {
        Some((word, known)) => Problem::malformed(&pointer, unknown_word(word, &known)),
        None => Problem::malformed(&pointer, message),
    }
}

/// Without the place, which the pointer says better.
fn plain(message: &str) -> String {
    message.split(" at line ").next().unwrap_or(message).to_owned()
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let parts = path.iter().map(|segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    });
    parts.collect()
}

fn with_field(pointer: &str, field: &str) -> String {
    let last = format!("/{}", field.replace('~', "~0").replace('/', "~1"));
    if pointer.ends_with(&last) { pointer.to_owned() } else { format!("{pointer}{last}") }
}

/// serde says: unknown field `a`, expected one of `b`, `c`. The same of variants.
fn one_of<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    // The word is a stranger's, and may hold what serde writes behind it: the last such place is serde's.
    let (word, rest) = message.strip_prefix(start)?.rsplit_once("`, expected ")?;
    Some((word, rest.split('`').skip(1).step_by(2).collect()))
}

fn unknown(field: &str, known: &[&str]) -> String {
    if field == "canAdminParticipants" {
        return "LiveKit has no grant `canAdminParticipants`: a moderator gets `roomAdmin` for one `room`"
            .to_owned();
    }
    if let Some(group) = group_of(field).filter(|_| known.contains(&"grants")) {
        return format!("there is no field `{field}` here: it is a grant, so put it into `grants.{group}`");
    }
    match nearest(field, known.iter().copied()) {
        Some(meant) => format!("there is no field `{field}`; did you mean `{meant}`?"),
        None => format!("there is no field `{field}`; there are: {}", known.join(", ")),
    }
}

/// The group that has a flag of this name; the first, should several have.
fn group_of(flag: &str) -> Option<String> {
    let known = GrantPattern::known();
    let mut named = known.iter().filter_map(|name| name.split_once('.'));
    named.find(|(group, name)| *group != "kind" && *name == flag).map(|(group, _)| group.to_owned())
}

fn unknown_word(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(meant) => format!("there is no `{word}`; did you mean `{meant}`?"),
        None => format!("there is no `{word}`; there are: {}", known.join(", ")),
    }
}
