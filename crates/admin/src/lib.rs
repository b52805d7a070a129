//! The operator's door: HTTP and JSON over a unix socket, and the typed client of it.
//!
//! [`api`] says what goes over the wire, [`server`] serves it from a [`nuncio_node::NodeHandle`] and an
//! [`Operator`], [`client`] asks. Over the unix socket the kernel says who asks; over TCP a token or an operator's
//! certificate does, and nobody is answered without. Who may only look gets no further than to reading.

pub mod api;
mod bounds;
pub mod client;
mod lifetime;
mod openapi;
mod operator;
#[cfg(feature = "otlp")]
mod otlp;
mod resolve;
mod routes;
pub mod server;
mod tokens;

pub use bounds::{LISTENERS, bounds};
pub use client::{Address, Client, ClientError};
pub use lifetime::Lifetime;
pub use openapi::openapi;
pub use operator::Operator;
pub use resolve::is_prefix as is_node_id_prefix;
pub use routes::all as routes;
pub use tokens::{Token, TokenError, TokenFile};
