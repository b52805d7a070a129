//! What the holder of a certificate is: a node, an SDK, an operator.

use std::fmt;

use der::asn1::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use crate::{KeyKind, extensions::Extensions, name::Named};

/// Nuncio's arc, made from a UUID. No number in it reaches 2^31: the ASN.1 readers of Go and of `const-oid` take no larger.
macro_rules! usage {
    ($last:literal) => {
        ObjectIdentifier::new_unwrap(concat!(
            "1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479.",
            $last
        ))
    };
}

/// All below it are roles, of later versions too.
const USAGES: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113556.1.8000.2554.42705.34933.9305.20226.44437.6161110.2163479");
const NODE: ObjectIdentifier = usage!("1");
const SDK: ObjectIdentifier = usage!("2");
const OPERATOR: ObjectIdentifier = usage!("3");

const ORGANISATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// What the holder of a certificate is. Each door demands one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A node of the overlay: links to other nodes, and serves SDKs.
    Node,
    /// A client of a node's SDK port.
    Sdk,
    /// A person or program that operates nodes.
    Operator,
}

/// The roles that a certificate states, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stated {
    /// By an extended key usage of Nuncio's, which is made for it. None here: it is a role of a later version.
    ByUsage(Vec<Role>),
    /// By the subject's OU, as FISCO BCOS's script writes it.
    ByUnit(Vec<Role>),
    /// None: its OU names something else.
    Nothing,
    /// None, and it has no OU either: made by a tool that knows no roles. Whoever tells them apart writes an OU.
    Unmarked,
}

/// Whether a certificate must state the role that a door demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleRule {
    /// It must.
    #[default]
    Required,
    /// It need not, and what its OU says does not count: for networks whose certificates another tool has made. An extended
    /// key usage of Nuncio's still counts.
    Any,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Node, Self::Sdk, Self::Operator];

    /// Its name in lower case, as `nuncio cert issue --kind` takes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Sdk => "sdk",
            Self::Operator => "operator",
        }
    }

    /// The extended key usage that states it, in dots.
    pub fn usage(self) -> String {
        self.oid().to_string()
    }

    /// The OU by which FISCO BCOS's script states it; it knows no operators.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Self::Node => Some("node"),
            Self::Sdk => Some("sdk"),
            Self::Operator => None,
        }
    }

    pub(crate) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Node => NODE,
            Self::Sdk => SDK,
            Self::Operator => OPERATOR,
        }
    }
}

impl Stated {
    /// A usage of ours counts alone; only without one does the OU.
    pub(crate) fn by(extensions: &Extensions, subject: &Named, key: &KeyKind) -> Self {
        let usages = extensions.purposes.as_deref().unwrap_or_default();
        let roles: Vec<Role> = Role::ALL.into_iter().filter(|role| usages.contains(&role.oid())).collect();
        if usages.iter().any(|usage| usage.as_bytes().starts_with(USAGES.as_bytes())) {
            return Self::ByUsage(roles);
        }
        let says = |role: &Role| units(subject).flatten().any(|unit| means(unit, *role, key));
        let roles: Vec<Role> = Role::ALL.into_iter().filter(says).collect();
        if !roles.is_empty() {
            Self::ByUnit(roles)
        } else if units(subject).next().is_none() {
            Self::Unmarked
        } else {
            // Also where nobody can read it: whoever writes an OU tells roles apart.
            Self::Nothing
        }
    }

    /// The roles; empty when none is stated.
    pub fn roles(&self) -> &[Role] {
        match self {
            Self::ByUsage(roles) | Self::ByUnit(roles) => roles,
            Self::Nothing | Self::Unmarked => &[],
        }
    }
}

impl RoleRule {
    /// Whether a door that demands `role` takes a certificate that states these.
    pub fn admits(self, role: Role, stated: &Stated) -> bool {
        // What no OU can state is never presumed: nobody becomes an operator by saying nothing.
        let may_be_presumed = role.unit().is_some();
        match stated {
            Stated::Unmarked => may_be_presumed,
            Stated::ByUsage(roles) => roles.contains(&role),
            Stated::ByUnit(_) | Stated::Nothing => {
                stated.roles().contains(&role) || (self == Self::Any && may_be_presumed)
            }
        }
    }
}

/// FISCO BCOS's script gives the two ends of an RSA channel, node and SDK, one subject with the OU `agency`.
fn means(unit: &str, role: Role, key: &KeyKind) -> bool {
    role.unit().is_some_and(|own| unit == own || (unit == "agency" && matches!(key, KeyKind::Rsa { .. })))
}

/// Every OU; `None` for one that is no text.
fn units(subject: &Named) -> impl Iterator<Item = Option<&str>> {
    let units = subject.attributes().filter(|attribute| attribute.oid == ORGANISATIONAL_UNIT);
    units.map(|attribute| attribute.text.as_deref())
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `no role`, `role node`, `roles node, sdk`.
impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.roles() {
            [] if matches!(self, Self::ByUsage(_)) => f.write_str("a role that this version does not know"),
            [] => f.write_str("no role"),
            [role] => write!(f, "role {role}"),
            roles => {
                let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                write!(f, "roles {}", names.join(", "))
            }
        }
    }
}
