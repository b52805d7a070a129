//! The Nuncio overlay as one libp2p [`NetworkBehaviour`](libp2p::swarm::NetworkBehaviour): node-ID unicast with
//! reply, multicast by topic, broadcast, signed status of every node, and the bridge that carries AMOP between
//! nodes.
//!
//! Peers reach a [`Behaviour`] through a transport that admits members only (`nuncio-transport`); a peer ID is the
//! node's secp256k1 key. All decisions are made in `nuncio-protocol`; this crate translates between it and libp2p.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use bytes::Bytes;
//! use futures::StreamExt;
//! use libp2p::{Swarm, swarm::SwarmEvent};
//! use nuncio_behaviour::{Behaviour, Certifier, Config, EpochStore, Event};
//! use nuncio_identity::NodeKey;
//!
//! # async fn two_nodes(
//! #     transport: impl Fn(&NodeKey) -> libp2p::core::transport::Boxed<(libp2p::PeerId, libp2p::core::muxing::StreamMuxerBox)>,
//! #     certifier: Arc<dyn Certifier>,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let node = |key: NodeKey, chain: Vec<Bytes>, epoch: u64| {
//!     let peer = key.node_id().into();
//!     let swarm = libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
//!     Swarm::new(transport(&key), Behaviour::new(Config::new(key, chain, "example", certifier.clone(), epoch)), peer, swarm)
//! };
//! let (alice, bob) = (NodeKey::generate(), NodeKey::generate());
//! let bob_id = bob.node_id();
//! let [first, second] = ["alice", "bob"].map(|name| EpochStore::open(name.as_ref()).and_then(|mut store| store.begin()));
//! let (mut alice, mut bob) = (node(alice, vec![], first?), node(bob, vec![], second?));
//! bob.listen_on("/ip4/127.0.0.1/tcp/30301".parse()?)?;
//! alice.behaviour_mut().add_peer("127.0.0.1:30301")?;
//!
//! loop {
//!     tokio::select! {
//!         event = alice.select_next_some() => match event {
//!             SwarmEvent::Behaviour(Event::LinkUp { peer }) if peer == bob_id => {
//!                 alice.behaviour_mut().request(bob_id, Bytes::from("hello"), Duration::from_secs(5));
//!             }
//!             SwarmEvent::Behaviour(Event::Completed { outcome, .. }) => {
//!                 println!("{:?}", outcome?.body);
//!                 return Ok(());
//!             }
//!             _ => {}
//!         },
//!         event = bob.select_next_some() => {
//!             if let SwarmEvent::Behaviour(Event::Request { inbound, body, .. }) = event {
//!                 bob.behaviour_mut().respond(inbound, body);
//!             }
//!         }
//!     }
//! }
//! # }
//! ```

mod access;
mod answering;
mod behaviour;
mod bounds;
mod bridge;
mod config;
mod departures;
mod epoch;
mod event;
mod gossip;
mod gossip_meter;
mod gossip_pulse;
mod gossip_recent;
mod inner;
mod link_stream;
mod meter;
mod multicast;
mod names;
mod notary;
mod peering;
mod prover;
pub mod state_file;
mod status_sync;
mod unicast;

pub use access::{Certifier, Member};
pub use behaviour::Behaviour;
pub use bounds::bounds;
pub use config::{Config, DescribeDialError};
pub use epoch::{EPOCH_END, EpochError, EpochStore};
pub use event::Event;
pub use multicast::PublishError;
pub use peering::{from_multiaddr, is_place, to_multiaddr};
