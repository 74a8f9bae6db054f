//! `inspect`: what a token says, whose it is, and every reason why LiveKit would refuse it.
//!
//! Whether LiveKit takes a token is judged here, from its text and the clock. Only
//! a signer knows the key: it is asked where it can be reached, and otherwise the
//! answer says that nobody checked the signature.

mod text;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use livekit_keyd_core::time::Time;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::moment::span;
use super::screen::{Hue, Screen, print};
use crate::client::{Client, SocketKind};
use crate::clock;

/// The longest input that is read, in bytes.
const LONGEST_INPUT: u64 = 64 << 20;

/// What `inspect` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit code 1 says that a token would be refused. Key and phase come from the signing socket; without one only the text is judged, and the answer says so.\n\nExample: livekit-keyd token --room demo --identity alice | livekit-keyd inspect -"
)]
pub struct Options {
    /// A file with a token a line, or - for standard input
    #[arg(default_value = "-")]
    pub file: PathBuf,
}

/// A token, looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// Its payload, if it could be read.
    pub claims: Option<Value>,
    /// Why LiveKit would refuse it, as far as its text and the clock tell.
    pub refusals: Vec<String>,
    /// What the signer says.
    pub signature: Signature,
}

/// Whether the signature was checked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// By a key of the caller's keyset.
    Good {
        /// The key.
        key_id: String,
        /// Its phase.
        phase: String,
    },
    /// The signer does not believe it.
    Bad {
        /// Its sentence.
        reason: String,
    },
    /// Nobody was there to check it.
    Unchecked {
        /// Why.
        why: String,
    },
}

/// `POST /v1/tokens/verify`.
#[derive(Deserialize)]
struct Verified {
    active: bool,
    #[serde(default)]
    key_id: Option<String>,
    #[serde(default)]
    phase: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What could not be read.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let text = read(&options.file)?;
    let tokens: Vec<&str> = text.lines().map(bare).filter(|line| !line.is_empty()).collect();
    if tokens.is_empty() {
        return Err(Failure::failed("there is no token in the input; give one a line"));
    }
    let client = context.client(SocketKind::Signing, false);
    let mut refused = false;
    for token in tokens {
        let signature = ask(&client, token).await;
        let now = clock::now();
        let (claims, refusals) = text::judge(token, now);
        let inspected = Inspected { claims, refusals, signature };
        refused |= inspected.is_refused();
        if context.globals.json {
            print(&format!("{}\n", inspected.to_json(now)))?;
        } else {
            print(&block(&inspected, now, &context.screen))?;
        }
    }
    Ok(if refused { Exit::Failed } else { Exit::Fine })
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed =
        |what: &str, error: std::io::Error| Failure::failed(format!("{what} cannot be read: {error}"));
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LONGEST_INPUT)
            .read_to_string(&mut text)
            .map_err(|error| failed("standard input", error))?;
    } else {
        let opened = std::fs::File::open(file).map_err(|error| failed(&file.display().to_string(), error))?;
        opened
            .take(LONGEST_INPUT)
            .read_to_string(&mut text)
            .map_err(|error| failed(&file.display().to_string(), error))?;
    }
    Ok(text)
}

/// A line without what is often copied along.
fn bare(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix("Bearer ").unwrap_or(line).trim_matches(['"', ' '])
}

async fn ask(client: &Client, token: &str) -> Signature {
    let answer = match client.post("/v1/tokens/verify", &json!({ "token": token })).await {
        Ok(answer) if answer.is_success() => answer,
        Ok(answer) => return Signature::Unchecked { why: answer.problem() },
        Err(error) => return Signature::Unchecked { why: error.to_string() },
    };
    match answer.json::<Verified>() {
        Ok(Verified { active: true, key_id, phase, .. }) => {
            Signature::Good { key_id: key_id.unwrap_or_default(), phase: phase.unwrap_or_default() }
        }
        Ok(Verified { reason, .. }) => {
            Signature::Bad { reason: reason.unwrap_or_else(|| "the signer does not believe it".to_owned()) }
        }
        Err(error) => Signature::Unchecked { why: error.to_string() },
    }
}

