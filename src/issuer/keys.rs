//! An issuer's public keys, ready to check signatures.

use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};
use livekit_keyd_core::issuer::{Algorithm, Jwk, Material, Refused, SubjectToken};

/// The keys of one reading.
pub(super) struct ProviderKeys(Vec<(Jwk, DecodingKey)>);

impl ProviderKeys {
    /// Those whose material is sound.
    pub(super) fn new(set: Vec<Jwk>) -> ProviderKeys {
        let ready = |jwk: Jwk| {
            let key = match &jwk.material {
                Material::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
                Material::Ec { x, y } => DecodingKey::from_ec_components(x, y),
                Material::Ed { x } => DecodingKey::from_ed_components(x),
            };
            Some((jwk, key.ok()?))
        };
        ProviderKeys(set.into_iter().filter_map(ready).collect())
    }

    /// Checks a token's signature: by the key that it names, or by the only one that it could mean.
    ///
    /// The name is compared and nothing else: it is no path and no query. A key that
    /// the token itself carries or points at (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.
    pub(super) fn verify(&self, token: &SubjectToken<'_>, algorithm: Algorithm) -> Result<(), Refused> {
        let named = |jwk: &Jwk| token.kid().is_none() || jwk.kid.as_deref() == token.kid();
        let fit: Vec<_> = self.0.iter().filter(|(jwk, _)| jwk.is_for(algorithm) && named(jwk)).collect();
        if fit.is_empty() {
            return Err(Refused::UnknownKey);
        }
        if token.kid().is_none() && fit.len() > 1 {
            return Err(Refused::AmbiguousKey);
        }
        let message = token.message.as_bytes();
        let made_it = |key: &DecodingKey| {
            // An error is a signature of the wrong form.
            jsonwebtoken::crypto::verify(token.signature, message, key, known(algorithm)).unwrap_or(false)
        };
        // Names may be given twice, while keys of the same name are replaced.
        if fit.iter().any(|(_, key)| made_it(key)) { Ok(()) } else { Err(Refused::WrongSignature) }
    }
}

fn known(algorithm: Algorithm) -> JwtAlgorithm {
    match algorithm {
        Algorithm::RS256 => JwtAlgorithm::RS256,
        Algorithm::RS384 => JwtAlgorithm::RS384,
        Algorithm::RS512 => JwtAlgorithm::RS512,
        Algorithm::PS256 => JwtAlgorithm::PS256,
        Algorithm::PS384 => JwtAlgorithm::PS384,
        Algorithm::PS512 => JwtAlgorithm::PS512,
        Algorithm::ES256 => JwtAlgorithm::ES256,
        Algorithm::ES384 => JwtAlgorithm::ES384,
        Algorithm::EdDSA => JwtAlgorithm::EdDSA,
    }
}
