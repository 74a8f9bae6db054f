//! From an issuer's token to a LiveKit token: what `POST /v1/token-exchange` and `POST /token` share.
//!
//! The caller need only be known, and may use the issuer. What is signed follows
//! from the issuer's rule and its profile, not from the caller's own rights.

use livekit_keyd_core::issuer::{Asked, Refused, SubjectToken};

use super::SignApi;
use super::mint::{Mint, Minted, Refusal};
use crate::api::callers::ResolvedCaller;

/// Why nobody is signed on.
pub(super) enum Denied {
    /// The subject token is not believed.
    Token(Refused),
    /// Nothing is signed for it.
    Refusal(Refusal),
}

impl SignApi {
    /// Judges a subject token and signs what its issuer's rules give; `answer` makes the body of the answer of it.
    pub(super) async fn sign_on(
        &self,
        caller: &ResolvedCaller,
        subject_token: &str,
        asked: Asked,
        answer: impl FnOnce(&Minted<'_>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Denied> {
        let mut known = None;
        let believed = async {
            let token = SubjectToken::parse(subject_token)?;
            let issuer = known.insert(caller.issuers.of(&token)?);
            issuer.believe(token).await
        };
        let claims = believed.await;
        let issuer = known.map(|issuer| issuer.name());
        self.issuers.judged(issuer, claims.as_ref().err().map_or("ok", Refused::as_str));
        let (claims, issuer) = match (claims, known) {
            (Ok(claims), Some(issuer)) => (claims, issuer),
            (Err(why), _) => return Err(Denied::Token(why)),
            (Ok(_), None) => return Err(Denied::Token(Refused::UnknownIssuer)),
        };
        let denied = |acting: &ResolvedCaller, refusal: Refusal| {
            refusal.count(acting);
            Denied::Refusal(refusal)
        };
        let (target, request) =
            issuer.decide(claims, asked).map_err(|problem| denied(caller, Refusal::Problem(problem)))?;
        let acting = ResolvedCaller {
            matches: caller.matches.clone(),
            limit: caller.limit.clone(),
            policy: target.policy.clone(),
            signer: target.signer.clone(),
            metrics: self.metrics.caller(&target.keyset, &caller.policy.caller().name),
            issuers: Default::default(),
        };
        let minted = Mint::open(&acting).and_then(|mint| {
            let mut mint = mint.for_user_of(issuer.name(), &caller.policy.caller().name);
            Ok(answer(&mint.sign(request)?))
        });
        minted.map_err(|refusal| denied(&acting, refusal))
    }
}
