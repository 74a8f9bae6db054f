//! Sign-on.
pub mod expression;
