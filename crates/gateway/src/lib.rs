//! The door for FISCO BCOS 2.x SDKs: channel port, sessions, RPC.
//!
//! SDKs connect by TLS and speak frames of the channel protocol; the gateway says to the core what they do
//! ([`nuncio_protocol::amop::ClientInput`]) and to them what the core decides
//! ([`nuncio_protocol::amop::ClientOutput`]). It decides nothing itself but who is let in and how much.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use nuncio_gateway::{Clients, Config, NodeInfo};
//! use nuncio_pki::tls::{ChannelPaths, channel_server_config};
//! use tokio::sync::mpsc;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn open(info: Arc<dyn NodeInfo>) -> Result<(), Box<dyn std::error::Error>> {
//! let tls = channel_server_config(&ChannelPaths::in_directory("node0/conf"))?;
//! let config = Config::new("127.0.0.1:20200".parse()?, tls);
//!
//! let clients = Arc::new(Clients::new());
//! let (inputs, core) = mpsc::channel(1024);
//! let gateway = nuncio_gateway::bind(config, Arc::clone(&clients), inputs, info).await?;
//! tokio::spawn(gateway.run(CancellationToken::new()));
//! # drop(core);
//! # Ok(())
//! # }
//! ```

mod access;
pub mod bounds;
mod clients;
mod config;
mod counters;
mod ending;
mod entrance;
mod intake;
mod listener;
mod member;
mod node_info;
mod port;
mod priorities;
pub mod rpc;
mod session;
mod tenants;
mod tls;
mod visitors;

pub use access::{Access, ClientName, ClientNameError, Denial, IssuerName, SessionCertificate};
pub use clients::{Clients, DeniedTopics};
pub use config::{Config, Limits, Timeouts, Version};
pub use counters::Statistics;
pub use ending::{Ending, Wrong};
pub use entrance::Entrance;
pub use intake::{Intake, Unfinished};
pub use listener::{Bound, Owner, Renewal, Seat, Sessions, Sitter, address, bind};
pub use member::{CoreGone, End, Holder, Letter, Member, NotPublished, Stay};
pub use node_info::{NodeFacts, NodeInfo};
pub use nuncio_channel_protocol::{BlockNotification, FrameKind, FrameSeq, ResultCode, TopicVerification};
pub use nuncio_pki::Credential;
pub use port::{BindError, Port};
pub use priorities::{NamedTwice, Priorities};
pub use tenants::{Lease, OverBudget};
pub use tls::{Opening, Refusal};
