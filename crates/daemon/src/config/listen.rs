use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    listeners::{are_in_each_others_way, plain},
    value::ValueError,
};

/// Most addresses that a node listens at.
const MAX: usize = 8;

/// Where a node listens: one address, written as a text, or several, written as a list. `[::]` is both families, and an IPv4
/// address in the form of an IPv6 one is an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Listen {
    /// In the order in which they were written; at least one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }

    fn checked(addresses: Vec<SocketAddr>) -> Result<Self, String> {
        if addresses.is_empty() || addresses.len() > MAX {
            return Err(format!("{} addresses: a node listens at 1 to {MAX}", addresses.len()));
        }
        let pairs =
            addresses.iter().enumerate().flat_map(|(at, one)| addresses[..at].iter().map(move |other| (other, one)));
        match pairs
            .into_iter()
            .find(|(other, one)| are_in_each_others_way(**other, **one) && !are_both_families(other, one))
        {
            Some((other, one)) if other == one => Err(format!("{one} is there twice")),
            Some((other, one)) => Err(format!("{other} and {one} take each other's place: one port of one address")),
            None => Ok(Self(addresses)),
        }
    }
}

/// `[::]` and 0.0.0.0, which it would be by itself.
fn are_both_families(one: &SocketAddr, other: &SocketAddr) -> bool {
    one.ip().is_unspecified() && other.ip().is_unspecified() && one.is_ipv4() != other.is_ipv4()
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(vec![plain(address)])
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "where to listen: write ip:port or [ipv6]:port";
        text.trim().parse::<SocketAddr>().map(Self::from).map_err(|_| ValueError::new(text, expected))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => serializer.collect_str(one),
            several => serializer.collect_seq(several.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            One(String),
            Several(Vec<String>),
        }
        let texts = match Written::deserialize(deserializer) {
            Ok(Written::One(text)) => vec![text],
            Ok(Written::Several(texts)) => texts,
            Err(_) => return Err(de::Error::custom("write \"ip:port\", or a list of such texts")),
        };
        let each = texts.iter().map(|text| text.parse::<Self>().map(|listen| listen.0[0]));
        let addresses = each.collect::<Result<Vec<_>, _>>().map_err(de::Error::custom)?;
        Self::checked(addresses).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::*;

    fn read(value: &str) -> Result<Listen, String> {
        let table: Table = format!("listen = {value}").parse().unwrap();
        table["listen"].clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn one_and_several_are_written_as_they_are_read() {
        for (text, count) in [("\"0.0.0.0:1\"", 1), ("[\"0.0.0.0:1\", \"[::]:1\"]", 2)] {
            let listen = read(text).unwrap();
            assert_eq!(listen.addresses().len(), count, "{text}");
            assert_eq!(toml::Value::try_from(&listen).unwrap().to_string(), text);
        }
        assert_eq!(read("[\"127.0.0.1:1\"]").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(read("\"[::ffff:127.0.0.1]:1\"").unwrap().to_string(), "127.0.0.1:1");
        assert_eq!(read("[\"0.0.0.0:1\", \"[::1]:1\", \"127.0.0.1:2\"]").unwrap().addresses().len(), 3);
        assert_eq!(read("[\"127.0.0.1:0\", \"127.0.0.1:0\"]").unwrap().addresses().len(), 2);
    }

    #[test]
    fn what_no_node_can_listen_at_is_refused_with_the_reason() {
        for (text, part) in [
            ("[]", "0 addresses"),
            ("[\"0.0.0.0:1\", \"0.0.0.0:1\"]", "0.0.0.0:1 is there twice"),
            ("[\"[::ffff:127.0.0.1]:1\", \"127.0.0.1:1\"]", "127.0.0.1:1 is there twice"),
            ("[\"0.0.0.0:1\", \"127.0.0.1:1\"]", "0.0.0.0:1 and 127.0.0.1:1 take each other's place"),
            ("[\"[::]:1\", \"127.0.0.1:1\"]", "[::]:1 and 127.0.0.1:1 take"),
            ("[\"[::1]:1\", \"[::]:1\"]", "[::1]:1 and [::]:1 take"),
            ("\"localhost:1\"", "`localhost:1` is not where to listen"),
            ("[\"x\"]", "`x` is not where to listen"),
            ("1", "a list of such texts"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        let many: Vec<_> = (1..=9).map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        assert!(read(&format!("[{}]", many.join(","))).unwrap_err().contains("9 addresses"));
    }
}
