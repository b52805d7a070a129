use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::Fault;

/// What somebody acts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A node: for its own applications, and for the SDKs that it speaks for elsewhere.
    Node,
    /// An SDK that is connected to this node.
    Sdk,
}

/// A public key, as lists of nodes and SDKs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// On secp256k1: X and Y, 128 hexadecimal digits, as node IDs are written.
    Point([u8; 64]),
    /// Of any kind: `key:` and its SHA-256, 64 digits.
    Hash([u8; 32]),
}

/// A text that names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` names no key: write the 128 hexadecimal digits of a node ID, or key: and 64 digits; `nuncio cert inspect` shows both"
)]
pub struct KeyError {
    text: String,
}

/// Whom a rule is about: whoever fits all that is given. Nothing given is everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// The agency that issued the certificate, or one above that: see [`agency_path`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agency: Option<String>,
    /// The name in the certificate. Given together with the agency, which alone sees to it that names are not given twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Somebody, by what is certified of him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// What he acts as.
    pub role: Role,
    /// His agency: see [`agency_path`].
    pub agency: String,
    /// The name in his certificate.
    pub name: String,
    /// His key, under each of its names.
    pub keys: Vec<Key>,
    /// Of an SDK: the node that serves it.
    pub node: Option<Box<Party>>,
}

/// The same, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What he acts as.
    pub role: Role,
    /// His agency: see [`agency_path`].
    pub agency: &'a str,
    /// The name in his certificate.
    pub name: &'a str,
    /// His key, under each of its names.
    pub keys: &'a [Key],
    /// Of an SDK: the node that serves it. It is in a namespace only where that node is.
    pub node: Option<&'a Party>,
}

/// The agencies above a certificate as rules name them: from the one that the trusted authority itself has named, down, each
/// after a `/`. So no agency can name another one's by an authority that it makes below itself. A `/` within a name reads
/// `%2F`.
pub fn agency_path<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<Cow<'_, str>> = names.into_iter().map(escaped).collect();
    names.join("/")
}

fn escaped(name: &str) -> Cow<'_, str> {
    if name.contains('/') { name.replace('/', "%2F").into() } else { name.into() }
}

impl Party {
    /// An SDK, without keys and node.
    pub fn sdk(agency: impl Into<String>, name: impl Into<String>) -> Self {
        Self { role: Role::Sdk, agency: agency.into(), name: name.into(), keys: Vec::new(), node: None }
    }

    /// A node.
    pub fn node(agency: impl Into<String>, name: impl Into<String>, id: &[u8; 64]) -> Self {
        Self { role: Role::Node, keys: Key::names_of(id).to_vec(), ..Self::sdk(agency, name) }
    }

    /// The same, to be judged.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            role: self.role,
            agency: &self.agency,
            name: &self.name,
            keys: &self.keys,
            node: self.node.as_deref(),
        }
    }
}

impl<'a> Subject<'a> {
    /// The agency that the trusted authority itself has named.
    pub fn top_agency(&self) -> &'a str {
        self.agency.split('/').next().unwrap_or_default()
    }

    /// Every agency by which a rule can mean him: his own, and those above it.
    pub(crate) fn agencies(&self) -> impl Iterator<Item = &'a str> {
        let above = self.agency.match_indices('/').map(|(at, _)| &self.agency[..at]);
        above.chain(std::iter::once(self.agency))
    }
}

impl Who {
    /// Whether it is about him.
    pub fn is(&self, subject: &Subject<'_>) -> bool {
        self.role.is_none_or(|role| role == subject.role)
            && self.key.is_none_or(|key| subject.keys.contains(&key))
            && self.name.as_deref().is_none_or(|name| name == subject.name)
            && self.agency.as_deref().is_none_or(|agency| self.is_of(agency, subject))
    }

    /// Every authority gives names as it likes: one below the agency cannot give those that the agency gave.
    fn is_of(&self, agency: &str, subject: &Subject<'_>) -> bool {
        if self.name.is_some() { subject.agency == agency } else { subject.agencies().any(|one| one == agency) }
    }

    /// Whether it is about everybody.
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        let is_empty = |text: &Option<String>| text.as_ref().is_some_and(String::is_empty);
        if is_empty(&self.agency) || is_empty(&self.name) {
            return Err(Fault::EmptyName);
        }
        // Whoever writes one means many, and a denial of nobody denies nothing.
        if let Some(name) = [&self.agency, &self.name].into_iter().flatten().find(|text| text.contains('*')) {
            return Err(Fault::NoPattern { name: name.clone() });
        }
        if self.name.is_some() && self.agency.is_none() {
            return Err(Fault::NameWithoutAgency { name: self.name.clone().unwrap_or_default() });
        }
        Ok(())
    }
}

