//! `status`: what is, and what to do about it, on one page.

mod matrix;

use clap::Args;
use livekit_keyd_core::phase::Phase;
use livekit_keyd_core::time::Time;

use super::context::{Context, json_line};
use super::exit::{Exit, Failure};
use super::moment::{both, relative, span};
use super::screen::{Hue, Screen, print, print_bytes};
use crate::api::report::{
    Condition, KeyStatus, KeysetStatus, PublicationStatus, SourceStatus, Status, StoreStatus,
};
use crate::{clock, runbook};

/// What `status` can be told.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit code 3 says that something needs a look: a condition is degraded, or no token can be signed."
)]
pub struct Options {
    /// Show this keyset only
    pub keyset: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// Why the daemon does not tell.
pub async fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let (answer, mut status) = context.status().await?;
    if let Some(name) = &options.keyset {
        only(&mut status, name)?;
    }
    if context.globals.json {
        print_bytes(&json_line(&answer))?;
    } else {
        print(&page(&status, clock::now(), &context.screen))?;
    }
    Ok(if is_degraded(&status) { Exit::Degraded } else { Exit::Fine })
}

/// Leaves one keyset in a status.
///
/// # Errors
/// That there is none of this name, and which there are.
pub fn only(status: &mut Status, name: &str) -> Result<(), Failure> {
    let known: Vec<String> = status.keysets.iter().map(|keyset| format!("`{}`", keyset.name)).collect();
    status.keysets.retain(|keyset| keyset.name == name);
    if status.keysets.is_empty() {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Failure::failed(format!(
            "the daemon has no keyset `{name}`; its configuration has {known}"
        )));
    }
    Ok(())
}

/// Whether something needs a look.
pub fn is_degraded(status: &Status) -> bool {
    let signs = status.role != "rotator";
    status.conditions.iter().any(|condition| condition.degraded)
        || status.keysets.iter().any(|keyset| {
            (signs && keyset.unusable.is_some())
                || keyset.conditions.iter().any(|condition| condition.degraded)
        })
}

/// The page.
pub fn page(status: &Status, now: Time, screen: &Screen) -> String {
    let verdict = if is_degraded(status) {
        screen.paint(Hue::Bad, "something needs a look")
    } else {
        screen.paint(Hue::Good, "all is well")
    };
    let mut text = format!("livekit-keyd {}, role {}: {verdict}\n", status.version, status.role);
    text.push_str(&line("store", &store(&status.store, now, screen)));
    for publication in &status.publications {
        text.push_str(&line("publication", &self::publication(publication, now, screen)));
    }
    text.push_str(&conditions(&status.conditions, now, screen));
    text.push_str(&matrix::matrix(status, now, screen));
    if status.keysets.is_empty() {
        text.push_str("\nNo keyset is configured.\n");
    }
    for keyset in &status.keysets {
        text.push('\n');
        text.push_str(&self::keyset(keyset, now, screen));
    }
    text
}

fn line(label: &str, value: &str) -> String {
    format!("  {label:<13}{value}\n")
}

fn store(store: &StoreStatus, now: Time, screen: &Screen) -> String {
    let last = match store.last_success {
        Some(at) => format!("last answered {}", relative(at, now)),
        None => "has not answered since this process started".to_owned(),
    };
    if store.reachable {
        return match &store.message {
            None => format!("{}, {last}", store.kind),
            Some(why) => {
                format!("{}, {last}, and then {}: {why}", store.kind, screen.paint(Hue::Bad, "refused"))
            }
        };
    }
    let why = store.message.as_deref().unwrap_or("no reason was given");
    format!("{}, {}, {last}: {why}", store.kind, screen.paint(Hue::Bad, "unreachable"))
}

fn publication(publication: &PublicationStatus, now: Time, screen: &Screen) -> String {
    if let Some(why) = &publication.message {
        return format!("{}: {} ({why})", publication.name, screen.paint(Hue::Bad, "cannot be read"));
    }
    let changed = match publication.changed_at {
        Some(at) => format!(", changed {}", relative(at, now)),
        None => String::new(),
    };
    match publication.keys.as_slice() {
        [] => format!("{}: empty{changed}", publication.name),
        keys => format!("{}: {}{changed}", publication.name, keys.join(" ")),
    }
}

