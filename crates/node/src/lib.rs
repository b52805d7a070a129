//! One running node: a task that drives the swarm, a [`NodeHandle`] to talk to it, and a [`Snapshot`] of what it
//! knows.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use nuncio_node::{Config, build};
//! use nuncio_pki::{Identity, IdentityPaths, Policy};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let (identity, policy) = Identity::load(&IdentityPaths::in_directory("node0/conf"))?;
//! let policy = Arc::new(arc_swap::ArcSwap::from_pointee(policy));
//! let mut config = Config::new(Arc::new(identity), policy, "node0/data".into());
//! config.listen = vec!["0.0.0.0:30300".into()];
//! config.peers = vec!["node1.example:30300".into()];
//!
//! let node = build(config)?;
//! let handle = node.handle();
//! let shutdown = CancellationToken::new();
//! tokio::spawn(node.run(shutdown.clone()));
//! handle.broadcast(Bytes::from("hello, all")).await?;
//! shutdown.cancel();
//! # Ok(())
//! # }
//! ```

mod addresses;
mod admission;
mod agencies;
mod bounds;
mod build;
mod builder;
mod certifier;
mod command;
mod config;
mod event_loop;
mod handle;
mod lifetimes;
mod listener;
mod listeners;
mod node;
mod outrun;
mod publisher;
mod queue;
mod replies;
mod rights;
pub mod service;
mod snapshot;
mod swarm_metrics;
mod turn;
mod view;
mod way;

pub use addresses::MAX_EXTERNAL;
pub use admission::tell_gone;
pub use bounds::bounds;
pub use build::{Bound, BuildError, build};
pub use builder::{Builder, SpawnError};
pub use certifier::PolicyCertifier;
pub use config::Config;
pub use handle::{
    AddPeerError, AddressError, Answer, MessageId, NodeHandle, NotReachable, PublishError, RenewalError, Responder,
};
pub use listener::{Incoming, Listener};
pub use node::Node;
pub use nuncio_behaviour::{EPOCH_END, EpochError, EpochStore, state_file};
pub use publisher::Publisher;
pub use snapshot::{Direction, NodeSnapshot, PeerSnapshot, PeerState, Snapshot, TopicSnapshot};
pub use swarm_metrics::describe as describe_metrics;
pub use way::{FirstHop, Followed, Way, WayStep};
