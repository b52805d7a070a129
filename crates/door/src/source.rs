use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a connection comes from, as far as it can be held responsible: an IPv4 address, or an IPv6 /64, which one host
/// commonly has for itself. IPv4 is IPv4 also on a dual-stack socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

/// What surrounds a source: an IPv4 /24 or an IPv6 /48, commonly one organisation's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => prefix_v6(address, 64),
        })
    }
}

impl Source {
    pub(crate) fn network(self) -> Network {
        Network(match self.0 {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
            IpAddr::V6(address) => prefix_v6(address, 48),
        })
    }
}

fn prefix_v6(address: Ipv6Addr, bits: u32) -> IpAddr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_host_cannot_multiply_itself_by_its_ipv6_addresses_or_a_dual_stack_socket() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
    }

    #[test]
    fn networks_are_a_24_and_a_48() {
        assert_eq!(source("192.0.2.1").network(), source("192.0.2.255").network());
        assert_ne!(source("192.0.2.1").network(), source("192.0.3.1").network());
        assert_eq!(source("2001:db8:1:2::1").network(), source("2001:db8:1:ffff::1").network());
        assert_ne!(source("2001:db8:1:2::1").network(), source("2001:db8:2:2::1").network());
    }
}
