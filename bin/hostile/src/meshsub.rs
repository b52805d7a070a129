//! Gossipsub's messages, as far as an attack needs them.

use bytes::Bytes;
use prost::Message;

/// The stream of short messages, and that of long ones.
pub(crate) const SHORT: &str = "/nuncio/gossip/1.1.0";
pub(crate) const LONG: &str = "/nuncio/gossip-large/1.1.0";

/// The topic of what says only that gossip comes.
pub(crate) const PULSE: &str = "nuncio/pulse";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Rpc {
    #[prost(message, repeated, tag = "1")]
    pub(crate) subscriptions: Vec<Subscription>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) publish: Vec<Published>,
    #[prost(message, optional, tag = "3")]
    pub(crate) control: Option<Control>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Subscription {
    #[prost(bool, optional, tag = "1")]
    pub(crate) subscribe: Option<bool>,
    #[prost(string, optional, tag = "2")]
    pub(crate) topic: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Published {
    /// No honest member's message names its sender so.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) from: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) data: Option<Bytes>,
    #[prost(string, required, tag = "4")]
    pub(crate) topic: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Control {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ihave: Vec<IHave>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) iwant: Vec<IWant>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) graft: Vec<Graft>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) prune: Vec<Prune>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IHave {
    #[prost(string, optional, tag = "1")]
    pub(crate) topic: Option<String>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IWant {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(crate) ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graft {
    #[prost(string, optional, tag = "1")]
    pub(crate) topic: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Prune {
    #[prost(string, optional, tag = "1")]
    pub(crate) topic: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) backoff: Option<u64>,
}

impl Rpc {
    /// One message on a topic.
    pub(crate) fn publish(topic: &str, data: impl Into<Bytes>) -> Self {
        let published = Published { from: None, data: Some(data.into()), topic: topic.to_owned() };
        Self { publish: vec![published], ..Self::default() }
    }

    /// A subscription, or its end.
    pub(crate) fn subscribe(topic: &str, subscribe: bool) -> Self {
        let subscription = Subscription { subscribe: Some(subscribe), topic: Some(topic.to_owned()) };
        Self { subscriptions: vec![subscription], ..Self::default() }
    }

    pub(crate) fn control(control: Control) -> Self {
        Self { control: Some(control), ..Self::default() }
    }

    /// With its length before it, as it travels.
    pub(crate) fn framed(&self) -> Vec<u8> {
        self.encode_length_delimited_to_vec()
    }
}
