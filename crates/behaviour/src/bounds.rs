//! What peers can make the behaviour hold, beside what the core does.

use nuncio_bounds::Bound;
use nuncio_wire::{Keyring, status};

use crate::{
    answering::Answering,
    behaviour::TO_JUDGE,
    departures::Departures,
    gossip::{Lane, recognised},
    gossip_recent::Recent,
    inner::{LONG_INTAKE, MAX_QUERIES, SHORT_FRAME, SHORT_INTAKE},
    link_stream,
    names::Names,
    notary::Notary,
    peering::Learnt,
    prover::Prover,
};

/// Every bound of a behaviour with so many links and so many bytes for messages that wait for them.
pub fn bounds(links: usize, link_queues: usize) -> Vec<Bound> {
    let queries =
        Bound::of_bytes("status queries of a peer", MAX_QUERIES * status::MAX_QUERY, "further ones are dropped")
            .in_entries(MAX_QUERIES);
    let answer = Bound::of_bytes("its answer to ours", status::MAX_ANSWER, "it is asked once at a time").in_entries(1);
    let streams = link_stream::bounds(link_queues, SHORT_INTAKE + SHORT_FRAME, LONG_INTAKE, links);
    let own = [
        recognised(links),
        queries.per("link", links),
        answer.per("link", links),
        Answering::BOUND,
        Prover::BOUND,
        TO_JUDGE,
        Notary::BOUND,
        Departures::BOUND,
        Recent::BOUND,
        Keyring::BOUND,
        Names::BOUND,
        Learnt::BOUND,
    ];
    [&streams[..], &Lane::Short.bounds(links), &Lane::Long.bounds(links), &own].concat()
}
