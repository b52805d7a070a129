//! Addresses that others name: a host and a port, in whichever way they write them.
//!
//! The core dials an address at its pace, however many nodes name it, and takes two texts for two addresses. So one place is
//! dialled as it was written first for the node that is sought there: what one node says of a place keeps nobody from another.
//! A `/dnsaddr` would stand for as many places as whoever has the name likes.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, multiaddr::Protocol};
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::peering::Address;

/// How long a place is known by what was written; longer than the core waits before it dials an address again.
const KNOWN: Duration = Duration::from_secs(60);

/// More than the core dials in that time.
const MOST: usize = 512;

/// Longest text of an address in a record, in bytes.
const LONGEST: usize = 256;

/// A place, and who is expected there.
type Searched = (String, NodeId);

/// Places that were dialled lately because others named them.
///
/// Bound: [`MOST`]; when full, no further one is dialled.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    lately: HashMap<Searched, (Address, Instant)>,
}

impl Learnt {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(Searched, (Address, Instant))>(
        "places dialled lately that others name",
        MOST,
        2 * LONGEST,
        "no further one is dialled",
    );

    /// Notes a dial.
    ///
    /// # Errors
    /// Why it is not to be made, in words.
    pub(super) fn may_dial(
        &mut self,
        (address, parsed): (&Address, &Multiaddr),
        expected: NodeId,
        now: Instant,
    ) -> Result<(), String> {
        let place = place_of(parsed).ok_or("what others name is to be a host and a port")?;
        self.lately.retain(|_, (_, until)| now < *until);
        let searched = (place, expected);
        match self.lately.get(&searched) {
            Some((written, _)) if written != address => Err(format!("the same place was dialled lately as {written}")),
            Some(_) => Ok(()),
            None if self.lately.len() >= MOST => Err("too many places were dialled lately".into()),
            None => {
                self.lately.insert(searched, (address.clone(), now + KNOWN));
                Ok(())
            }
        }
    }
}

/// The same for whatever leads to the same place.
fn place_of(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => ip.to_canonical().to_string(),
        Protocol::Dns(name) => format!("dns {}", plain(&name)),
        Protocol::Dns4(name) => format!("dns4 {}", plain(&name)),
        Protocol::Dns6(name) => format!("dns6 {}", plain(&name)),
        // In one process.
        Protocol::Memory(port) => return Some(format!("memory {port}")),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    let is_all = matches!((parts.next(), parts.next()), (None | Some(Protocol::P2p(_)), None));
    is_all.then(|| format!("{host} {port}"))
}

/// Names are the same in capitals and with the root's dot.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;
    use nuncio_identity::NodeKey;

    use super::*;
    use crate::peering::{Connections, to_multiaddr};

    #[test]
    fn what_others_name_is_a_host_and_a_port_and_an_operator_may_name_more() {
        let (node, now) = (NodeKey::generate().node_id(), Instant::now());
        for address in ["/dnsaddr/many.example/tcp/1", "/dns4/a.example/dns4/b.example/tcp/1", "/ip4/10.0.0.1/tcp/1/ws"]
        {
            let dial = |expected| Connections::default().dial(Address::new(address), expected, now);
            assert!(dial(Some(node)).is_err() && dial(None).is_ok(), "{address}");
        }
    }

    #[test]
    fn a_place_is_dialled_as_it_was_written_first_for_a_while() {
        let (node, mut now, mut connections) = (NodeKey::generate().node_id(), Instant::now(), Connections::default());
        let with_peer = format!("/ip4/10.0.0.1/tcp/80/p2p/{}", PeerId::from(node));
        let places = [
            ["10.0.0.1:80", "/ip4/10.0.0.1/tcp/80", &with_peer, "[::ffff:10.0.0.1]:80"],
            ["a.example:80", "A.example.:80", "/dns/a.example/tcp/80", "/dns/a.EXAMPLE/tcp/80"],
        ];
        for written in places {
            for first in written {
                let mut dialled = |address: &str| connections.dial(Address::new(address), Some(node), now).is_ok();
                assert!(dialled(first) && dialled(first), "{first}");
                assert_eq!(written.into_iter().filter(|address| dialled(address)).count(), 1, "{first}");
                now += KNOWN;
            }
        }
        assert!(connections.dial(Address::new("10.0.0.1:81"), Some(node), now).is_ok(), "another port");
        assert_eq!(connections.learnt.lately.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn what_one_node_says_of_a_place_keeps_nobody_from_another_one_there() {
        let [member, honest] = [(); 2].map(|()| Some(NodeKey::generate().node_id()));
        let (start, mut connections) = (Instant::now(), Connections::default());
        for round in 0..6 {
            let now = start + round * KNOWN / 6;
            let mut dial = |address, expected| connections.dial(Address::new(address), expected, now).is_ok();
            assert!(dial("a.example:80", member));
            assert!(dial("A.example:80", honest), "{round}");
        }
        let again = connections.dial(Address::new("A.example:80"), member, start + KNOWN);
        assert!(again.is_ok(), "no dial makes the while longer");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (node, mut learnt, now) = (NodeKey::generate().node_id(), Learnt::default(), Instant::now());
        let mut dialled = |port: usize| {
            let address = format!("10.0.0.1:{port}");
            learnt.may_dial((&Address::new(&address), &to_multiaddr(&address).unwrap()), node, now).is_ok()
        };
        assert_eq!((1..=2 * MOST).filter(|port| dialled(*port)).count(), MOST);
    }
}
