//! From an issuer's token to a LiveKit token: what `POST /v1/token-exchange` and `POST /token` share.
//!
//! The caller need only be known, and may use the issuer. What is signed follows
//! from the issuer's rule and its profile, not from the caller's own rights.

use std::sync::Arc;

use livekit_keyd_core::issuer::{Asked, Refused, SubjectToken};
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::{Earlier, RequestedTtl, TokenRequest};
use livekit_keyd_core::time::Time;

use super::SignApi;
use super::mint::{Mint, Minted, Refusal};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;

/// Why nobody is signed on.
pub(super) enum Denied {
    /// The subject token is not believed.
    Token(Refused),
    /// Nothing is signed for it.
    Refusal(Refusal),
}

/// An earlier token of the same user, which shall live on.
pub(super) struct Renewed<'a> {
    pub(super) earlier: &'a Earlier,
    pub(super) ends: Time,
    pub(super) ttl: Option<RequestedTtl>,
}

impl Renewed<'_> {
    /// Whether the issuer still vouches for that user, in that room.
    fn check(&self, issuer: &str, request: &TokenRequest) -> Result<(), Problem> {
        let room = request.room.as_deref().unwrap_or(&self.earlier.grants.video.room);
        let same = self.earlier.issued.issuer == issuer
            && Some(self.earlier.identity()) == request.identity.as_deref()
            && self.earlier.grants.video.room == room;
        if same {
            return Ok(());
        }
        let detail =
            "the user's token stands for somebody else, or for another room, than the token to refresh";
        Err(Problem::denied("refresh", "/subject_token", detail))
    }
}

impl SignApi {
    /// Judges a subject token and signs what its issuer's rules give; `answer` makes the body of the answer of it.
    pub(super) async fn sign_on_recorded(
        &self,
        caller: &ResolvedCaller,
        mut record: Record<'_>,
        subject_token: &str,
        asked: Asked,
        answer: impl FnOnce(&Minted<'_>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Denied> {
        let signed = self.sign_on(caller, &mut record, subject_token, asked, None, answer).await;
        match &signed {
            Ok(_) => {}
            Err(Denied::Token(why)) => record.refused(why.as_str(), None, &why.to_string()),
            Err(Denied::Refusal(refusal)) => refusal.record(&mut record),
        }
        if let Some(receipt) = record.hand_over()
            && !receipt.lets_pass().await
        {
            return Err(Denied::Refusal(Refusal::Audit));
        }
        signed
    }

    /// The same, whose events somebody else hands over.
    pub(super) async fn sign_on(
        &self,
        caller: &ResolvedCaller,
        record: &mut Record<'_>,
        subject_token: &str,
        asked: Asked,
        renewed: Option<Renewed<'_>>,
        answer: impl FnOnce(&Minted<'_>) -> Vec<u8>,
    ) -> Result<Vec<u8>, Denied> {
        // What is refused costs as much as what is signed.
        if let Some(limit) = &caller.limit {
            limit.take().map_err(|wait| refused(caller, Refusal::TooMany(wait)))?;
        }
        let mut known = None;
        let believed = async {
            let token = SubjectToken::parse(subject_token)?;
            let issuer = caller.issuers.of(&token);
            record.user(issuer.as_ref().ok().map(|issuer| issuer.name()), token.subject());
            let issuer = known.insert(issuer?);
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
        let decided = issuer.decide(claims, asked).and_then(|(target, mut request)| {
            if let Some(renewed) = &renewed {
                renewed.check(issuer.name(), &request)?;
                request.ttl = renewed.ttl;
            }
            Ok((target, request))
        });
        let (target, request) = decided.map_err(|problem| refused(caller, problem.into()))?;
        let acting = ResolvedCaller {
            matches: caller.matches.clone(),
            limit: None,
            policy: target.policy.clone(),
            signer: target.signer.clone(),
            metrics: Arc::new(self.metrics.caller(&target.keyset, &caller.policy.caller().name)),
            issuers: Default::default(),
        };
        let minted = Mint::open(&acting).and_then(|mint| {
            let mut mint = mint.for_user_of(issuer.name(), &caller.policy.caller().name);
            if let Some(renewed) = &renewed {
                mint = mint.renewing(renewed.earlier, renewed.ends, false);
            }
            Ok(answer(&mint.sign(request, record)?))
        });
        minted.map_err(|refusal| refused(&acting, refusal))
    }
}

fn refused(caller: &ResolvedCaller, refusal: Refusal) -> Denied {
    refusal.count(caller);
    Denied::Refusal(refusal)
}
