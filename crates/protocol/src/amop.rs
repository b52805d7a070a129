//! AMOP: publish, deliver, acknowledge, reply.
//!
//! What clients see follows FISCO BCOS 2.x; what nodes say to each other is our own. Its machine is one made of
//! five: subscriptions (who subscribes what), exchanges (the publisher's side of a unicast), deliveries (the subscriber's
//! side), multicasts, and private topics (who has proved itself to whom).

mod budget;
mod client;
mod deliveries;
mod exchanges;
mod guard;
mod input;
mod machine;
mod message;
mod multicasts;
mod pace;
mod private;
mod quotas;
mod subscriptions;

pub use client::{
    ChallengeId, ClientId, ClientInput, ClientOutput, ClientPort, DeliveryId, Kind, PublishSeq, ResultCode, TenantId,
};
use client::{Payer, account_of};
pub use guard::{Refused, publishing, subscribing};
pub use input::BridgeInput;
pub(crate) use machine::Amop;
pub use message::{Content, Destination, Message, Multicast, Post, SealedPost};
pub(crate) use pace::travel;
pub use quotas::PublishLimits;

use crate::Topic;

/// How many subscribers the number beside a topic in a status stands for: beside a channel of a private topic it tells
/// which session has it.
pub(crate) fn subscribers(topic: &Topic, told: u32) -> u32 {
    if private::names::is_channel(topic) { told.min(1) } else { told }
}
