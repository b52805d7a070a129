//! Private topics: subscribers prove with a key of the topic that they may hear it.
//!
//! The key has nothing to do with TLS: a topic's owner gives private keys to subscribers and their public keys to
//! publishers. Names and messages are those of FISCO BCOS's Java and Go SDKs, whose clients can be on the other side.
//!
//! # What is promised
//! A signature proves whoever shows it. Somebody with an SDK certificate, but without a key of the topic, can be challenged,
//! hand the challenge to an honest subscriber and show its answer. Two things stop that:
//!
//! | publisher | subscriber | an honest subscriber's signature can prove |
//! |---|---|---|
//! | this client | this client | only itself: challenges are bound to their channel, and signed there only |
//! | this client | an SDK | whoever the nodes let challenge it: it signs whatever it is given |
//! | an SDK | this client, [`Challengers::Any`] | the same: the SDK's challenge is a bare random number |
//! | an SDK | this client, [`Challengers::Nuncio`] | nobody; the SDK gets no answer |
//! | an SDK | an SDK | whoever the nodes let challenge it |
//!
//! Nodes of Nuncio let only those sessions challenge a channel that they asked to, and a channel belongs to the session
//! that listed it first. That holds for every row as long as the nodes of both sides are honest; the first and the fourth hold
//! without. No row protects from a holder of the key who gives it, or signatures, away.

mod challenge;
mod key;
mod publisher;
mod subscriber;
mod verifiers;

pub use key::{TopicKey, TopicKeyError, TopicPublicKey};
pub use publisher::PrivatePublisher;
pub use subscriber::{Challengers, PrivateSubscription};
pub(crate) use verifiers::Verifiers;

const CHANNEL: &str = "#!$VerifyChannel_";

/// The name under which a private topic is subscribed and published to.
fn name(topic: &str) -> String {
    format!("#!$TopicNeedVerify_{topic}")
}

/// The name that tells a node: this client publishes to the private topic and will challenge its subscribers.
fn publisher_name(topic: &str) -> String {
    format!("#!$PushChannel_{}", name(topic))
}

/// A name for one subscriber, where it takes challenges.
fn channel_name(topic: &str) -> String {
    format!("{CHANNEL}{}_{}", name(topic), hex::encode(rand::random::<[u8; 16]>()))
}

/// Whether a name is one for a subscriber of a private topic, given by its whole name.
fn is_channel_of(channel: &str, name: &str) -> bool {
    let suffix = channel.strip_prefix(CHANNEL).and_then(|rest| rest.strip_prefix(name)?.strip_prefix('_'));
    suffix.is_some_and(|suffix| suffix.len() == 32 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
