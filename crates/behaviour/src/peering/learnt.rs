//! Addresses that others name: a host and a port, in whichever way they write them.
//!
//! The core dials an address at its pace, however many nodes name it, and takes two texts for two addresses. So one place is
//! dialled as it was written first for the node that is sought there: what one node says of a place keeps nobody from another.
//! A `/dnsaddr` would stand for as many places as whoever has the name likes.

use std::{
    collections::{HashMap, VecDeque},
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

/// How often a place is dialled in so long, whoever is said to be there: as often as the core does it for one node.
const DIALS: usize = 10;
const PACE: Duration = Duration::from_secs(30);

/// Most that wait for a turn at one place.
const WAITING: usize = 32;

/// A place, and who is expected there.
type Searched = (String, NodeId);

/// Places that were dialled lately because others named them.
///
/// Bound: [`MOST`], and at each [`WAITING`]; when full, no further one is dialled.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    lately: HashMap<Searched, (Address, Instant)>,
    dials: HashMap<String, Dials>,
}

/// The dials of one place.
#[derive(Debug, Default)]
struct Dials {
    made: VecDeque<Instant>,
    /// Who had no turn yet, whoever came first going first, and until when that counts.
    waiting: VecDeque<(NodeId, Instant)>,
}

impl Dials {
    fn forget(&mut self, now: Instant) {
        self.made.retain(|made| now < *made + PACE);
        self.waiting.retain(|(_, until)| now < *until);
    }

    fn is_empty(&self) -> bool {
        self.made.is_empty() && self.waiting.is_empty()
    }

    /// Whether it is this node's turn.
    fn take(&mut self, node: NodeId, now: Instant) -> bool {
        let free = DIALS.saturating_sub(self.made.len());
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == node);
        if place.unwrap_or(self.waiting.len()) < free {
            place.and_then(|place| self.waiting.remove(place));
            self.made.push_back(now);
            return true;
        }
        if let Some(place) = place {
            self.waiting[place].1 = now + KNOWN;
        } else if self.waiting.len() < WAITING {
            self.waiting.push_back((node, now + KNOWN));
        }
        false
    }
}

impl Learnt {
    pub(crate) const BOUND: Bound = Bound::of_entries::<(Searched, (Address, Instant))>(
        "places dialled lately that others name",
        MOST,
        3 * LONGEST + size_of::<(String, Dials)>() + 2 * (WAITING * size_of::<(NodeId, Instant)>() + DIALS * 16),
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
        self.dials.retain(|_, dials| {
            dials.forget(now);
            !dials.is_empty()
        });
        let searched = (place, expected);
        match self.lately.get(&searched) {
            Some((written, _)) if written != address => {
                return Err(format!("the same place was dialled lately as {written}"));
            }
            None if self.lately.len() >= MOST => return Err("too many places were dialled lately".into()),
            Some(_) => {}
            None => drop(self.lately.insert(searched.clone(), (address.clone(), now + KNOWN))),
        }
        let (place, _) = searched;
        let is_turn = self.dials.len() < MOST || self.dials.contains_key(&place);
        let is_turn = is_turn && self.dials.entry(place).or_default().take(expected, now);
        is_turn.then_some(()).ok_or_else(|| "the place was dialled often lately, for others too".into())
    }
}

/// The same for whatever leads to the same place.
pub(super) fn place_of(address: &Multiaddr) -> Option<String> {
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

    /// However many are said to be there, and in however many ways it is written.
    #[test]
    fn a_place_is_dialled_a_few_times_in_a_while_and_for_each_in_turn() {
        let (start, mut learnt) = (Instant::now(), Learnt::default());
        let nodes: Vec<_> = (0..30).map(|_| NodeKey::generate().node_id()).collect();
        let (mut made, mut served) = (Vec::new(), std::collections::HashSet::new());
        for second in 0..180 {
            let now = start + Duration::from_secs(second);
            for (n, node) in nodes.iter().enumerate() {
                let address: String = "abcde.example:80"
                    .char_indices()
                    .map(|(at, one)| if n >> at & 1 == 1 { one.to_ascii_uppercase() } else { one })
                    .collect();
                if learnt.may_dial((&Address::new(&address), &to_multiaddr(&address).unwrap()), *node, now).is_ok() {
                    made.push(now);
                    served.insert(*node);
                }
            }
        }
        let in_one_while = |first: &Instant| made.iter().filter(|at| **at >= *first && **at < *first + PACE).count();
        assert_eq!(made.iter().map(in_one_while).max(), Some(DIALS));
        assert_eq!(served.len(), nodes.len());
        let other = ("10.0.0.1:80", nodes[0]);
        assert!(
            learnt
                .may_dial((&Address::new(other.0), &to_multiaddr(other.0).unwrap()), other.1, start + 180 * PACE)
                .is_ok()
        );
        assert_eq!((learnt.dials.len(), learnt.lately.len()), (1, 1), "what is over is forgotten");
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
