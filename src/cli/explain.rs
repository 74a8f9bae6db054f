//! `explain`: what policy answers to a request, and why, from the configuration alone.
//!
//! The request is read and judged by the functions that the signing socket calls. No
//! daemon is asked, so the lease is not known and may shorten the life further.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use livekit_keyd_core::duration;
use livekit_keyd_core::nearest::nearest;
use livekit_keyd_core::policy::{Approved, CallerIndex, LimitedBy, Policy};
use livekit_keyd_core::problem::{Problem, ProblemKind};
use livekit_keyd_core::request::TokenRequest;
use serde_json::{Value, json};

use super::context::Context;
use super::exit::{Exit, Failure};
use super::screen::{Hue, Screen, print};
use super::{table, token};
use crate::api::answer;
use crate::config::{CallerConfig, Config};

/// What `explain` can be told.
#[derive(Args, Debug)]
#[group(skip)]
#[command(
    after_help = "Exit code 1 says that the answer is no.\n\nExamples:\n  livekit-keyd explain --config keyd.toml --caller web --profile viewer --room web-1 --identity alice\n  livekit-keyd explain --config keyd.toml --uid 1000 --gid 33 --request body.json"
)]
pub struct Options {
    /// The caller that would ask
    #[arg(long, value_name = "NAME", required_unless_present = "uid")]
    pub caller: Option<String>,
    /// Instead of a caller: the user of a process that would ask
    #[arg(long, conflicts_with = "caller")]
    pub uid: Option<u32>,
    /// A group of that process; may be repeated
    #[arg(long, requires = "uid")]
    pub gid: Vec<u32>,
    /// The request as `POST /v1/tokens` takes it, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "asked")]
    pub request: Option<PathBuf>,
    /// The request in parts.
    #[command(flatten)]
    pub asked: token::Options,
}

/// The answer, with what it rests on.
struct Explained<'a> {
    caller: &'a CallerConfig,
    policy: Policy,
    decision: Result<Approved, Problem>,
}

/// Runs the command.
///
/// # Errors
/// The configuration or the request cannot be read, or there is no such caller.
pub fn run(context: &Context, options: Options) -> Result<Exit, Failure> {
    let config = context.config()?;
    let body = match &options.request {
        Some(path) => read(path)?,
        None => token::request(&options.asked).to_string().into_bytes(),
    };
    let caller = match (&options.caller, options.uid) {
        (Some(name), _) => Some(named(&config, name)?),
        (None, uid) => known(&config, uid.unwrap_or_default(), &options.gid),
    };
    let Some(caller) = caller else {
        let detail = "no [[caller]] matches this user and these groups";
        print(&if context.globals.json {
            format!("{}\n", json!({"allowed": false, "status": 403, "rule": "no-caller", "detail": detail}))
        } else {
            format!("{} by rule no-caller\n  {detail}\n", context.screen.paint(Hue::Bad, "denied"))
        })?;
        return Ok(Exit::Failed);
    };
    let explained = explain(&config, caller, &body);
    print(&if context.globals.json {
        format!("{}\n", explained.json())
    } else {
        explained.page(&context.screen)
    })?;
    Ok(if explained.decision.is_ok() { Exit::Fine } else { Exit::Failed })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_end(&mut body),
        _ => File::open(path).and_then(|mut file| file.read_to_end(&mut body)),
    };
    match read {
        Ok(_) => Ok(body),
        Err(error) => Err(Failure::misuse(format!("the request {} cannot be read: {error}", path.display()))),
    }
}

fn named<'a>(config: &'a Config, name: &str) -> Result<&'a CallerConfig, Failure> {
    let names = || config.callers.iter().map(|caller| caller.caller.name.as_str());
    let found = config.callers.iter().find(|caller| caller.caller.name == name);
    found.ok_or_else(|| {
        let remedy = match nearest(name, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there is {}", names().collect::<Vec<_>>().join(", ")),
        };
        Failure::misuse(format!("the configuration has no [[caller]] named `{name}`; {remedy}"))
    })
}

fn known<'a>(config: &'a Config, uid: u32, gids: &[u32]) -> Option<&'a CallerConfig> {
    let index = CallerIndex::new(config.callers.iter().map(|caller| &caller.who));
    config.callers.get(index.find(uid, gids)?)
}

