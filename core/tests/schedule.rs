//! When keys change: the five fields, time zones, periods, and how close firings come; against another implementation too.

#[path = "schedule/closest.rs"]
mod closest;
#[path = "schedule/firings.rs"]
mod firings;
#[path = "schedule/fixtures.rs"]
mod fixtures;
#[path = "schedule/generator.rs"]
mod generator;
#[path = "schedule/mistakes.rs"]
mod mistakes;
#[path = "schedule/oracle.rs"]
mod oracle;