impl Inspected {
    /// Whether LiveKit, or the signer, would say no.
    fn is_refused(&self) -> bool {
        !self.refusals.is_empty() || matches!(self.signature, Signature::Bad { .. })
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claim(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn expires_at(&self) -> Option<Time> {
        text::moment(self.claims.as_ref()?, "exp")
    }

    /// Reasons of both judges, each once.
    fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = self.refusals.iter().map(String::as_str).collect();
        if let Signature::Bad { reason } = &self.signature
            && !reasons.contains(&reason.as_str())
        {
            reasons.push(reason);
        }
        reasons
    }

    fn to_json(&self, now: Time) -> Value {
        let (signature, key_id, phase, note) = match &self.signature {
            Signature::Good { key_id, phase } => ("good", Some(key_id), Some(phase), None),
            Signature::Bad { reason } => ("bad", None, None, Some(reason)),
            Signature::Unchecked { why } => ("unchecked", None, None, Some(why)),
        };
        let left = self.expires_at().map(|at| at.since(now).as_secs());
        json!({
            "refused": self.is_refused(),
            "refusals": self.reasons(),
            "claims": self.claims,
            "signature": signature,
            "signature_note": note,
            "key_id": key_id.map(String::as_str).or_else(|| self.text("iss")),
            "phase": phase,
            "expires_in": left,
        })
    }
}

/// A token in a few lines, the first of which says it all: key, phase, what is left, whose.
fn block(token: &Inspected, now: Time, screen: &Screen) -> String {
    let mut head = match &token.signature {
        Signature::Good { key_id, phase } => format!("{} {phase}", screen.paint(Hue::Bold, key_id)),
        _ => screen.paint(Hue::Bold, &token.text("iss").map_or_else(|| "no key id".to_owned(), plain)),
    };
    head.push_str(&match token.expires_at() {
        Some(at) if at > now => format!(", {} left", left(at.since(now))),
        Some(at) => format!(", expired {} ago", left(now.since(at))),
        None => ", without an end".to_owned(),
    });
    let verdict = match (&token.signature, token.is_refused()) {
        (_, true) => screen.paint(Hue::Bad, "refused"),
        (Signature::Good { .. }, false) => screen.paint(Hue::Good, "good"),
        _ => screen.paint(Hue::Warn, "good, if its signature is"),
    };
    let mut text = format!("{head}: {verdict}\n");
    for reason in token.reasons() {
        text.push_str(&screen.wrap(2, &format!("- {reason}")));
    }
    if let Some(Value::Object(claims)) = &token.claims {
        text.push_str(&described(token, claims));
    }
    if let Signature::Unchecked { why } = &token.signature {
        text.push_str(
            &screen.paint(Hue::Dim, &screen.wrap(2, &format!("the signature was not checked: {why}"))),
        );
    }
    text
}

/// To the second, as one looks at it while it runs down.
fn left(length: Duration) -> String {
    span(Duration::from_secs(length.as_secs()))
}

/// The claims but those that the first line has told.
fn described(token: &Inspected, claims: &Map<String, Value>) -> String {
    const TOLD: [&str; 5] = ["iss", "sub", "exp", "nbf", "iat"];
    let room = token.claim("video").and_then(|video| video.get("room")).and_then(Value::as_str);
    let mut who = token.text("sub").map_or_else(|| "nobody".to_owned(), plain);
    if let Some(room) = room {
        who.push_str(&format!(" in room {}", plain(room)));
    }
    let mut text = format!("  {who}\n");
    for (name, value) in claims.iter().filter(|(name, _)| !TOLD.contains(&name.as_str())) {
        text.push_str(&format!("  {:<11} {}\n", plain(name), value_in_words(value)));
    }
    text
}

/// Claims come from strangers: what could steer a terminal is shown by its number.
fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// `roomJoin canPublish=false`: a grant that is given needs no more than its name.
fn value_in_words(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Object(fields) if !fields.is_empty() => {
            let field = |(name, value): (&String, &Value)| match value {
                Value::Bool(true) => plain(name),
                Value::String(text) => format!("{}={}", plain(name), plain(text)),
                other => format!("{}={}", plain(name), plain(&other.to_string())),
            };
            fields.iter().map(field).collect::<Vec<_>>().join(" ")
        }
        other => plain(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn inspected(signature: Signature) -> Inspected {
        let claims = json!({
            "iss": "APIx", "sub": "alice", "nbf": now().as_secs(), "exp": now().as_secs() + 90, "name": "Alice",
            "video": {"roomJoin": true, "room": "demo", "canPublish": false},
        });
        Inspected { claims: Some(claims), refusals: Vec::new(), signature }
    }

    fn good() -> Signature {
        Signature::Good { key_id: "APIx".to_owned(), phase: "active".to_owned() }
    }

    #[test]
    fn the_first_line_tells_key_phase_what_is_left_and_the_verdict() {
        let told = block(&inspected(good()), now(), &Screen::PLAIN);
        assert!(told.starts_with("APIx active, 1 min 30 s left: good\n  alice in room demo\n"), "{told}");
        assert!(told.contains("  video       canPublish=false room=demo roomJoin\n"), "{told}");
        assert!(told.contains("  name        Alice\n") && !told.contains("exp"), "{told}");
    }

    #[test]
    fn each_reason_is_told_once_and_refuses() {
        let expired = "it has expired".to_owned();
        let mut token = inspected(Signature::Bad { reason: expired.clone() });
        token.refusals = vec![expired, "it names no room".to_owned()];
        let told = block(&token, now() + Duration::from_secs(100), &Screen::PLAIN);
        assert!(
            told.starts_with("APIx, expired 10 s ago: refused\n  - it has expired\n  - it names no room\n"),
            "{told}"
        );
        assert!(token.is_refused());
        assert_eq!(token.to_json(now())["refusals"], json!(["it has expired", "it names no room"]));
    }

    #[test]
    fn a_signature_that_nobody_checked_is_called_so() {
        let token = inspected(Signature::Unchecked { why: "no daemon".to_owned() });
        let told = block(&token, now(), &Screen::PLAIN);
        assert!(told.contains("good, if its signature is"), "{told}");
        assert!(told.ends_with("  the signature was not checked: no daemon\n"), "{told}");
        assert!(!token.is_refused());
        assert_eq!(token.to_json(now())["signature"], "unchecked");
    }

    #[test]
    fn claims_cannot_steer_the_terminal() {
        let mut token = inspected(good());
        token.claims = Some(
            json!({"iss": "\u{1b}[2J", "sub": "\u{9b}31m\u{202e}", "metadata": "a\nb", "video": {"\u{7}": 1}}),
        );
        token.signature = Signature::Unchecked { why: String::new() };
        let told = block(&token, now(), &Screen::PLAIN);
        assert!(told.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')), "{told:?}");
        assert!(told.contains("without an end"), "{told}");
    }

    #[test]
    fn what_is_copied_along_with_a_token_is_left_out() {
        for line in ["eyJ.a.b", " eyJ.a.b\r", "Bearer eyJ.a.b", "\"eyJ.a.b\""] {
            assert_eq!(bare(line), "eyJ.a.b");
        }
    }
}
