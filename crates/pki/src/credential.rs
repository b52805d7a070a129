//! Who somebody is, as a chain that was verified says it.

mod door;
mod role;

use std::sync::Arc;

use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;

pub use self::{
    door::Door,
    role::{Role, RoleRule, Stated},
};
use crate::{Certificate, ChainError, KeyKind, Lists, RevocationList, path::Verified};

/// What a verified chain says of its holder, who passed a door that demands [`role`](Self::role). Nothing else makes one:
/// see [`Policy::judge`](crate::Policy::judge) for nodes,
/// [`ChannelServerTls::client_of`](crate::tls::ChannelServerTls::client_of) for SDKs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The role that the door demands.
    pub role: Role,
    /// The roles that the certificate itself states.
    pub stated: Stated,
    /// The subject's CN: the holder's name; empty when there is none.
    pub name: String,
    /// The issuer's CN: the agency, or the authority where there is no agency; empty when there is none.
    pub agency: String,
    /// The subject, RFC 4514.
    pub subject: String,
    /// The issuer, RFC 4514.
    pub issuer: String,
    /// The public key in a node ID's form; `None` unless it is on secp256k1.
    pub node_id: Option<NodeId>,
    /// What kind of key it is.
    pub key: KeyKind,
    /// The serial number, lower-case hexadecimal.
    pub serial: String,
    /// The first instant at which the certificate itself is valid: of two, the newer begins later.
    pub not_before: UnixTime,
    /// The last instant at which it is valid, and every authority above it.
    pub not_after: UnixTime,
    path: Arc<Verified>,
}

impl Credential {
    pub(crate) fn new(path: Verified, door: Door) -> Self {
        let leaf = &path.leaf;
        Self {
            role: door.role(),
            stated: leaf.stated_roles().clone(),
            name: leaf.common_name().unwrap_or_default(),
            agency: leaf.issuer_common_name().unwrap_or_default(),
            subject: leaf.subject(),
            issuer: leaf.issuer(),
            node_id: leaf.node_id(),
            key: leaf.key_kind(),
            serial: leaf.serial(),
            not_before: leaf.not_before(),
            not_after: path.not_after(),
            path: Arc::new(path),
        }
    }

    /// Whether it was issued later than `other`; or else an authority that is shown with it was, as when a root is rotated and
    /// leaves stay; or else it is for longer.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        let age = |one: &Self| {
            let youngest = one.path.intermediates.iter().map(|above| above.not_before().as_secs()).max();
            (one.not_before.as_secs(), youngest, one.not_after.as_secs())
        };
        age(self) > age(other)
    }

    /// The agencies above the holder as rules name them, from the one below the root down: see
    /// [`nuncio_rights::agency_path`]. The root itself where it issued the certificate, or the root that is trusted here where
    /// a root in its place did.
    pub fn agency_path(&self) -> String {
        path_of(self.path.agencies().rev(), &self.path.anchor)
    }

    /// Whether the trusted authority that `other` stands below is above this holder too, also while one root takes another's
    /// place. `anchors` are those that both were judged by.
    pub fn is_below_root_of(&self, other: &Self, anchors: &[Certificate]) -> bool {
        self.path.is_below_anchor_of(&other.path, anchors)
    }

    /// Whether no agency stands above the holder, but the trusted root, or what takes its place.
    pub fn is_of_root(&self) -> bool {
        self.path.agencies().next().is_none()
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.path.leaf
    }

    /// The list that revokes the certificate or an agency above it, if one does: signed by the very key that issued what
    /// it revokes.
    pub fn revoked_by<'a>(&'a self, lists: &'a Lists) -> Option<&'a RevocationList> {
        self.path.links().find_map(|(certificate, issuer)| lists.revoking(certificate, issuer))
    }

    /// Where lists are required: refuses whoever is of an authority that has none that is current.
    ///
    /// # Errors
    /// [`ChainError::NoCurrentList`].
    pub fn refuse_unlisted(&self, lists: &Lists, now: UnixTime) -> Result<(), ChainError> {
        lists.refuse_unlisted(&self.path, now)
    }

    /// Who issued it, and who issued that, up to the anchor.
    pub fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.path.issuers()
    }

    /// The certificates below the anchor, leaf first.
    pub fn presented(&self) -> impl Iterator<Item = &Certificate> {
        self.path.presented()
    }
}

/// Of agencies, from the one below the root down.
pub(crate) fn path_of<'a>(agencies: impl Iterator<Item = &'a Certificate>, root: &Certificate) -> String {
    let named = |one: &Certificate| one.common_name().unwrap_or_default();
    let names: Vec<_> = agencies.map(named).collect();
    let path = nuncio_rights::agency_path(names.iter().map(String::as_str));
    // An agency without a name is nameless, and not its root.
    if names.is_empty() { named(root) } else { path }
}
