//! What others can make the core hold.

use nuncio_bounds::{Bound, Room};

use crate::{
    Config, MAX_NODES, Output, amop::Amop, gate::Gate, multicast::Multicast, onward::Onward, peering::Peering,
    relay::Relay, routing::Routing, status_sync::StatusSync, trace::Tracing, unicast::Unicast,
};

/// Every bound of a core with these settings and so many links, by the machine that keeps it.
pub fn bounds(config: &Config, links: usize) -> Vec<Room> {
    // At the most, all that waits is done over again, or a message goes to all nodes.
    let outputs = Bound::of_entries::<Output>(
        "what one input causes",
        2 * config.max_exchanges + MAX_NODES,
        0,
        "the next input waits",
    );
    let routing = [&Routing::bounds(links)[..], &[Relay::BOUND]].concat();
    vec![
        Room { name: "gate", bounds: Gate::bounds(links) },
        Room { name: "onward", bounds: Onward::bounds(links).to_vec() },
        Room { name: "peering", bounds: Peering::bounds(config, links) },
        Room { name: "status sync", bounds: StatusSync::bounds(links) },
        Room { name: "routing", bounds: routing },
        Room { name: "unicast", bounds: [&Unicast::bounds(config)[..], &[outputs]].concat() },
        Room { name: "multicast", bounds: Multicast::bounds() },
        Room { name: "traces", bounds: Tracing::bounds().to_vec() },
        Room { name: "AMOP", bounds: Amop::bounds(config) },
    ]
}
