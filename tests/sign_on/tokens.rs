//! Keys of identity providers, and tokens that they might make, good and bad.

use std::sync::LazyLock;
use std::time::SystemTime;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// Whom tokens are for.
pub(crate) const AUDIENCE: &str = "livekit";

/// A provider's key pair.
pub(crate) struct Pair {
    private: EncodingKey,
    algorithm: Algorithm,
}

impl Pair {
    fn rsa() -> Pair {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key pair");
        let der: Pkcs8V1Der<'static> = pair.as_der().expect("its encoding");
        // The key itself stands behind a header of 26 bytes (RFC 5208).
        Pair { private: EncodingKey::from_rsa_der(&der.as_ref()[26..]), algorithm: Algorithm::RS256 }
    }

    fn ec() -> Pair {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key pair");
        Pair { private: EncodingKey::from_ec_der(der.as_ref()), algorithm: Algorithm::ES256 }
    }

    /// The public half under a name.
    pub(crate) fn public(&self, kid: &str) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a public key");
        let mut jwk = serde_json::to_value(&jwk).expect("a JWK is JSON");
        // Many providers do not say which algorithm a key is for.
        jwk.as_object_mut().expect("an object").remove("alg");
        jwk["kid"] = json!(kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// A signature over what is given, by an algorithm of this key.
    pub(crate) fn sign(&self, message: &str, algorithm: Algorithm) -> String {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, algorithm).expect("a signature")
    }

    /// A token of any header and claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of any text in place of header and claims.
    pub(crate) fn token_of(&self, header: &str, claims: &str) -> String {
        let message = message(header, claims);
        format!("{message}.{}", self.sign(&message, self.algorithm))
    }
}

/// Header and claims as they are signed.
pub(crate) fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// The company's first key.
pub(crate) static FIRST: LazyLock<Pair> = LazyLock::new(Pair::rsa);
/// A key that the company rotates to.
pub(crate) static SECOND: LazyLock<Pair> = LazyLock::new(Pair::rsa);
/// The key of somebody who is nobody's provider.
pub(crate) static THIEF: LazyLock<Pair> = LazyLock::new(Pair::rsa);
/// A key on a curve.
pub(crate) static CURVE: LazyLock<Pair> = LazyLock::new(Pair::ec);

/// Seconds since 1970, this far from now.
pub(crate) fn seconds(from_now: i64) -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("a time") + from_now
}

/// The header of a good token.
pub(crate) fn header(kid: &str) -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": kid})
}

/// The claims of a good token of an issuer.
pub(crate) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "ann", "aud": AUDIENCE, "name": "Ann", "groups": ["staff"], "plan": "gold",
        "iat": seconds(0), "exp": seconds(300),
    })
}

/// The same with one claim changed, or taken out by null.
pub(crate) fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    let members = changed.as_object_mut().expect("claims are an object");
    match value {
        Value::Null => {
            members.remove(name);
        }
        value => {
            members.insert(name.to_owned(), value);
        }
    }
    changed
}
