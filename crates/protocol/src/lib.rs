//! The overlay core: every decision of a Nuncio node, and no I/O.
//!
//! [`Overlay`] is one state machine made of seven: peering (which links to keep), status sync (who is at
//! which version and what it offers), routing (the next hop to every node), unicast (one answer or one
//! error per request), multicast (every message once and in order, or a gap told), AMOP (which
//! subscriber gets a message) and trace (which hops had a message, and when). It reads no clock and draws no
//! randomness of its own: time and a seed are arguments, so that hundreds of nodes can be simulated in one
//! thread with a virtual clock.
//!
//! The driver speaks four verbs: [`Overlay::handle_input`], [`Overlay::handle_timeout`],
//! [`Overlay::poll_timeout`] and [`Overlay::poll_output`]. After every input it drains the outputs.

pub mod amop;
mod bounds;
pub mod bridge;
mod config;
mod copies;
mod dropped;
mod fair;
mod former;
mod forwarding;
mod gate;
pub mod gossip;
mod hashed;
mod header;
mod input;
mod life;
mod limits;
pub mod multicast;
mod onward;
mod outbox;
mod output;
mod overlay;
pub mod peering;
mod priority;
mod relay;
mod routing;
mod schedule;
pub mod status_sync;
mod suspects;
mod timers;
mod topic;
pub mod trace;
mod turn;
pub mod unicast;

pub use amop::BridgeInput;
pub use bounds::bounds;
pub use config::Config;
pub use dropped::Dropped;
pub use gate::Strike;
pub use gossip::GossipInput;
pub use header::{Header, SealEnd};
pub use input::{AccessInput, Input};
pub use limits::{
    LARGE_BODY, MAX_APPLICATION_FIELD, MAX_BODY, MAX_CLIENT_TOPIC_BYTES, MAX_CLIENTS_TOPIC_BYTES, MAX_EXPELLED,
    MAX_FILE_CHUNK, MAX_HOPS, MAX_ISSUERS, MAX_LIFETIME, MAX_MULTICAST_TOPIC_BYTES, MAX_NEIGHBOURS, MAX_NODES,
    MAX_QUESTION, MAX_RELAYED_TOPICS, MAX_SEALING_KEY, MAX_SERVICE_BODY, MAX_STATUS, MAX_TOPIC_BYTES, TOPIC_COST,
};
pub use multicast::MulticastInput;
pub use output::{Account, Output, Sealed};
pub use overlay::{NodeView, Overlay, Start, TopicView};
pub use peering::PeeringInput;
pub use priority::{Priority, UnknownPriority, Urgency, Urgent};
pub use status_sync::StatusInput;
pub use topic::{Topic, TopicError};
pub use trace::TraceInput;
pub use unicast::UnicastInput;
