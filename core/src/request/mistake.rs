//! Finds out what is wrong with a body that could not be read.

use serde::de::DeserializeOwned;

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
    match unknown_field(&message) {
        Some((field, known)) => Problem::malformed(&with_field(&pointer, field), unknown(field, &known)),
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

/// serde says: unknown field `a`, expected one of `b`, `c`.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let (field, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    Some((field, rest.split('`').skip(1).step_by(2).collect()))
}

fn unknown(field: &str, known: &[&str]) -> String {
    if field == "canAdminParticipants" {
        return "LiveKit has no grant `canAdminParticipants`: a moderator gets `roomAdmin` for one `room`"
            .to_owned();
    }
    match nearest(field, known.iter().copied()) {
        Some(meant) => format!("there is no field `{field}`; did you mean `{meant}`?"),
        None => format!("there is no field `{field}`; there are: {}", known.join(", ")),
    }
}