impl Key {
    /// Both names of a key on secp256k1.
    pub fn names_of(point: &[u8; 64]) -> [Self; 2] {
        [Self::Point(*point), Self::Hash(Sha256::digest(point).into())]
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = |digits: &str| hex::decode(digits.replace(':', "")).ok();
        let read = match text.trim().strip_prefix("key:") {
            Some(digits) => bytes(digits).and_then(|hash| hash.try_into().ok()).map(Self::Hash),
            None => bytes(text.trim()).and_then(|point| point.try_into().ok()).map(Self::Point),
        };
        read.ok_or_else(|| KeyError { text: text.chars().take(160).collect() })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point(point) => f.write_str(&hex::encode(point)),
            Self::Hash(hash) => write!(f, "key:{}", hex::encode(hash)),
        }
    }
}

/// As in a sentence: `role sdk of agency agencyB`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.name.as_ref().map(|name| format!("name {name:?}")),
            self.agency.as_ref().map(|agency| format!("agency {agency:?}")),
            self.key.as_ref().map(|key| format!("key {:.12}…", key.to_string())),
            self.role.map(|role| format!("role {role}")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "everybody" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::Sdk => "sdk",
        })
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agency: &str) -> Who {
        Who { agency: Some(agency.to_owned()), ..Who::default() }
    }

    #[test]
    fn an_authority_below_an_agency_cannot_give_the_names_that_the_agency_gave() {
        let node3 = Who { name: Some("node3".to_owned()), ..of("agencyB") };
        assert!(node3.is(&Party::node("agencyB", "node3", &[7; 64]).subject()));
        let below = Party::node("agencyB/branch", "node3", &[8; 64]);
        assert!(!node3.is(&below.subject()));
        assert!(of("agencyB").is(&below.subject()));
    }

    #[test]
    fn who_fits_all_that_is_given_is_meant() {
        let (id, hash) = ([7; 64], Key::Hash([9; 32]));
        let sdk = Party { keys: vec![Key::Point(id), hash], ..Party::sdk("agencyB", "shop") };
        let node = Party::node("agencyB", "node0", &id);
        let (role, name) = (Some(Role::Sdk), Some("shop".to_owned()));
        for (who, means_sdk, means_node) in [
            (Who::default(), true, true),
            (of("agencyB"), true, true),
            (of("agencyA"), false, false),
            (of("agency"), false, false),
            (Who { role, ..of("agencyB") }, true, false),
            (Who { name, ..of("agencyB") }, true, false),
            (Who { key: Some(Key::Point(id)), ..Who::default() }, true, true),
            (Who { key: Some(hash), ..Who::default() }, true, false),
            (Who { key: Some(Key::names_of(&id)[1]), ..Who::default() }, false, true),
            (Who { key: Some(hash), ..of("agencyA") }, false, false),
        ] {
            assert_eq!((who.is(&sdk.subject()), who.is(&node.subject())), (means_sdk, means_node), "{who}");
        }
    }

    #[test]
    fn an_agency_below_another_is_that_ones_and_never_a_namesake() {
        let below = Party::sdk(agency_path(["agencyB", "agencyA"]), "sdk");
        assert!(of("agencyB").is(&below.subject()) && of("agencyB/agencyA").is(&below.subject()));
        assert!(!of("agencyA").is(&below.subject()), "agencyB calls its own authority agencyA");
        assert_eq!(below.subject().top_agency(), "agencyB");
        let odd = Party::sdk(agency_path(["agencyA/agencyB"]), "sdk");
        assert_eq!(odd.agency, "agencyA%2FagencyB");
        assert!(!of("agencyA").is(&odd.subject()));
    }

    #[test]
    fn a_key_reads_as_it_is_written() {
        let digits = "ab".repeat(64);
        assert_eq!(digits.parse(), Ok(Key::Point([0xab; 64])));
        assert_eq!(format!("key:{}", ["AB"; 32].join(":")).parse(), Ok(Key::Hash([0xab; 32])));
        for bad in ["", "ab", "key:", "key:ab", &digits[2..], &"zz".repeat(64), "sdk.crt"] {
            assert!(bad.parse::<Key>().unwrap_err().to_string().contains("cert inspect"), "{bad}");
        }
    }
}
