//! The operator's door: HTTP and JSON over a unix socket, and the typed client of it.
//!
//! [`api`] says what goes over the wire, [`server`] serves it from a [`nuncio_node::NodeHandle`] and an
//! [`Operator`], [`client`] asks. Whoever may open the socket has all authority over the node: the socket is
//! made with mode 0600, and file permissions are the only lock.

pub mod api;
mod bounds;
pub mod client;
mod lifetime;
mod operator;
mod resolve;
mod routes;
pub mod server;

pub use bounds::{LISTENERS, bounds};
pub use client::{Address, Client, ClientError};
pub use lifetime::Lifetime;
pub use operator::{Counter, Operator};
