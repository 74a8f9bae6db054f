//! What a caller's policy answers.

use livekit_keyd_core::duration;
use livekit_keyd_core::policy::{CallerIndex, Policy};
use livekit_keyd_core::request::TokenRequest;
use serde_json::{Value, json};

use super::answer::{self, Decision, or_none};
use super::limited;
use crate::cli::screen::Screen;
use crate::config::{CallerConfig, Config};

/// The answer, with what it rests on.
pub(super) struct Explained<'a> {
    caller: &'a CallerConfig,
    policy: Policy,
    pub(super) decision: Decision,
}

/// The caller that such a process would be.
pub(super) fn known<'a>(config: &'a Config, uid: u32, gids: &[u32]) -> Option<&'a CallerConfig> {
    let index = CallerIndex::new(config.callers.iter().map(|caller| &caller.who));
    config.callers.get(index.find(uid, gids)?)
}

/// What a caller is answered to the body of a request.
pub(super) fn explain<'a>(config: &Config, caller: &'a CallerConfig, body: &[u8]) -> Explained<'a> {
    let policy = config.policy(caller);
    let decision = TokenRequest::parse(body)
        .and_then(|request| policy.decide(request))
        .map(|approved| limited(config, &caller.keyset, approved));
    Explained { caller, policy, decision }
}

impl Explained<'_> {
    pub(super) fn json(&self) -> Value {
        let caller = &self.caller.caller;
        let mut told = answer::json(&self.decision);
        told["caller"] = json!(caller.name);
        told["keyset"] = json!(self.caller.keyset);
        told["may"] = json!({
            "profiles": self.profiles(),
            "allowed_rooms": texts(&caller.allowed_rooms),
            "allowed_identities": texts(&caller.allowed_identities),
            "allowed_grants": texts(&caller.allowed_grants),
            "keyset_allowed_grants": self.policy.keyset_grants().map(texts),
            "max_ttl": caller.max_ttl.map(|most| most.as_secs()),
            "rate": self.caller.limit.map(|rate| rate.to_string()),
        });
        told
    }

    pub(super) fn page(&self, screen: &Screen) -> String {
        let to = format!("caller `{}`", self.caller.caller.name);
        let by = match &self.decision {
            Ok(approved) if !approved.profile.is_empty() => format!("profile `{}`", approved.profile),
            _ => "its allowed_grants".to_owned(),
        };
        let page = answer::page(&self.decision, screen, &to, &by, &self.caller.keyset);
        match &self.decision {
            Ok(_) => page,
            Err(_) => format!("{page}It may ask for\n{}", answer::rows(&self.may())),
        }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::named;
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
        let caller = named("caller", "web", &config.callers, |one| &one.caller.name).expect("it is there");
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
        let failure = named("caller", "wbe", &config.callers, |one| &one.caller.name).expect_err("nobody");
        assert!(failure.message.contains("did you mean `web`?"), "{}", failure.message);
        assert!(known(&config, 1000, &[5]).is_some() && known(&config, 1001, &[1000]).is_none());
    }
}
