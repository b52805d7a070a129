//! Private topics: subscribers prove with a key of the topic that they may hear it.
//!
//! The key has nothing to do with TLS: a topic's owner gives private keys to subscribers and their public keys to
//! publishers. Names and challenge are those of FISCO BCOS's Java and Go SDKs, whose clients can be on the other side.

mod key;
mod publisher;
mod subscriber;
mod verifiers;

pub use key::{TopicKey, TopicKeyError, TopicPublicKey};
pub use publisher::PrivatePublisher;
pub use subscriber::PrivateSubscription;
pub(crate) use verifiers::Verifiers;

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
    format!("#!$VerifyChannel_{}_{}", name(topic), hex::encode(rand::random::<[u8; 16]>()))
}
