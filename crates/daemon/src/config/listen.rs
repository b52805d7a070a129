use std::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::value::ValueError;

/// Most addresses that a node listens at.
const MAX: usize = 8;

/// Where a node listens: one address, written as a text, or several, written as a list. `[::]` is both families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Listen {
    /// In the order in which they were written; at least one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }

    /// Whether one of them has this port; 0 is none yet.
    pub fn has_port(&self, port: u16) -> bool {
        port != 0 && self.0.iter().any(|address| address.port() == port)
    }

    fn checked(addresses: Vec<SocketAddr>) -> Result<Self, String> {
        if addresses.is_empty() || addresses.len() > MAX {
            return Err(format!("{} addresses: a node listens at 1 to {MAX}", addresses.len()));
        }
        let repeated = addresses.iter().enumerate().find(|(at, address)| addresses[..*at].contains(address));
        match repeated.filter(|(_, address)| address.port() != 0) {
            Some((_, address)) => Err(format!("{address} is there twice")),
            None => Ok(Self(addresses)),
        }
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl FromStr for Listen {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expected = "where to listen: write ip:port or [ipv6]:port";
        text.trim().parse().map(|address| Self(vec![address])).map_err(|_| ValueError::new(text, expected))
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
        assert_eq!(read("[\"127.0.0.1:0\", \"127.0.0.1:0\"]").unwrap().addresses().len(), 2);
    }

    #[test]
    fn what_no_node_can_listen_at_is_refused_with_the_reason() {
        for (text, part) in [
            ("[]", "0 addresses"),
            ("[\"0.0.0.0:1\", \"0.0.0.0:1\"]", "0.0.0.0:1 is there twice"),
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
