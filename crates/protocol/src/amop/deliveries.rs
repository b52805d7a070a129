//! The subscriber's side of a unicast: messages at clients here that wait for their acknowledgement.

mod errand;
mod errands;
mod machine;
mod report;
mod shelf;

pub(super) use errand::Asked;
pub(super) use machine::{Deliveries, Outcome, Own};
