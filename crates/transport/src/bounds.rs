//! What connections can make the transport hold.

use nuncio_bounds::Bound;
use nuncio_door::Limits;

use crate::{admission::Admissions, multiplexer::Multiplexer};

/// What TLS and the socket's ends hold of a connection, in bytes: a record each way, the longest handshake message, and what
/// is to be sent.
const TLS: usize = 192 << 10;

/// Every bound of a transport with so many connections and such a door.
pub fn bounds(connections: usize, door: &Limits) -> Vec<Bound> {
    let tls = Bound::of_bytes("TLS", TLS, "nothing is read or written").per("link", connections);
    let own = [Multiplexer::bound(connections), tls, Admissions::BOUND];
    own.into_iter().chain(door.bounds(TLS)).collect()
}
