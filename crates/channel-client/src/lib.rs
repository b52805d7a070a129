//! An async Rust client for the FISCO BCOS 2.x channel port.
//!
//! A [`Client`] keeps one TLS connection to one of the nodes it was given. It publishes to topics, subscribes topics and
//! calls JSON-RPC methods. When the connection is lost it goes on with the next node and subscribes everything again.
//!
//! ```no_run
//! use nuncio_channel_client::Client;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder()
//!     .node("127.0.0.1:20200")
//!     .node("127.0.0.1:20201") // taken when the first one is lost
//!     .certificates("sdk") // with ca.crt, sdk.crt and sdk.key
//!     .connect()
//!     .await?;
//!
//! let mut prices = client.subscribe(["prices"]).await?;
//! let answer = client.publish("orders", "buy 5").await?;
//! println!("a subscriber of orders says {answer:?}");
//!
//! while let Some(delivery) = prices.next().await {
//!     println!("{}: {} bytes", delivery.topic, delivery.data.len());
//!     let _ = delivery.respond("seen");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! - A unicast ([`Client::publish`]) ends in the subscriber's answer or in one [`PublishError`], which says by
//!   [`PublishError::may_have_arrived`] whether a subscriber may have seen the message. Nothing is sent twice: the
//!   application decides.
//! - A message is not kept for a subscriber that is away, by the node or here.
//! - A [`Delivery`] dropped without [`Delivery::respond`] is answered with an empty success; one that the
//!   application never took from its [`Subscription`] is declined, so that the node may try another subscriber.
//!
//! # Bounds
//! | queue | bound | when full |
//! |---|---|---|
//! | requests in flight | [`Builder::max_in_flight`] | callers wait, within their time-out |
//! | messages not yet taken from a [`Subscription`] | [`Builder::queue`] | unicasts are declined, multicasts dropped and counted ([`Subscription::missed`]) |
//! | unicasts taken but not answered | 1024 | further ones are declined |
//! | topics | 512 | [`SubscribeError::TooManyTopics`] |
//! | files on their way to a [`FileInbox`], and in all | [`InboxOptions`] | offers are refused with the reason |
//! | challenges of a private topic signed | 600 of Nuncio's publishers, 60 of SDKs a minute | declined and counted |
//! | challenges of a private topic put | 64 in flight, 64 waiting | the node asks again |

mod backoff;
mod builder;
mod client;
mod connection;
mod delivery;
mod dial;
mod driver;
mod files;
mod messages;
mod node_error;
mod options;
mod pending;
mod pool;
mod private;
mod reader;
mod registry;
mod session;
mod shared;
mod status;
mod subscription;
mod writer;

pub use builder::{Builder, ConnectError};
pub use client::{CallError, Client, PublishError};
pub use delivery::{Delivery, Kind, RespondError};
pub use files::{
    Coming, FileError, FileInbox, InboxOptions, Progress, ReceivedFile, SentFile, message as file_message,
};
pub use node_error::{Attempt, NodeError, Stage};
pub use nuncio_channel_protocol::{BlockNotification, ProtocolVersion, ResultCode};
pub use nuncio_protocol::Priority;
pub use pool::{Pool, PoolPrivatePublisher, PoolSubscription};
pub use private::{Challengers, PrivatePublisher, PrivateSubscription, TopicKey, TopicKeyError, TopicPublicKey};
pub use status::Status;
pub use subscription::{SubscribeError, Subscription};

#[cfg(test)]
mod tests;
