//! What others can make a node hold.

use nuncio_audit::Told;
use nuncio_bounds::{Bound, Room};
use nuncio_door::Limits;
use nuncio_pki::{Anchors, Lists};
use nuncio_protocol::{MAX_EXPELLED, MAX_NODES, MAX_STATUS, amop::ClientInput, unicast::ExchangeId};

use crate::{
    Config, NodeSnapshot, admission::Unlisted, agencies, build::CLIENT_QUEUE, command, event_loop::Waiting,
    lifetimes::Lifetimes, listeners::Listeners, replies, service,
};

/// What an input of a client takes that its gateway does not count, in bytes.
const CLIENT_INPUT: usize = 16 << 10;

/// What a revocation list takes as it is read, for each of its bytes: an entry of twenty bytes becomes one of a map.
const LIST_GROWTH: usize = 5;

/// What the texts of a node in a snapshot take, in bytes.
const SHOWN: usize = 1 << 10;

/// Every bound of a node with these settings of the core, so many links, such a door and so many listeners.
pub fn bounds(overlay: &nuncio_protocol::Config, links: usize, door: &Limits, listeners: usize) -> Vec<Room> {
    let mut rooms = nuncio_protocol::bounds(overlay, links);
    let behaviour = nuncio_behaviour::bounds(links, nuncio_behaviour::Config::LINK_QUEUES);
    rooms.push(Room { name: "links", bounds: behaviour });
    rooms.push(Room { name: "connections", bounds: nuncio_transport::bounds(links, door) });
    rooms.push(Room { name: "node", bounds: own(overlay, listeners) });
    rooms
}

fn own(overlay: &nuncio_protocol::Config, listeners: usize) -> Vec<Bound> {
    vec![
        command::BOUND,
        Bound::of_entries::<ClientInput>(
            "what SDKs want of the core",
            CLIENT_QUEUE,
            CLIENT_INPUT,
            "sessions are not read",
        ),
        Bound::of_entries::<(ExchangeId, Waiting)>(
            "callers that wait",
            overlay.max_exchanges,
            0,
            "requests are refused as busy",
        ),
        Listeners::bound(Config::LISTENER_QUEUE, listeners),
        Listeners::sources_bound(listeners),
        Listeners::turns_bound(listeners),
        Listeners::urgency_bound(),
        service::BOUND,
        replies::BOUND.in_entries(overlay.max_exchanges),
        Bound::of_entries::<[u8; 32]>(
            "signatures on certificates that held, of nodes and of SDKs",
            2 * Anchors::MAX_HELD,
            0,
            "some are checked anew",
        ),
        Bound::of_bytes("revocation lists", LIST_GROWTH * Lists::MAX_BYTES, "longer or further ones are refused")
            .in_entries(Lists::MAX),
        Bound::of_entries::<[u64; 16]>(
            "expelled nodes, with what was refused",
            MAX_EXPELLED,
            MAX_STATUS,
            "further ones are refused by their certificate alone",
        ),
        Unlisted::BOUND,
        Lifetimes::BOUND,
        agencies::BOUND,
        Bound::of_entries::<NodeSnapshot>(
            "what operators are shown",
            2 * MAX_NODES,
            SHOWN,
            "as many as there are nodes",
        ),
        Told::BOUND,
    ]
}
