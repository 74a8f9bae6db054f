//! The runbooks know every condition and every alert, and their blocks mend what they say: each is run where its
//! fault is provoked on real servers, or listed with the reason why not.
#![expect(clippy::panic, reason = "a test whose premise fails ends with its sentence")]

mod block;
mod clocks;
mod compromise;
mod config;
mod covered;
mod leaving;
mod login;
mod lost;
mod nodes;
mod operator;
mod pages;
mod publications;
mod restored;
mod rollouts;
mod rotation;
mod signing;
mod site;
mod source;
mod store;

#[path = "../support/mod.rs"]
mod support;
