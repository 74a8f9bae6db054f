//! Sign-on: users of an identity provider become participants, by the rules of its `[[issuer]]`.
//!
//! The application passes its user's token on; who takes part, where and with
//! which rights follows from that token's claims and the rules alone.

mod expression;
mod fetch;
mod keys;
mod metrics;
mod place;
mod provider;
mod providers;
mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use livekit_keyd_core::issuer::{Algorithm, Asked, Expected, Refused, SubjectToken};
use livekit_keyd_core::policy::Policy;
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::TokenRequest;
use serde_json::{Map, Value};

pub use expression::{Expression, Failed, Subject};
pub use metrics::IssuerMetrics;
pub use place::Place;
pub use provider::Provider;
pub use providers::Providers;
pub use rule::{Rule, first as first_rule};

use crate::clock;
use crate::config::IssuerConfig;
use crate::signer::Signer;

/// What a rule leads to.
pub struct Target {
    /// Decides about the rule's profile and keyset.
    pub policy: Policy,
    /// The room that the profile fixes, or empty.
    pub fixed_room: String,
    /// Who signs.
    pub signer: Arc<Signer>,
    /// The keyset's name.
    pub keyset: String,
}

/// An issuer, ready to be asked.
pub struct Issuer {
    config: IssuerConfig,
    targets: Vec<Target>,
    provider: Arc<Provider>,
}

impl Issuer {
    /// With a target for each of its rules, in their order.
    pub fn new(config: IssuerConfig, targets: Vec<Target>, provider: Arc<Provider>) -> Issuer {
        Issuer { config, targets, provider }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.config.url
    }

    /// A token's claims, once it is known that this issuer made it, for us and for now.
    ///
    /// Where the token names a key that is not known, the issuer is asked for its
    /// keys once more, at most once a minute.
    ///
    /// # Errors
    /// Why it is not believed.
    pub async fn believe(&self, token: SubjectToken<'_>) -> Result<Map<String, Value>, Refused> {
        let algorithm = token.algorithm(&self.config.algorithms)?;
        let mut verified = self.verify(&token, algorithm);
        if matches!(verified, Err(Refused::UnknownKey | Refused::NoKeys)) && self.provider.look_again().await
        {
            verified = self.verify(&token, algorithm);
        }
        verified?;
        let clock_skew = i64::try_from(self.config.clock_skew.as_secs()).unwrap_or(i64::MAX);
        token.claims(Expected { audience: &self.config.audience, clock_skew }, clock::now())
    }

    fn verify(&self, token: &SubjectToken<'_>, algorithm: Algorithm) -> Result<(), Refused> {
        self.provider.keys().ok_or(Refused::NoKeys)?.verify(token, algorithm)
    }

    /// The first rule that fits these claims, and what is to be signed by it.
    ///
    /// # Errors
    /// No rule fits, or what it makes of the claims cannot be signed.
    pub fn decide(
        &self,
        claims: Map<String, Value>,
        asked: Asked,
    ) -> Result<(&Target, TokenRequest), Problem> {
        let (index, outcome) = first_rule(&self.config, claims, &asked)?;
        // There is a target for each rule.
        let target = &self.targets[index];
        Ok((target, outcome.request(asked, &target.fixed_room)?))
    }
}

/// All issuers of a configuration, by their `iss`.
#[derive(Default)]
pub struct Issuers(BTreeMap<String, Arc<Issuer>>);

impl Issuers {
    /// Those of a list.
    pub fn new(issuers: impl IntoIterator<Item = Arc<Issuer>>) -> Issuers {
        Issuers(issuers.into_iter().map(|issuer| (issuer.url().to_owned(), issuer)).collect())
    }

    /// Those of these names; all, if there are no names.
    #[must_use]
    pub fn named(&self, names: Option<&[String]>) -> Issuers {
        let is_named =
            |issuer: &Arc<Issuer>| names.is_none_or(|names| names.iter().any(|one| one == issuer.name()));
        Issuers::new(self.0.values().filter(|issuer| is_named(issuer)).cloned())
    }

    /// The one that says that it made a token.
    ///
    /// # Errors
    /// There is none, or the token names none.
    pub fn of(&self, token: &SubjectToken<'_>) -> Result<&Arc<Issuer>, Refused> {
        self.0.get(token.issuer()?).ok_or(Refused::UnknownIssuer)
    }
}