fn keyset(keyset: &KeysetStatus, now: Time, screen: &Screen) -> String {
    let seq = keyset.seq.map_or_else(|| "no document yet".to_owned(), |seq| format!("seq {seq}"));
    let mut text = format!(
        "{} {}\n",
        screen.paint(Hue::Bold, &keyset.name),
        screen.paint(Hue::Dim, &format!("({seq})"))
    );
    if let Some(why) = &keyset.unusable {
        text.push_str(&line("cannot sign", &screen.paint(Hue::Bad, why)));
    }
    for key in &keyset.keys {
        match key.phase.as_str() {
            phase if phase == Phase::Active.as_str() => {
                text.push_str(&line("signing", &active(key, now, screen)));
            }
            phase if phase == Phase::Scheduled.as_str() => {
                let from = key.not_before.map(|at| both(at, now)).unwrap_or_default();
                text.push_str(&line("next", &format!("{}, signs {from}", key.id)));
            }
            phase if phase == Phase::Retiring.as_str() => {
                let end = key.not_after.map_or_else(
                    || "its end is about to be written".to_owned(),
                    |at| format!("last token ends {}", both(at, now)),
                );
                text.push_str(&line("retiring", &format!("{}, {end}", key.id)));
            }
            _ => {}
        }
    }
    if !keyset.phases.is_empty() {
        text.push_str(&line("keys", &phases(keyset)));
    }
    if keyset.external {
        text.push_str(&line("source", &source(keyset, screen)));
    } else {
        let firing =
            keyset.next_firing.map_or_else(|| "none: rotated on command".to_owned(), |at| both(at, now));
        text.push_str(&line("next firing", &firing));
    }
    if let Some(until) = keyset.hold_until {
        let hold = format!("{}, which ends {}", screen.paint(Hue::Warn, "on hold"), both(until, now));
        text.push_str(&line("rotation", &hold));
    }
    text.push_str(&conditions(&keyset.conditions, now, screen));
    text
}

/// Where its keys come from that others make.
fn source(keyset: &KeysetStatus, screen: &Screen) -> String {
    let Some(SourceStatus { path, key_id, message }) = &keyset.source else {
        return "others make its keys, and a rotator follows them".to_owned();
    };
    match (key_id, message) {
        (Some(id), _) => format!("{path}, written by others, has {id}"),
        (None, Some(why)) => {
            format!("{path}, written by others: {} ({why})", screen.paint(Hue::Bad, "no key"))
        }
        (None, None) => format!("{path}, written by others"),
    }
}

fn active(key: &KeyStatus, now: Time, screen: &Screen) -> String {
    let mut text = screen.paint(Hue::Good, &key.id);
    if let Some(since) = key.not_before {
        text.push_str(&format!(", since {}", span(now.since(since))));
    }
    text.push_str(&format!(", {} tokens signed here", key.tokens_issued));
    if let Some(at) = key.last_used_at {
        text.push_str(&format!(", the last {}", relative(at, now)));
    }
    if let Some(end) = key.not_after {
        text.push_str(&format!(", last token ends {}", relative(end, now)));
    }
    if key.held {
        text.push_str(&format!(", {}", screen.paint(Hue::Warn, "held until `resume`")));
    }
    text
}

/// The counts, in the order of a key's life.
fn phases(keyset: &KeysetStatus) -> String {
    let counts = Phase::ALL.iter().filter_map(|phase| {
        let count = keyset.phases.get(phase.as_str()).filter(|count| **count > 0)?;
        Some(format!("{count} {phase}"))
    });
    let compromised = keyset.keys.iter().filter(|key| key.compromised).count();
    let compromised = (compromised > 0).then(|| format!("{compromised} compromised"));
    counts.chain(compromised).collect::<Vec<_>>().join(", ")
}

