//! The publisher's side of a unicast: one subscriber after the other is tried until one answers.

mod attempt;
mod choice;
mod exchange;
mod ledger;
mod machine;
mod paths;
mod reach;

pub(super) use machine::Exchanges;
pub(super) use reach::{Publish, Reach};
