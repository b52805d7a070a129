//! Where a node listens, all of it: a port that two of its parts want is found before either is bound.

use std::net::{IpAddr, SocketAddr};

use super::Config;

impl Config {
    /// Two listeners of which one would find its place taken by the other.
    pub(super) fn judge_listeners(&self) -> Result<(), (&'static str, String)> {
        let all = self.listeners();
        for (at, (key, address)) in all.iter().enumerate() {
            let taken =
                all[..at].iter().find(|(other, taken)| other != key && are_in_each_others_way(*taken, *address));
            if let Some((other, taken)) = taken {
                let port = address.port();
                return Err((key, format!("port {port} is {}'s, at {taken}", written(other))));
            }
        }
        Ok(())
    }

    /// Those that are switched on, with their keys.
    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let p2p = self.p2p.listen.addresses().iter().map(|address| ("p2p.listen", *address));
        let others = [
            ("gateway.listen", Some(self.gateway.listen).filter(|_| self.gateway.enabled)),
            ("web.listen", Some(self.web.listen).filter(|_| self.web.enabled)),
            ("admin.listen", self.admin.listen),
            ("admin.metrics_listen", self.admin.metrics_listen),
            ("issuer.listen", self.issuer.listen),
        ];
        p2p.chain(others.into_iter().filter_map(|(key, address)| Some((key, address?)))).collect()
    }
}

/// Whether one of two addresses of TCP cannot be listened at while another is. `[::]` is IPv4 too; a port of 0 is none yet.
pub(super) fn are_in_each_others_way(one: SocketAddr, other: SocketAddr) -> bool {
    let (one, other) = (plain(one), plain(other));
    let holds = |all: SocketAddr, one: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    one.port() != 0 && one.port() == other.port() && (one == other || holds(one, other) || holds(other, one))
}

/// An IPv4 address in the form of an IPv6 one, as IPv4.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// `section.key` as operators read it.
fn written(key: &str) -> String {
    key.split_once('.').map_or_else(|| key.to_owned(), |(section, key)| format!("[{section}] {key}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn judged(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("nuncio.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_are_in_each_others_way_as_the_system_has_it() {
        for (one, other, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("0.0.0.0:1", "127.0.0.1:1", true),
            ("0.0.0.0:1", "[::1]:1", false),
            ("[::]:1", "[::1]:1", true),
            ("[::]:1", "127.0.0.1:1", true),
            ("[::]:1", "0.0.0.0:1", true),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1", true),
            ("[::ffff:0.0.0.0]:1", "127.0.0.1:1", true),
            ("[fe80::1%1]:1", "[fe80::1%2]:1", false),
        ] {
            let [one, other] = [one, other].map(|text| text.parse().unwrap());
            assert_eq!(are_in_each_others_way(one, other), expected, "{one} {other}");
            assert_eq!(are_in_each_others_way(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn a_port_that_two_parts_of_the_node_want_is_named_with_both() {
        let web = "[web]\nenabled = true\n";
        for (text, said) in [
            (
                "[gateway]\nlisten = \"127.0.0.1:30300\"".to_owned(),
                "2:10: gateway.listen: port 30300 is [p2p] listen's, at 0.0.0.0:30300",
            ),
            (
                format!("{web}listen = \"127.0.0.1:20200\""),
                "web.listen: port 20200 is [gateway] listen's, at 0.0.0.0:20200",
            ),
            ("[admin]\nlisten = \"127.0.0.1:30300\"".to_owned(), "admin.listen: port 30300 is [p2p] listen's"),
            (
                "[admin]\nlisten = \"127.0.0.1:1\"\nmetrics_listen = \"[::]:1\"".to_owned(),
                "admin.metrics_listen: port 1 is [admin] listen's, at 127.0.0.1:1",
            ),
            (
                "[issuer]\nca = \"ca\"\nlisten = \"127.0.0.1:20200\"".to_owned(),
                "issuer.listen: port 20200 is [gateway] listen's",
            ),
            (
                "[p2p]\nlisten = [\"127.0.0.1:1\", \"127.0.0.2:2\"]\n[admin]\nlisten = \"127.0.0.2:2\"".to_owned(),
                "admin.listen: port 2 is [p2p] listen's, at 127.0.0.2:2",
            ),
        ] {
            let error = judged(&text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        for text in [
            "[p2p]\nlisten = \"127.0.0.1:1\"\n[gateway]\nlisten = \"127.0.0.2:1\"",
            "[p2p]\nlisten = \"127.0.0.1:0\"\n[gateway]\nlisten = \"127.0.0.1:0\"",
            "[gateway]\nenabled = false\n[admin]\nlisten = \"127.0.0.1:20200\"",
        ] {
            judged(text).unwrap();
        }
    }
}
