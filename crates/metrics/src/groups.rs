//! The groups of metrics, one file for each.

mod amop;
mod core;
mod files;
mod gossip;
mod links;
mod node;
mod refusals;
mod tables;
mod unicast;

pub use amop::{Amop, PublishEnd, PublishKind};
pub use core::{Core, Reachability, TraceReport};
pub use files::{FileRefusal, Files};
pub use gossip::{Gossip, GossipOutcome, Lane};
pub use links::{Direction, DropCause, LinkRefusal, Links, MessageKind, PeerClass, Relayed, Stream};
pub use node::{CastKind, NodeWork, PublishResult};
pub use refusals::{
    AdminRefusal, Cause, EnrolmentRefusal, GateRefusal, IssuerRefusal, ListRefusal, QuotaRefusal, Refusals,
    RightsRefusal, SdkRefusal,
};
pub use tables::NodeTables;
pub use unicast::{CallKind, Served, UnicastCalls, UnicastEnd};
