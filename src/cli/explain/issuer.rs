//! What an issuer's rules make of its user's claims.

use livekit_keyd_core::issuer::Asked;
use serde_json::{Map, Value, json};

use super::answer::{self, Decision};
use super::limited;
use crate::cli::exit::Failure;
use crate::cli::screen::Screen;
use crate::cli::token;
use crate::config::{Config, IssuerConfig};
use crate::issuer::{Rule, first_rule};

/// The answer, with the rule that fitted.
pub(super) struct Explained<'a> {
    issuer: &'a IssuerConfig,
    /// Its number, from 1 as the sentences count.
    fits: Option<(usize, &'a Rule)>,
    pub(super) decision: Decision,
}

/// Reads a token's claims.
///
/// # Errors
/// They are no JSON object.
pub(super) fn claims(text: &[u8]) -> Result<Map<String, Value>, Failure> {
    serde_json::from_slice(text).map_err(|error| {
        Failure::misuse(format!(
            "the claims are no JSON object like {{\"sub\": \"ann\", \"groups\": [\"staff\"]}}: {error}; of a token they are its second part, which `livekit-keyd inspect` shows"
        ))
    })
}

/// What is asked for beside the user's token: a body as `POST /token` takes it, or options.
///
/// # Errors
/// It cannot be read, or names what only a rule gives.
pub(super) fn asked(request: Option<&[u8]>, options: token::Options) -> Result<Asked, Failure> {
    if let Some(body) = request {
        return Asked::from_endpoint(body).map_err(|problem| Failure::misuse(problem.detail));
    }
    let token::Options { room, identity, name, profile, ttl, kind, metadata, attributes, grants } = options;
    if identity.is_some() || profile.is_some() || ttl.is_some() || kind.is_some() || !grants.is_empty() {
        return Err(Failure::misuse(
            "a user of an issuer may ask for --room, --name, --metadata and --attribute only: all else follows from the rules",
        ));
    }
    Ok(Asked { room, name, metadata, attributes: attributes.into_iter().collect(), room_config: None })
}

/// What the user with these claims is answered.
pub(super) fn explain<'a>(
    config: &Config,
    issuer: &'a IssuerConfig,
    claims: Map<String, Value>,
    asked: Asked,
) -> Explained<'a> {
    let (index, outcome) = match first_rule(issuer, claims, &asked) {
        Ok(fits) => fits,
        Err(problem) => return Explained { issuer, fits: None, decision: Err(problem) },
    };
    let rule = &issuer.rules[index];
    let decision = outcome
        .request(asked, config.fixed_room(rule))
        .and_then(|request| config.policy_of_rule(issuer, rule).decide(request))
        .map(|approved| limited(config, &rule.keyset, approved));
    Explained { issuer, fits: Some((index + 1, rule)), decision }
}

impl Explained<'_> {
    pub(super) fn json(&self) -> Value {
        let mut told = answer::json(&self.decision);
        told["issuer"] = json!(self.issuer.name);
        told["issuer_rule"] = json!(self.fits.map(|(number, _)| number));
        told["keyset"] = json!(self.fits.map(|(_, rule)| &rule.keyset));
        told
    }

    pub(super) fn page(&self, screen: &Screen) -> String {
        let to = format!("this user of issuer `{}`", self.issuer.name);
        let Some((number, rule)) = self.fits else {
            return answer::page(&self.decision, screen, &to, "", "");
        };
        let by = format!("its rule {number}, profile `{}`", rule.profile);
        let page = answer::page(&self.decision, screen, &to, &by, &rule.keyset);
        match &self.decision {
            Ok(_) => page,
            Err(_) => format!("{page}It is rule {number} that fits, with profile `{}`\n", rule.profile),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
name = "guest"
[profile.video]
roomJoin = true
room = "lobby"
[[profile]]
name = "staff"
ttl = "1h"
[profile.video]
roomJoin = true
roomAdmin = true
[[issuer]]
name = "company"
url = "https://id.example.com"
audience = ["livekit"]
[[issuer.rule]]
when = "'staff' in claims.groups"
room = "claims.room"
attributes = { plan = "claims.plan" }
profile = "staff"
[[issuer.rule]]
when = "has(claims.guest)"
profile = "guest"
[[caller]]
name = "web"
user = "*"
issuers = ["company"]
"#;

    fn page(claims: &Value, asked: Asked) -> String {
        let config = Config::parse(CONFIG, Path::new("/etc/keyd.toml")).expect("a configuration");
        let claims = super::claims(claims.to_string().as_bytes()).expect("an object");
        explain(&config, &config.issuers[0], claims, asked).page(&Screen::PLAIN)
    }

    #[test]
    fn the_rule_that_fits_and_what_it_makes_of_the_claims_are_told() {
        let claims = json!({"sub": "ann", "groups": ["staff"], "room": "web-1", "plan": "gold"});
        assert_eq!(
            page(&claims, Asked::default()),
            "\
allowed to this user of issuer `company` by its rule 1, profile `staff`
  keyset      default
  identity    ann
  kind        standard
  grants      {\"video\":{\"room\":\"web-1\",\"roomAdmin\":true,\"roomJoin\":true}}
  life        10m
  attributes  {\"plan\":\"gold\"}
"
        );
    }

    #[test]
    fn a_denial_says_why_no_rule_fits_or_which_one_does() {
        assert_eq!(
            page(&json!({"sub": "ann", "groups": ["staff"]}), Asked::default()),
            "\
denied to this user of issuer `company` by rule issuer.rule
  no rule of issuer `company` fits this token: rule 1: `room` needs a claim that is not there; rule 2: `when` is false
"
        );
        let elsewhere = Asked { room: Some("red".to_owned()), ..Asked::default() };
        let denied = page(&json!({"sub": "ann", "guest": true}), elsewhere);
        assert!(
            denied.starts_with("denied to this user of issuer `company` by rule issuer.room\n"),
            "{denied}"
        );
        assert!(denied.ends_with("It is rule 2 that fits, with profile `guest`\n"), "{denied}");
    }

    #[test]
    fn what_only_a_rule_gives_cannot_be_asked_for() {
        let identity = token::Options { identity: Some("root".to_owned()), ..token::Options::default() };
        assert!(
            asked(None, identity).is_err_and(|failure| failure.message.contains("follows from the rules"))
        );
        let room = token::Options { room: Some("red".to_owned()), ..token::Options::default() };
        assert_eq!(asked(None, room).map(|asked| asked.room).ok(), Some(Some("red".to_owned())));
        assert_eq!(
            asked(Some(br#"{"room_name": "red"}"#), token::Options::default()).map(|asked| asked.room).ok(),
            Some(Some("red".to_owned()))
        );
        assert!(claims(b"eyJ.eyJ.c2ln").is_err_and(|failure| failure.message.contains("inspect")));
    }
}