fn explain<'a>(config: &Config, caller: &'a CallerConfig, body: &[u8]) -> Explained<'a> {
    let policy = config.policy(caller);
    let decision = TokenRequest::parse(body).and_then(|request| policy.decide(request)).map(|approved| {
        let keyset = config.keysets.iter().find(|config| config.keyset.name == caller.keyset);
        let most = keyset.map_or(approved.ttl.granted, |config| config.keyset.rules.max_token_ttl);
        Approved { ttl: approved.ttl.limit(most, LimitedBy::Keyset), ..approved }
    });
    Explained { caller, policy, decision }
}

impl Explained<'_> {
    fn json(&self) -> Value {
        let may = json!({
            "profiles": self.profiles(),
            "allowed_rooms": texts(&self.caller.caller.allowed_rooms),
            "allowed_identities": texts(&self.caller.caller.allowed_identities),
            "allowed_grants": texts(&self.caller.caller.allowed_grants),
            "keyset_allowed_grants": self.policy.keyset_grants().map(texts),
            "max_ttl": self.caller.caller.max_ttl.map(|most| most.as_secs()),
            "rate": self.caller.limit.map(|rate| rate.to_string()),
        });
        let mut told = match &self.decision {
            Ok(approved) => json!({
                "allowed": true,
                "profile": Some(&approved.profile).filter(|name| !name.is_empty()),
                "identity": approved.participant.identity,
                "name": approved.participant.name,
                "kind": approved.participant.kind.as_str(),
                "metadata": approved.participant.metadata,
                "attributes": approved.participant.attributes,
                "room_config": approved.participant.room_config,
                "grants": approved.grants,
                "reaching_every_room": approved.grants.reaching_every_room(),
                "ttl": approved.ttl.granted.as_secs(),
                "ttl_limited_by": approved.ttl.limited_by.map(LimitedBy::as_str),
            }),
            Err(problem) => json!({
                "allowed": false,
                "status": answer::parts(problem).0.as_u16(),
                "rule": problem.rule,
                "pointer": problem.pointer,
                "detail": problem.detail,
            }),
        };
        told["caller"] = json!(self.caller.caller.name);
        told["keyset"] = json!(self.caller.keyset);
        told["may"] = may;
        told
    }

    fn page(&self, screen: &Screen) -> String {
        let caller = &self.caller.caller.name;
        match &self.decision {
            Ok(approved) => {
                let allowed = screen.paint(Hue::Good, "allowed");
                let by = match approved.profile.as_str() {
                    "" => "its allowed_grants".to_owned(),
                    name => format!("profile `{name}`"),
                };
                let every = approved.grants.reaching_every_room();
                let wide = if every.is_empty() {
                    String::new()
                } else {
                    let names = every.join(", ");
                    screen.wrap(
                        2,
                        &format!(
                            "{names}: every room of the deployment, whatever room and allowed_rooms say"
                        ),
                    )
                };
                format!("{allowed} to caller `{caller}` by {by}\n{}{wide}", rows(&self.granted(approved)))
            }
            Err(problem) => {
                let denied = match problem.kind {
                    ProblemKind::Denied => screen.paint(Hue::Bad, "denied"),
                    ProblemKind::Malformed | ProblemKind::NotAToken => screen.paint(Hue::Bad, "refused"),
                };
                let place = match problem.pointer.as_str() {
                    "" => String::new(),
                    pointer => format!(", at {pointer}"),
                };
                let why = screen.wrap(2, &problem.detail);
                let may = rows(&self.may());
                format!(
                    "{denied} to caller `{caller}` by rule {}{place}\n{why}It may ask for\n{may}",
                    problem.rule
                )
            }
        }
    }

    fn granted(&self, approved: &Approved) -> Vec<(&'static str, String)> {
        let participant = &approved.participant;
        let life = duration::format(approved.ttl.granted);
        let life = match approved.ttl.limited_by {
            Some(by) => format!("{life}, shortened by the {}", by.as_str()),
            None => life,
        };
        let mut rows = vec![
            ("keyset", self.caller.keyset.clone()),
            ("identity", or_none(&participant.identity)),
            ("kind", participant.kind.as_str().to_owned()),
            ("grants", json!(approved.grants).to_string()),
            ("life", life),
        ];
        if !participant.attributes.is_empty() {
            rows.push(("attributes", json!(participant.attributes).to_string()));
        }
        if let Some(config) = &participant.room_config {
            rows.push(("room_config", json!(config).to_string()));
        }
        rows
    }

    fn may(&self) -> Vec<(&'static str, String)> {
        let caller = &self.caller.caller;
        let mut rows = vec![
            ("profiles", or_none(&self.profiles().join(", "))),
            ("allowed_rooms", or_none(&texts(&caller.allowed_rooms).join(", "))),
            ("allowed_identities", or_none(&texts(&caller.allowed_identities).join(", "))),
            ("allowed_grants", or_none(&texts(&caller.allowed_grants).join(", "))),
        ];
        if let Some(allowed) = self.policy.keyset_grants() {
            rows.push(("of its keyset", or_none(&texts(allowed).join(", "))));
        }
        rows.extend(caller.max_ttl.map(|most| ("max_ttl", duration::format(most))));
        rows.extend(self.caller.limit.map(|rate| ("limit", rate.to_string())));
        rows
    }

    fn profiles(&self) -> Vec<&str> {
        self.policy.profiles().iter().map(|profile| profile.name.as_str()).collect()
    }
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(T::to_string).collect()
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { text.to_owned() }
}