/// What is wrong or worth knowing, the wrong first.
pub fn conditions(conditions: &[Condition], now: Time, screen: &Screen) -> String {
    let mut ordered: Vec<&Condition> = conditions.iter().collect();
    ordered.sort_by_key(|condition| !condition.degraded);
    let mut text = String::new();
    for condition in ordered {
        let (mark, hue) = if condition.degraded { ("!", Hue::Bad) } else { ("-", Hue::Warn) };
        let head = format!("{mark} {}", condition.kind);
        let reason = match condition.reason.as_str() {
            "" => String::new(),
            reason if reason == condition.kind => String::new(),
            reason => format!("({reason}), "),
        };
        let since = format!("{reason}for {}", span(now.since(condition.since)));
        text.push_str(&format!("  {} {}\n", screen.paint(hue, &head), screen.paint(Hue::Dim, &since)));
        text.push_str(&screen.wrap(4, &condition.message));
        if let Some(section) = runbook::section(&condition.kind) {
            text.push_str(&format!("    {}\n", screen.paint(Hue::Dim, &format!("see {section}"))));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::report::{NodeKey, NodeStatus};
    use crate::cli::sample;

    #[test]
    fn nodes_by_keys() {
        let now = sample::now();
        let mut status = sample::status(now);
        let key = |verdict: &str| NodeKey { verdict: verdict.to_owned(), since: now };
        let keys = [("APIactive", key("accepted")), ("APIstandby1", key("refused"))];
        status.nodes = vec![NodeStatus {
            address: "http://10.0.0.1:7880".to_owned(),
            on_target: false,
            answering_since: Some(now),
            clock_difference: "0s".to_owned(),
            forgotten: None,
            message: Some("it does not know APIstandby1".to_owned()),
            keys: keys.into_iter().map(|(id, key)| (id.to_owned(), key)).collect(),
        }];
        let told = page(&status, now, &Screen::PLAIN);
        for part in [
            "  NODE                  APIactive  APIstandby1  STATE",
            "                        active     standby",
            "  http://10.0.0.1:7880  yes        no           it does not know APIstandby1",
        ] {
            assert!(told.contains(part), "{part:?} is missing in\n{told}");
        }
    }

    #[test]
    fn a_page_says_what_signs_what_comes_next_and_what_is_wrong() {
        let now = sample::now();
        let told = page(&sample::status(now), now, &Screen::PLAIN);
        for part in [
            "livekit-keyd 0.1.0, role both: all is well",
            "store        file, last answered 2 s ago",
            "publication  key file keys.yaml: APIstandby1 APIactive APIstandby2, changed 10 min ago",
            "signing      APIactive, since 10 min, 812 tokens signed here, the last 1 s ago",
            "retiring     APIold, last token ends in 50 min (2026-11-24 12:50:00Z)",
            "keys         2 standby, 1 active, 1 retiring",
            "next firing  in 3 h 12 min (2026-11-24 15:12:00Z)",
            "- ProofDisabled (standing), for 10 min\n    proof is disabled: restart LiveKit in time\n    see docs/runbooks/nodes.md#proofdisabled\n",
        ] {
            assert!(told.contains(part), "{part:?} is missing in\n{told}");
        }
        assert!(!is_degraded(&sample::status(now)));
    }

    #[test]
    fn keys_that_others_make_are_told_with_their_source() {
        let now = sample::now();
        let mut status = sample::status(now);
        let keyset = &mut status.keysets[0];
        (keyset.external, keyset.next_firing) = (true, None);
        let line = |status: &Status| {
            let told = page(status, now, &Screen::PLAIN);
            assert!(!told.contains("next firing"), "{told}");
            told.lines().find_map(|line| line.strip_prefix("  source       ")).expect("a line").to_owned()
        };
        assert_eq!(line(&status), "others make its keys, and a rotator follows them");
        let mut source =
            SourceStatus { path: "cloud/livekit".into(), key_id: Some("APIactive".into()), message: None };
        status.keysets[0].source = Some(source.clone());
        assert_eq!(line(&status), "cloud/livekit, written by others, has APIactive");
        (source.key_id, source.message) = (None, Some("it was deleted".into()));
        status.keysets[0].source = Some(source);
        assert_eq!(line(&status), "cloud/livekit, written by others: no key (it was deleted)");
    }

    #[test]
    fn a_degraded_condition_or_a_signer_that_cannot_sign_needs_a_look() {
        let now = sample::now();
        let mut status = sample::status(now);
        status.keysets[0].conditions[0].degraded = true;
        assert!(is_degraded(&status));
        assert!(page(&status, now, &Screen::PLAIN).contains("! ProofDisabled"));

        let mut status = sample::status(now);
        status.keysets[0].unusable = Some("no key is proven yet".to_owned());
        assert!(is_degraded(&status));
        assert!(page(&status, now, &Screen::PLAIN).contains("cannot sign  no key is proven yet"));
        status.role = "rotator".to_owned();
        assert!(!is_degraded(&status), "who does not sign needs no key to sign with");
    }

    #[test]
    fn an_unknown_keyset_is_answered_with_the_known_ones() {
        let error = only(&mut sample::status(sample::now()), "defualt").expect_err("no such keyset");
        assert!(error.message.contains("`default`"), "{}", error.message);
    }
}
