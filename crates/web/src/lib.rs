//! The door for every language: WebSocket, and plain HTTP to publish, beside the channel port for SDKs of FISCO BCOS 2.x.
//!
//! What comes in here is a client of the gateway as an SDK is ([`nuncio_gateway::Entrance`]): the same certificates and
//! lists, the same rights, quotas and budgets, the same events for the audit log. This crate reads and writes frames and
//! decides nothing. The frames are described in `docs/book/web-door.md`.
//!
//! ```no_run
//! use nuncio_web::Config;
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn open(gateway: nuncio_gateway::Bound) -> Result<(), Box<dyn std::error::Error>> {
//! let web = nuncio_web::bind(Config::new("127.0.0.1:20300".parse()?), gateway.entrance())?;
//! tokio::spawn(gateway.run(CancellationToken::new()));
//! web.run(CancellationToken::new()).await;
//! # Ok(())
//! # }
//! ```

pub mod bounds;
mod config;
mod connection;
mod frame;
mod listener;
mod metered;
mod posted;
mod session;
mod tokens;
mod writing;

pub use config::{Config, Limits};
pub use listener::{Bound, bind};
pub use nuncio_gateway::Holder;
pub use tokens::Tokens;

/// Whether a WebSocket message, text or binary, can be read as a frame: for fuzzers, which look at what else happens.
pub fn is_frame(message: bytes::Bytes, is_text: bool) -> bool {
    if is_text {
        return std::str::from_utf8(&message).is_ok_and(|text| frame::json::read(text).is_ok());
    }
    frame::binary::read(message).is_ok()
}