fn rows(rows: &[(&'static str, String)]) -> String {
    let rows: Vec<_> = rows.iter().map(|(name, value)| vec![format!("  {name}"), value.clone()]).collect();
    table::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"role = "signer"
[store]
kind = "file"
file.dir = "store"
[[keyset]]
name = "default"
max_token_ttl = "10m"
overlap = "24h"
[[profile]]
name = "viewer"
[profile.video]
roomJoin = true
canPublish = false
[[profile]]
name = "lister"
[profile.video]
roomList = true
[[caller]]
name = "web"
uid = 1000
profiles = ["viewer", "lister"]
allowed_rooms = ["{caller}-*"]
allowed_identities = ["user-*"]
max_ttl = "30m"
rate = "5/m"
"#;

    fn page(request: &Value) -> String {
        let config = Config::parse(CONFIG, Path::new("/etc/keyd.toml")).expect("a configuration");
        let caller = named(&config, "web").expect("it is there");
        explain(&config, caller, request.to_string().as_bytes()).page(&Screen::PLAIN)
    }

    #[test]
    fn what_is_allowed_is_told_as_the_token_will_have_it() {
        let request = json!({"profile": "viewer", "identity": "user-1", "room": "web-1", "ttl": "1h"});
        assert_eq!(
            page(&request),
            "\
allowed to caller `web` by profile `viewer`
  keyset    default
  identity  user-1
  kind      standard
  grants    {\"video\":{\"canPublish\":false,\"room\":\"web-1\",\"roomJoin\":true}}
  life      10m, shortened by the keyset
"
        );
        let wide = page(&json!({"profile": "lister"}));
        assert!(
            wide.ends_with("  roomList: every room of the deployment, whatever room and allowed_rooms say\n")
        );
    }

    #[test]
    fn a_denial_names_the_rule_and_what_may_be_asked_for() {
        assert_eq!(
            page(&json!({"profile": "viewer", "identity": "user-1", "room": "x"})),
            "\
denied to caller `web` by rule allowed_rooms, at /room
  caller `web` may not use room `x`; it may use: `{caller}-*`
It may ask for
  profiles            lister, viewer
  allowed_rooms       {caller}-*
  allowed_identities  user-*
  allowed_grants      none
  max_ttl             30m
  limit               rate = \"5/m\", burst = 5
"
        );
        assert!(page(&json!({"ttl": 0})).starts_with("refused to caller `web` by rule malformed, at /ttl\n"));
    }

    #[test]
    fn a_slip_in_a_callers_name_is_told() {
        let config = Config::parse(CONFIG, Path::new("/etc/keyd.toml")).expect("a configuration");
        let failure = named(&config, "wbe").expect_err("nobody");
        assert!(failure.message.contains("did you mean `web`?"), "{}", failure.message);
        assert!(known(&config, 1000, &[5]).is_some() && known(&config, 1001, &[1000]).is_none());
    }
}
