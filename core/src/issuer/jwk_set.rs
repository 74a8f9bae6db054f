//! An issuer's keys as it publishes them (RFC 7517).
//!
//! A set has keys for many uses; those that cannot check a signature here are left
//! out rather than refused. A symmetric key is never taken: everybody could read it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::algorithm::{Algorithm, Family};

/// The largest set that is read, in bytes.
pub const LARGEST_SET: usize = 256 * 1024;

/// The most keys of a set.
pub const MOST_KEYS: usize = 100;

/// RSA keys of 2048 bits at least (RFC 7518, section 3.3) and 8192 at most, in bytes.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// What makes up a public key, in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// Modulus and exponent.
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// A point on a NIST curve.
    Ec {
        /// Its first coordinate.
        x: String,
        /// Its second coordinate.
        y: String,
    },
    /// A point on an Edwards curve.
    Ed {
        /// The encoded point.
        x: String,
    },
}

/// A key that checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// Its name.
    pub kid: Option<String>,
    /// What it is.
    pub family: Family,
    /// What it is made of.
    pub material: Material,
    algorithm: Option<String>,
}

impl Jwk {
    /// Whether it may check a signature by this algorithm.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        let named = self.algorithm.as_deref().is_none_or(|own| own == algorithm.as_str());
        named && self.family == algorithm.family()
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Written {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// Reads a set.
///
/// # Errors
/// A sentence: it is no set, too large, or has no key that checks signatures.
pub fn jwk_set(bytes: &[u8]) -> Result<Vec<Jwk>, String> {
    if bytes.len() > LARGEST_SET {
        return Err(format!("the keys take more than {LARGEST_SET} bytes"));
    }
    let set: Set =
        serde_json::from_slice(bytes).map_err(|_| "this is no JWK set: an object with `keys`".to_owned())?;
    if set.keys.len() > MOST_KEYS {
        return Err(format!("there are {} keys, and {MOST_KEYS} are the most", set.keys.len()));
    }
    let all = set.keys.len();
    let usable: Vec<_> = set.keys.into_iter().filter_map(usable).collect();
    if usable.is_empty() {
        return Err(format!("none of its {all} keys is a public key that checks signatures"));
    }
    Ok(usable)
}

fn usable(value: Value) -> Option<Jwk> {
    let written: Written = serde_json::from_value(value).ok()?;
    let signs = written.r#use.as_deref().is_none_or(|purpose| purpose == "sig");
    let verifies = written.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
    if !signs || !verifies {
        return None;
    }
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let sized = |text: &Option<String>, size| bytes(text.as_ref()?).filter(|bytes| bytes.len() == size);
    let (family, material) = match (written.kty.as_str(), written.crv.as_deref()) {
        ("RSA", _) => {
            let modulus = bytes(written.n.as_ref()?)?;
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            if !RSA_BYTES.contains(&length) {
                return None;
            }
            (Family::Rsa, Material::Rsa { n: written.n?, e: written.e? })
        }
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (family, size) = if curve == "P-256" { (Family::P256, 32) } else { (Family::P384, 48) };
            sized(&written.x, size)?;
            sized(&written.y, size)?;
            (family, Material::Ec { x: written.x?, y: written.y? })
        }
        ("OKP", Some("Ed25519")) => {
            sized(&written.x, 32)?;
            (Family::Ed25519, Material::Ed { x: written.x? })
        }
        _ => return None,
    };
    Some(Jwk { kid: written.kid, family, material, algorithm: written.alg })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(bytes: usize, more: &Value) -> Value {
        let mut key =
            json!({"kty": "RSA", "kid": "one", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB"});
        for (name, value) in more.as_object().into_iter().flatten() {
            key[name] = value.clone();
        }
        key
    }

    fn read(keys: &[Value]) -> Result<Vec<Jwk>, String> {
        jwk_set(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn only_public_keys_that_check_signatures_are_taken() {
        let good = rsa(256, &Value::Null);
        assert_eq!(read(std::slice::from_ref(&good)).map(|keys| keys.len()), Ok(1));
        for bad in [
            json!({"kty": "oct", "kid": "one", "k": URL_SAFE_NO_PAD.encode("everybody reads this")}),
            rsa(255, &Value::Null),
            rsa(1025, &Value::Null),
            rsa(256, &json!({"use": "enc"})),
            rsa(256, &json!({"key_ops": ["sign"]})),
            rsa(256, &json!({"e": null})),
            json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([1; 32])}),
            json!("text"),
        ] {
            assert!(read(std::slice::from_ref(&bad)).is_err(), "{bad}");
            assert_eq!(read(&[bad, good.clone()]).map(|keys| keys.len()), Ok(1));
        }
    }

    #[test]
    fn a_key_serves_its_family_and_the_algorithm_that_it_names() {
        let [any, one] =
            &read(&[rsa(256, &Value::Null), rsa(256, &json!({"alg": "RS512"}))]).expect("keys")[..]
        else {
            unreachable!("two keys")
        };
        assert!(
            any.is_for(Algorithm::RS256) && any.is_for(Algorithm::PS384) && !any.is_for(Algorithm::ES256)
        );
        assert!(one.is_for(Algorithm::RS512) && !one.is_for(Algorithm::RS256));
    }

    #[test]
    fn a_set_has_its_limits() {
        let keys = |count| {
            vec![json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32])}); count]
        };
        assert_eq!(read(&keys(MOST_KEYS)).map(|keys| keys.len()), Ok(MOST_KEYS));
        assert!(read(&keys(MOST_KEYS + 1)).is_err_and(|why| why.contains("101 keys")));
        let large = json!({"keys": keys(1), "more": "x".repeat(LARGEST_SET)}).to_string();
        assert!(jwk_set(large.as_bytes()).is_err_and(|why| why.contains("bytes")));
        assert!(jwk_set(b"[]").is_err() && jwk_set(b"{}").is_err() && jwk_set(b"<html>").is_err());
    }
}
