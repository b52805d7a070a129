use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use nuncio_gateway::ClientName;
use nuncio_identity::NodeId;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Writes a value as its text and reads it from there.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// The permissions of a file, as `chmod` takes them: `0600`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode(pub u32);

impl FromStr for Mode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mode = u32::from_str_radix(text.trim(), 8).ok().filter(|mode| *mode <= 0o777 && mode & 0o600 == 0o600);
        let expected = "permissions with which the owner reads and writes, such as 0600 or 0660";
        mode.map(Self).ok_or_else(|| ValueError::new(text, expected))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

as_text!(Mode);

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct ValueError {
    /// The text.
    pub text: String,
    /// What was expected, in words.
    pub expected: String,
}

impl ValueError {
    pub(super) fn new(text: &str, expected: impl Into<String>) -> Self {
        Self { text: text.to_owned(), expected: expected.into() }
    }
}

/// Where a peer is reached: `host:port`, `ip:port`, `[ipv6]:port` or a multiaddr.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer(String);

impl Peer {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port, out of either notation.
    pub fn host_and_port(&self) -> Option<(&str, u16)> {
        split_authority(&self.0).or_else(|| split_multiaddr(&self.0))
    }
}

impl FromStr for Peer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let peer = Self(text.trim().to_owned());
        match peer.host_and_port() {
            Some((_, port)) if port != 0 => Ok(peer),
            _ => Err(ValueError::new(
                text,
                "a peer's address: write host:port, ip:port, [ipv6]:port or a multiaddr such as /dns/host/tcp/30300",
            )),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

as_text!(Peer);

/// A node ID in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub NodeId);

impl FromStr for Node {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|error| ValueError::new(text, format!("a node ID: {error}")))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Node);

/// An SDK in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sdk(pub ClientName);

impl FromStr for Sdk {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "an SDK: write its public key (128 hexadecimal digits), key:HASH, SERIAL@ISSUER or the SHA-256 \
                        fingerprint of its certificate (64 digits); `nuncio cert inspect` shows them";
        text.parse().map(Self).map_err(|_| ValueError::new(text, expected))
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

as_text!(Sdk);

/// A span of time, written `30s`, `250ms` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parser = jiff::fmt::friendly::SpanParser::new();
        let parsed = parser.parse_unsigned_duration(text.trim()).ok().filter(|duration| !duration.is_zero());
        parsed.map(Self).ok_or_else(|| ValueError::new(text, "a span of time above zero: write 30s, 250ms or 10m"))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = jiff::fmt::friendly::SpanPrinter::new();
        f.write_str(&printer.unsigned_duration_to_string(&self.0))
    }
}

as_text!(Interval);

/// A number of bytes, written `4MiB`, `64KiB` or `1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// As a length in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parsed = text.trim().parse::<bytesize::ByteSize>().ok();
        parsed.map(|size| Self(size.as_u64())).ok_or_else(|| ValueError::new(text, "a size: write 4MiB or 64KiB"))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(unit, _)| self.0 != 0 && self.0.is_multiple_of(*unit)) {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}B", self.0),
        }
    }
}

as_text!(Size);

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people, in colour on a terminal.
    Human,
    /// One JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(ValueError::new(text, "a log format: write human or json")),
        }
    }
}

fn split_authority(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|_| !port.starts_with('+'))?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok())?,
        None if is_host(host) => host,
        None => return None,
    };
    Some((host, port))
}

/// `/ip4|ip6|dns|dns4|dns6/<host>/tcp/<port>`, with `/p2p/<peer>` at the end or not.
fn split_multiaddr(text: &str) -> Option<(&str, u16)> {
    let parts: Vec<_> = text.strip_prefix('/')?.split('/').collect();
    let (address, rest) = parts.split_at_checked(4)?;
    let [family, host, "tcp", port] = address else { return None };
    let fits = match *family {
        "ip4" => host.parse::<std::net::Ipv4Addr>().is_ok(),
        "ip6" => host.parse::<std::net::Ipv6Addr>().is_ok(),
        "dns" | "dns4" | "dns6" => is_host(host),
        _ => false,
    };
    let ends_well = rest.is_empty() || matches!(rest, ["p2p", peer] if !peer.is_empty());
    if fits && ends_well { Some((host, port.parse().ok()?)) } else { None }
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
            "/ip4/x/tcp/1",
            "/dns/h/tcp/1/quic",
            "/tcp/1",
            "user@h:1",
        ] {
            assert!(text.parse::<Peer>().is_err(), "{text}");
        }
    }

    #[test]
    fn spans_and_sizes_are_written_as_they_are_read() {
        for (text, value) in [("30s", 30_000), ("250ms", 250), ("10m", 600_000), ("1h 30m", 5_400_000)] {
            let interval: Interval = text.parse().unwrap();
            assert_eq!(interval.0, Duration::from_millis(value), "{text}");
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        for (text, value) in [("4MiB", 4 << 20), ("64KiB", 65536), ("1000", 1000), ("3GiB", 3 << 30), ("0", 0)] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.0, value, "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
        }
        assert!("30".parse::<Interval>().is_err());
        assert!("-3s".parse::<Interval>().is_err());
        assert!("0s".parse::<Interval>().is_err());
        assert!("4 parsecs".parse::<Size>().is_err());
    }
}
