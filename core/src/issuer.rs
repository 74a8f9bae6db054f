//! Sign-on: whose tokens are believed, what must be true of them, and what may be asked for beside them.
//!
//! An issuer's token is a stranger's text until its signature was checked with a
//! key that the issuer published, and it is for us only if it names us. The
//! network and the cryptography are elsewhere; what is decided is decided here.

mod algorithm;
mod asked;
mod form;
mod jwk_set;
mod outcome;
mod refused;
mod subject;

pub use algorithm::{Algorithm, Family};
pub use asked::{Asked, EndpointRequest, Exchange, OAuthError, TOKEN_TYPE};
pub use jwk_set::{Jwk, LARGEST_SET, MOST_KEYS, Material, jwk_set};
pub use outcome::Outcome;
pub use refused::Refused;
pub use subject::{Expected, SubjectToken};
