//! What connections can make the transport hold.

use nuncio_bounds::Bound;
use nuncio_door::Limits;

use crate::{admission::Admissions, cork::GATHERED, multiplexer::Multiplexer, stack::RECEIVED};

/// What TLS and the socket's ends hold of a connection, in bytes: a record each way, the longest handshake message, and what
/// is to be sent.
const TLS: usize = 192 << 10;

/// Every bound of a transport with so many connections and such a door.
pub fn bounds(connections: usize, door: &Limits) -> Vec<Bound> {
    let of_link = |what, bytes| Bound::of_bytes(what, bytes, "nothing is read or written").per("link", connections);
    let (received, gathered) =
        (of_link("what is read ahead of TLS", RECEIVED), of_link("what gathers for TLS", GATHERED));
    let own = [Multiplexer::bound(connections), of_link("TLS", TLS), received, gathered, Admissions::BOUND];
    own.into_iter().chain(door.bounds(TLS + RECEIVED)).collect()
}
