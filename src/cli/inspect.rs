//! `inspect`: what a token says, whose it is, and every reason why LiveKit would refuse it.
//!
//! Only a signer knows the keys: it is asked where it can be reached. Otherwise the
//! token is judged by its text and the clock, by the same rules, and the answer
//! says that nobody checked the signature.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use livekit_keyd_core::time::Time;
use livekit_keyd_core::verify::{Signature, Unverified};
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
    pub claims: Option<Map<String, Value>>,
    /// Why LiveKit would refuse it.
    pub refusals: Vec<String>,
    /// Whose word that is.
    pub signer: Signer,
}

/// What the signer said of the key, if it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// It answered.
    Asked {
        /// The key and its phase, if the signature is by a key that it knows.
        key: Option<(String, String)>,
    },
    /// It could not be asked: nobody checked the signature.
    NotAsked {
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
    #[serde(default)]
    reasons: Vec<String>,
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
    let client = context.client(SocketKind::Signing, false)?;
    let mut refused = false;
    for token in tokens {
        let verified = ask(&client, token).await;
        let now = clock::now();
        let inspected = Inspected::new(token, verified, now);
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

/// What the signer says, or why it says nothing.
async fn ask(client: &Client, token: &str) -> Result<Verified, String> {
    let answer = client.post("/v1/tokens/verify", &json!({ "token": token })).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if !answer.is_success() {
        return Err(answer.problem());
    }
    answer.json().map_err(|error| error.to_string())
}

impl Inspected {
    fn new(token: &str, verified: Result<Verified, String>, now: Time) -> Inspected {
        let unverified = Unverified::parse(token);
        let (refusals, signer) = match verified {
            Ok(verified) => {
                let refusals = match (verified.active, verified.reasons.is_empty()) {
                    (true, _) => Vec::new(),
                    (false, false) => verified.reasons,
                    (false, true) => {
                        vec![verified.reason.unwrap_or_else(|| "the signer refuses it".to_owned())]
                    }
                };
                (refusals, Signer::Asked { key: verified.key_id.zip(verified.phase) })
            }
            Err(why) => {
                let reasons = match &unverified {
                    Ok(token) => token.reasons(Signature::Unchecked, now),
                    Err(reason) => vec![reason.clone()],
                };
                (reasons.iter().map(ToString::to_string).collect(), Signer::NotAsked { why })
            }
        };
        Inspected { claims: unverified.ok().map(|token| token.claims), refusals, signer }
    }

    /// Whether LiveKit would say no.
    fn is_refused(&self) -> bool {
        !self.refusals.is_empty()
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.claim(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn expires_at(&self) -> Option<Time> {
        let seconds = self.claim("exp")?.as_f64()?;
        Some(Time::from_millis((seconds * 1000.0) as i64))
    }

    fn to_json(&self, now: Time) -> Value {
        let (signature, key, why) = match &self.signer {
            Signer::Asked { key: Some(key) } => ("good", Some(key), None),
            Signer::Asked { key: None } => ("bad", None, None),
            Signer::NotAsked { why } => ("unchecked", None, Some(why)),
        };
        json!({
            "refused": self.is_refused(),
            "reasons": self.refusals,
            "claims": self.claims,
            "signature": signature,
            "unchecked_because": why,
            "key_id": key.map(|(id, _)| id.as_str()).or_else(|| self.text("iss")),
            "phase": key.map(|(_, phase)| phase),
            "expires_in": self.expires_at().map(|at| at.since(now).as_secs()),
        })
    }
}

/// A token in a few lines, the first of which says it all: key, phase, what is left, whose.
fn block(token: &Inspected, now: Time, screen: &Screen) -> String {
    let mut head = match &token.signer {
        Signer::Asked { key: Some((id, phase)) } => format!("{} {phase}", screen.paint(Hue::Bold, id)),
        _ => screen.paint(Hue::Bold, &token.text("iss").map_or_else(|| "no key id".to_owned(), plain)),
    };
    head.push_str(&match token.expires_at() {
        Some(at) if at > now => format!(", {} left", span(at.since(now))),
        Some(at) => format!(", expired {} ago", span(now.since(at))),
        None => ", without an end".to_owned(),
    });
    let verdict = match (&token.signer, token.is_refused()) {
        (_, true) => screen.paint(Hue::Bad, "refused"),
        (Signer::Asked { .. }, false) => screen.paint(Hue::Good, "good"),
        (Signer::NotAsked { .. }, false) => screen.paint(Hue::Warn, "good, if its signature is"),
    };
    let mut text = format!("{head}: {verdict}\n");
    for reason in &token.refusals {
        text.push_str(&screen.wrap(2, &plain(&format!("- {reason}"))));
    }
    if let Some(claims) = &token.claims {
        text.push_str(&described(token, claims));
    }
    if let Signer::NotAsked { why } = &token.signer {
        text.push_str(
            &screen.paint(Hue::Dim, &screen.wrap(2, &format!("the signature was not checked: {why}"))),
        );
    }
    text
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
    use std::time::Duration;

    use super::*;

    fn now() -> Time {
        "2026-11-24T12:00:00Z".parse().expect("a time")
    }

    fn inspected(refusals: &[&str], signer: Signer) -> Inspected {
        let claims = json!({
            "iss": "APIx", "sub": "alice", "nbf": now().as_secs(), "exp": now().as_secs() + 90, "name": "Alice",
            "video": {"roomJoin": true, "room": "demo", "canPublish": false},
        });
        let refusals = refusals.iter().map(ToString::to_string).collect();
        Inspected { claims: claims.as_object().cloned(), refusals, signer }
    }

    fn known() -> Signer {
        Signer::Asked { key: Some(("APIx".to_owned(), "active".to_owned())) }
    }

    #[test]
    fn the_first_line_tells_key_phase_what_is_left_and_the_verdict() {
        let told = block(&inspected(&[], known()), now(), &Screen::PLAIN);
        assert!(told.starts_with("APIx active, 1 min 30 s left: good\n  alice in room demo\n"), "{told}");
        assert!(told.contains("  video       canPublish=false room=demo roomJoin\n"), "{told}");
        assert!(told.contains("  name        Alice\n") && !told.contains("exp"), "{told}");
    }

    #[test]
    fn each_reason_is_told_and_refuses() {
        let token = inspected(&["it has expired", "it names no room"], known());
        let told = block(&token, now() + Duration::from_secs(100), &Screen::PLAIN);
        let expected = "APIx active, expired 10 s ago: refused\n  - it has expired\n  - it names no room\n";
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(token.to_json(now())["reasons"], json!(["it has expired", "it names no room"]));
    }

    #[test]
    fn without_a_signer_the_text_is_judged_and_that_is_said() {
        let token = Inspected::new("hunter2", Err("no daemon".to_owned()), now());
        let told = block(&token, now(), &Screen::PLAIN);
        assert!(token.is_refused() && told.contains("no JWT") && !told.contains("hunter2"), "{told}");
        let token = inspected(&[], Signer::NotAsked { why: "no daemon".to_owned() });
        let told = block(&token, now(), &Screen::PLAIN);
        assert!(told.contains("good, if its signature is"), "{told}");
        assert!(told.ends_with("  the signature was not checked: no daemon\n"), "{told}");
        assert_eq!(token.to_json(now())["signature"], "unchecked");
    }

    #[test]
    fn the_signer_s_word_counts_where_it_is_heard() {
        let verified = |text: &str| serde_json::from_str::<Verified>(text).map_err(|error| error.to_string());
        let refused = verified(
            r#"{"active":false,"reason":"retired-key","reasons":["its key was retired"],"key_id":"APIx","phase":"retired"}"#,
        );
        let token = Inspected::new("x", refused, now());
        assert_eq!(token.refusals, ["its key was retired"]);
        assert!(block(&token, now(), &Screen::PLAIN).starts_with("APIx retired, "));
        let forged = Inspected::new("x", verified(r#"{"active":false,"reason":"wrong-signature"}"#), now());
        assert_eq!((forged.refusals.len(), forged.to_json(now())["signature"].clone()), (1, json!("bad")));
    }

    #[test]
    fn claims_cannot_steer_the_terminal() {
        let claims = json!({"iss": "\u{1b}[2J", "sub": "\u{9b}31m\u{202e}", "metadata": "a\nb", "video": {"\u{7}": 1}});
        let signer = Signer::NotAsked { why: String::new() };
        let token = Inspected {
            claims: claims.as_object().cloned(),
            refusals: vec!["`\u{1b}` is there twice".to_owned()],
            signer,
        };
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
