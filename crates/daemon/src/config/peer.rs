use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::value::{ValueError, as_text};

/// Where a peer is reached: `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr. However it was written, it has one form, so
/// that one address is one peer: names are in small letters and end in no dot, and a multiaddr that says no more than the
/// other forms is written as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer(String);

impl Peer {
    /// Its one form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, out of either notation.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        split_authority(&self.0).or_else(|| Multiaddr::split(&self.0).map(|address| (address.host, address.port)))
    }
}

impl FromStr for Peer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected =
            "a peer's address: write host:port, ip:port, [ipv6]:port or a multiaddr such as /dns/host/tcp/30300";
        canonical(text.trim()).map(Self).ok_or_else(|| ValueError::new(text, expected))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Peer);

fn canonical(text: &str) -> Option<String> {
    if let Some((host, port)) = split_authority(text) {
        return Some(authority(host, port));
    }
    let Multiaddr { family, host, port, rest } = Multiaddr::split(text)?;
    match family {
        "ip4" | "ip6" | "dns" if rest.is_empty() => Some(authority(host, port)),
        "ip6" => Some(format!("/ip6/{}/tcp/{port}{rest}", host.parse::<Ipv6Addr>().ok()?)),
        _ => Some(format!("/{family}/{}/tcp/{port}{rest}", name(host))),
    }
}

/// An IPv4 address in the form of an IPv6 one is an IPv4 address.
fn authority(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip.to_canonical(), port).to_string(),
        Err(_) => format!("{}:{port}", name(host)),
    }
}

fn name(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn split_authority(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|ip| ip.parse::<Ipv6Addr>().is_ok())?,
        None if is_host(host) => host,
        None => return None,
    };
    Some((host, read_port(port)?))
}

/// `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>`, with `/p2p/<peer>` at the end or not.
struct Multiaddr<'a> {
    family: &'a str,
    host: &'a str,
    port: u16,
    rest: &'a str,
}

impl<'a> Multiaddr<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let (family, after) = text.strip_prefix('/')?.split_once('/')?;
        let (host, after) = after.split_once("/tcp/")?;
        let end = after.find('/').unwrap_or(after.len());
        let (port, rest) = after.split_at(end);
        let fits = match family {
            "ip4" => host.parse::<Ipv4Addr>().is_ok(),
            "ip6" => host.parse::<Ipv6Addr>().is_ok(),
            "dns" | "dns4" | "dns6" => is_host(host),
            _ => false,
        };
        let peer = rest.strip_prefix("/p2p/");
        let ends_well = rest.is_empty() || peer.is_some_and(|peer| !peer.is_empty() && !peer.contains('/'));
        if fits && ends_well { Some(Self { family, host, port: read_port(port)?, rest }) } else { None }
    }
}

fn read_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0 && !text.starts_with('+'))
}

/// An IPv4 address or a DNS name; digits and dots alone must be an address.
fn is_host(host: &str) -> bool {
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return host.parse::<IpAddr>().is_ok();
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_of_every_notation() {
        for (text, host, port) in [
            ("127.0.0.1:30300", "127.0.0.1", 30300),
            ("[::1]:1", "::1", 1),
            ("node-1.example.com:65535", "node-1.example.com", 65535),
            ("node_0:30300", "node_0", 30300),
            ("/ip4/10.0.0.1/tcp/30300", "10.0.0.1", 30300),
            ("/ip6/::1/tcp/30300", "::1", 30300),
            ("/dns/n0/tcp/30300/p2p/16Uiu2HAm", "n0", 30300),
        ] {
            assert_eq!(text.parse::<Peer>().unwrap().host_and_port(), Some((host, port)), "{text}");
        }
    }

    #[test]
    fn one_address_is_one_peer_however_it_is_written() {
        for (form, texts) in [
            (
                "localhost:1",
                &["localhost:1", " LOCALHOST:1 ", "localhost.:1", "localhost:001", "/dns/Localhost/tcp/01"][..],
            ),
            (
                "127.0.0.1:1",
                &["127.0.0.1:1", "/ip4/127.0.0.1/tcp/1", "[::ffff:127.0.0.1]:1", "/ip6/::ffff:7f00:1/tcp/1"],
            ),
            ("[::1]:1", &["[::1]:1", "[0:0::0:1]:1", "/ip6/0::1/tcp/1"]),
            ("[2001:db8::a]:1", &["[2001:DB8::A]:1"]),
            // These say more.
            ("/dns4/n0/tcp/1", &["/dns4/N0./tcp/1"]),
            ("/ip6/::1/tcp/1/p2p/16Uiu2HAm", &["/ip6/0:0::1/tcp/01/p2p/16Uiu2HAm"]),
        ] {
            for text in texts {
                let peer: Peer = text.parse().unwrap();
                assert_eq!(peer.as_str(), form, "{text}");
                assert_eq!(form.parse(), Ok(peer));
            }
        }
    }

    #[test]
    fn what_is_no_peer() {
        for text in [
            "",
            ":1",
            "host",
            "host:",
            "host:0",
            "host:65536",
            "host:+1",
            "1.2.3:4",
            "999.1.1.1:5",
            "::1:5",
            "[::1]",
            "[1.2.3.4]:5",
            "http://h:1",
            "h h:1",
            "-h:1",
            "/ip4/1.2.3.4/udp/1",
            "/ip4/1.2.3.4/tcp/+1",
            "/ip4/x/tcp/1",
            "/dns/h/tcp/1/quic",
            "/dns/h/tcp/1/p2p/",
            "/dns/h/tcp/1/p2p/a/b",
            "/tcp/1",
            "user@h:1",
        ] {
            assert!(text.parse::<Peer>().is_err(), "{text}");
        }
    }
}
