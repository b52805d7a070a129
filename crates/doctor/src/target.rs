use std::{fmt, str::FromStr};

/// Where to look: a host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port, not 0.
    pub port: u16,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not HOST:PORT, such as node0.example:30300, 10.0.0.1:30300 or [::1]:30300")]
pub struct TargetError {
    text: String,
}

/// Longest name that DNS knows, in bytes.
const MAX_HOST: usize = 253;

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        parse(text).ok_or_else(|| TargetError { text: text.chars().take(MAX_HOST).collect() })
    }
}

fn parse(text: &str) -> Option<Target> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().ok().map(|_| address)?,
        None => host,
    };
    let strange = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '[' | ']' | '@');
    let sound = !host.is_empty() && host.len() <= MAX_HOST && !host.contains(strange);
    // An IPv6 address without brackets has no end that could be told from its port.
    let ambiguous = bracketed.is_none() && host.contains(':');
    (sound && !ambiguous).then(|| Target { host: host.to_owned(), port })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for text in ["node0:30300", "10.0.0.1:1", "[::1]:30300", "a.example:65535"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let wrong =
            ["", "node0", ":1", "node0:", "node0:0", "node0:65536", "::1:30300", "[node0]:1", "http://a:80", "a b:1"];
        for text in wrong {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
