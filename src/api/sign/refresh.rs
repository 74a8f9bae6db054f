//! `POST /v1/tokens/refresh`: the same rights for longer, as long as policy still gives them.
//!
//! A token that nobody could take back must end some day: `max_session` after its
//! identity was established, or with the key that made it, should that be compromised.

use std::time::Duration;

use hyper::StatusCode;
use livekit_keyd_core::issuer::Asked;
use livekit_keyd_core::problem::Problem;
use livekit_keyd_core::request::{Earlier, RefreshRequest};
use livekit_keyd_core::time::Time;
use livekit_keyd_core::verify::{Signature, Unverified};

use super::SignApi;
use super::mint::{Mint, Refusal};
use super::sign_on::{Denied, Renewed};
use super::verify;
use crate::api::answer::{self, Answer};
use crate::api::callers::ResolvedCaller;
use crate::audit::Record;
use crate::clock;

impl SignApi {
    pub(super) async fn refresh(
        &self,
        caller: &ResolvedCaller,
        mut record: Record<'_>,
        body: &[u8],
    ) -> Answer {
        let mut renewed = self.renew(caller, &mut record, body).await;
        if let Err(refusal) = &renewed {
            refusal.record(&mut record);
        }
        if let Some(receipt) = record.hand_over()
            && !receipt.lets_pass().await
        {
            renewed = Err(Refusal::Audit);
        }
        match renewed {
            Ok(body) => answer::json(StatusCode::CREATED, body),
            Err(refusal) => refusal.answer(),
        }
    }

    async fn renew(
        &self,
        caller: &ResolvedCaller,
        record: &mut Record<'_>,
        body: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let counted = |refusal: Refusal| {
            refusal.count(caller);
            refusal
        };
        let opened = RefreshRequest::parse(body).and_then(|request| {
            let earlier = self.earlier(caller, record, request.token.trim())?;
            let ends = self.session_end(&earlier)?;
            Ok((request, earlier, ends))
        });
        let (request, earlier, ends) = opened.map_err(|problem| counted(problem.into()))?;
        if earlier.issued.issuer.is_empty() {
            let minted = earlier.request(request.ttl).map_err(Refusal::from).and_then(|request| {
                let mut out = Vec::new();
                Mint::open(caller)?.renewing(&earlier, ends, true).token(request, record, &mut out)?;
                Ok(out)
            });
            return minted.map_err(counted);
        }
        let Some(subject_token) = &request.subject_token else {
            let detail =
                "a user of an issuer signed on for this token: send their present token as `subject_token`";
            return Err(counted(Problem::denied("refresh", "/subject_token", detail).into()));
        };
        let asked = Asked {
            room: Some(earlier.grants.video.room.clone()).filter(|room| !room.is_empty()),
            name: earlier.name().map(str::to_owned),
            metadata: None,
            attributes: earlier.attributes().clone(),
            room_config: earlier.room_config().cloned(),
        };
        let renewed = Renewed { earlier: &earlier, ends, ttl: request.ttl };
        let signed = self.sign_on(caller, record, subject_token.trim(), asked, Some(renewed), |minted| {
            let mut out = Vec::new();
            minted.write(&mut out);
            out
        });
        signed.await.map_err(|denied| match denied {
            Denied::Refusal(refusal) => refusal,
            Denied::Token(why) => {
                let detail = format!("the user's token is refused: {why}");
                counted(Problem::denied("refresh", "/subject_token", detail).into())
            }
        })
    }

    /// What a token says that this caller was given, and that LiveKit would still accept.
    fn earlier(
        &self,
        caller: &ResolvedCaller,
        record: &mut Record<'_>,
        text: &str,
    ) -> Result<Earlier, Problem> {
        let refused =
            |why: String| Problem::not_a_token("/token", format!("this token cannot be refreshed: {why}"));
        let token = Unverified::parse(text).map_err(|reason| refused(reason.to_string()))?;
        // A rule may have another keyset sign than the caller's own.
        let keyrings =
            self.signers.values().filter_map(|signer| signer.keyring().as_ref().map(std::sync::Arc::clone));
        let made_it = |keyring: &std::sync::Arc<crate::signer::Keyring>| {
            keyring.verifying.iter().any(|key| Some(key.id.as_str()) == token.key_id())
        };
        let keyring = keyrings.into_iter().find(made_it);
        let signature = keyring.map_or(Signature::UnknownKey, |keyring| verify::signature(&keyring, &token));
        verify::notice(record, signature, &token, text);
        let reasons = token.reasons(signature, clock::now());
        if let Some(reason) = reasons.first() {
            return Err(refused(reason.to_string()));
        }
        let earlier = Earlier::of(&token.claims)?;
        let own = &caller.policy.caller().name;
        if earlier.issued.caller != *own {
            let detail =
                format!("caller `{own}` was not given this token: only who asked for it may refresh it");
            return Err(Problem::denied("refresh", "/token", detail));
        }
        Ok(earlier)
    }

    fn session_end(&self, earlier: &Earlier) -> Result<Time, Problem> {
        let began = Time::from_millis(earlier.issued.auth_time.saturating_mul(1000));
        let ends = began + self.max_session;
        if ends.since(clock::now()) < Duration::from_secs(1) {
            let detail = format!("its session ended at {ends} (max_session): ask for a new token");
            return Err(Problem::not_a_token("/token", detail));
        }
        Ok(ends)
    }
}
