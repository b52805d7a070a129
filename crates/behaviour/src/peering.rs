//! Dialling: addresses as operators write them, and dials on their way.

mod learnt;

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, Ipv6Addr},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    multiaddr::Protocol,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use nuncio_identity::NodeId;
use nuncio_protocol::peering::{self, Address};

pub(crate) use self::learnt::Learnt;

/// Connections by the core's names, and dials by libp2p's.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    next: u64,
    names: HashMap<ConnectionId, peering::ConnectionId>,
    by_name: BTreeMap<peering::ConnectionId, ConnectionId>,
    dials: HashMap<ConnectionId, Address>,
    learnt: Learnt,
}

impl Connections {
    pub(crate) fn open(&mut self, connection: ConnectionId) -> peering::ConnectionId {
        let name = self.unused_name();
        self.names.insert(connection, name);
        self.by_name.insert(name, connection);
        name
    }

    pub(crate) fn close(&mut self, connection: ConnectionId) -> Option<peering::ConnectionId> {
        let name = self.names.remove(&connection)?;
        self.by_name.remove(&name);
        Some(name)
    }

    /// A name for a connection that the swarm has refused already.
    pub(crate) fn unused_name(&mut self) -> peering::ConnectionId {
        self.next += 1;
        peering::ConnectionId(self.next)
    }

    pub(crate) fn name(&self, connection: ConnectionId) -> Option<peering::ConnectionId> {
        self.names.get(&connection).copied()
    }

    pub(crate) fn by_name(&self, name: peering::ConnectionId) -> Option<ConnectionId> {
        self.by_name.get(&name).copied()
    }

    /// A dial of an address: of one that an operator wrote, or of one at which others say that a node is.
    pub(crate) fn dial(
        &mut self,
        address: Address,
        expected: Option<NodeId>,
        now: Instant,
    ) -> Result<DialOpts, String> {
        let multiaddr = to_multiaddr(address.as_str())?;
        if let Some(node) = expected {
            self.learnt.may_dial((&address, &multiaddr), node, now)?;
        }
        // A reused port turns crossed dials into one TCP simultaneous open, which fails on both ends.
        let options = match expected {
            Some(node) => DialOpts::peer_id(PeerId::from(node))
                .condition(PeerCondition::Always)
                .addresses(vec![multiaddr])
                .allocate_new_port()
                .build(),
            None => DialOpts::unknown_peer_id().address(multiaddr).allocate_new_port().build(),
        };
        self.dials.insert(options.connection_id(), address);
        Ok(options)
    }

    pub(crate) fn dialled(&mut self, connection: ConnectionId) -> Option<Address> {
        self.dials.remove(&connection)
    }
}

/// Reads `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr with a TCP port.
///
/// # Errors
/// What is wrong with it, in words.
pub fn to_multiaddr(text: &str) -> Result<Multiaddr, String> {
    if text.starts_with('/') {
        let address: Multiaddr = text.parse().map_err(|error| format!("no multiaddr: {error}"))?;
        let dialable = address.iter().any(|part| matches!(part, Protocol::Tcp(_) | Protocol::Memory(_)));
        return if dialable { Ok(address) } else { Err("a multiaddr needs a tcp port".into()) };
    }
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
    let port: u16 = port.parse().map_err(|_| format!("{port:?} is no port"))?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ipv6) => Protocol::Ip6(ipv6.parse::<Ipv6Addr>().map_err(|_| format!("{ipv6:?} is no IPv6 address"))?),
        None => match host.parse::<Ipv4Addr>() {
            Ok(ipv4) => Protocol::Ip4(ipv4),
            Err(_) if is_host_name(host) => Protocol::Dns(host.into()),
            Err(_) => return Err(format!("{host:?} is no host name")),
        },
    };
    Ok(Multiaddr::empty().with(host).with(Protocol::Tcp(port)))
}

/// Whether others dial an address that a node tells of itself: a host and a TCP port, and nothing else.
pub fn is_place(address: &Multiaddr) -> bool {
    learnt::place_of(address).is_some()
}

/// An address as operators write it: `ip:port`, `[ipv6]:port`, `host:port`, else the multiaddr itself.
pub fn from_multiaddr(address: &Multiaddr) -> String {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(host)), Some(Protocol::Tcp(port))) => format!("{host}:{port}"),
        (Some(Protocol::Ip6(host)), Some(Protocol::Tcp(port))) => format!("[{host}]:{port}"),
        (Some(Protocol::Dns(host) | Protocol::Dns4(host) | Protocol::Dns6(host)), Some(Protocol::Tcp(port))) => {
            format!("{host}:{port}")
        }
        _ => address.to_string(),
    }
}

fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}
