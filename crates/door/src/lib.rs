//! The door of a port: who may stand at it while its handshake is not done.
//!
//! Before a handshake anybody may connect, so nothing is known of a connection but where it comes from. The door counts
//! by [`Source`], an IPv4 address or an IPv6 /64, and by the network around it, an IPv4 /24 or an IPv6 /48:
//!
//! 1. A source that comes too often is refused before any work is done for it: a token bucket per source, and one for
//!    all strangers together.
//! 2. Whoever comes in takes a place. When places are short, the oldest handshake of the most crowded source in the most
//!    crowded network makes room for the newcomer: who is done within milliseconds is never met by those who stay.
//! 3. Sources that the operator has named, and those from where somebody was admitted lately, have places of their own.
//!
//! How long a handshake may last is for the port to say; it drops the [`Place`] then.
//!
//! What grows is bounded, see [`Limits::bounds`].

mod door;
mod familiar;
mod limits;
mod machine;
mod rates;
mod room;
mod source;
mod throttle;

pub use door::{Door, Place};
pub use limits::{BACKLOG, Limits};
pub use machine::Refusal;
pub use source::Source;
pub use throttle::Throttle;
