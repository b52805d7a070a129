//! What one node hands another beside unicasts, and what their cores hear of it, whichever edge carries it.

use nuncio_identity::NodeId;

use crate::{
    Account, BridgeInput, Input, MulticastInput, Priority,
    amop::{Message, Multicast},
    multicast::{Leg, Wanted},
    output::of_source,
};

/// What follows on the bridge's stream of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// From one node to another.
    Message(Message),
    /// To many.
    Multicast(Multicast),
    /// Multicasts of nodes' applications.
    Batch(Leg),
    /// A question for some that are missing.
    Wanted(Wanted),
}

impl Frame {
    /// As the core takes it to which the peer `from` brought it.
    pub fn received(self, from: NodeId) -> Input {
        match self {
            Self::Message(message) => BridgeInput::Received { from, message }.into(),
            Self::Multicast(multicast) => BridgeInput::MulticastReceived { from, multicast }.into(),
            Self::Batch(leg) => MulticastInput::Received { from, leg }.into(),
            Self::Wanted(wanted) => MulticastInput::Wanted { from, wanted }.into(),
        }
    }

    /// What the core is told whose link to `to` had no room for it; nothing of a question, which is asked again.
    pub fn not_sent(self, to: NodeId, account: Account) -> Option<Input> {
        match self {
            Self::Message(message) => Some(BridgeInput::NotSent { to, message }.into()),
            Self::Multicast(multicast) => Some(BridgeInput::MulticastNotSent { to, multicast }.into()),
            Self::Batch(leg) => {
                Some(MulticastInput::NotSent { to, account, priority: leg.priority, leg: Some(Box::new(leg)) }.into())
            }
            Self::Wanted(_) => None,
        }
    }

    /// Bytes of its bodies.
    pub fn length(&self) -> usize {
        match self {
            Self::Message(message) => message.content.length(),
            Self::Multicast(multicast) => multicast.length(),
            Self::Batch(leg) => leg.batch.length(),
            Self::Wanted(_) => 0,
        }
    }

    /// How urgent it is on its link.
    pub const fn priority(&self) -> Priority {
        match self {
            Self::Message(message) => message.header.priority,
            Self::Batch(leg) => leg.priority,
            Self::Multicast(multicast) => multicast.priority,
            Self::Wanted(_) => Priority::Normal,
        }
    }

    /// On which account it waits for its link, of those that the owner of this one has: that of its source.
    pub fn account(&self, account: Account) -> Account {
        let source = match self {
            Self::Message(message) => &message.header.source,
            Self::Multicast(multicast) => &multicast.source,
            Self::Batch(leg) => &leg.batch.origin,
            Self::Wanted(wanted) => &wanted.asker,
        };
        of_source(account, source)
    }

    /// Links that it may still cross.
    pub const fn hops_left(&self) -> u8 {
        match self {
            Self::Message(message) => message.header.hops_left,
            Self::Multicast(multicast) => multicast.hops_left,
            Self::Batch(leg) => leg.hops_left,
            Self::Wanted(wanted) => wanted.hops_left,
        }
    }
}

impl From<Message> for Frame {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<Wanted> for Frame {
    fn from(wanted: Wanted) -> Self {
        Self::Wanted(wanted)
    }
}
