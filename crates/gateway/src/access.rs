//! Which SDKs may stay, beyond what TLS has verified.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use nuncio_identity::NodeId;
use nuncio_pki::{Certificate, Credential, RevocationList, Role, RoleRule, Stated};
use nuncio_protocol::amop::ClientId;
use tokio_util::sync::CancellationToken;

/// Names an SDK in a list: by its public key (128 hexadecimal digits, as node IDs are written) or by the SHA-256
/// fingerprint of its certificate (64 digits; the only name of an RSA client).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientName {
    /// Its key, whatever certificate it shows.
    Key(NodeId),
    /// One certificate, lower-case hexadecimal.
    Fingerprint(String),
}

impl ClientName {
    /// The name that a new certificate for the same key, or the same certificate in other bytes, does not change, where
    /// there is one.
    pub(crate) fn of_key(client: &Credential) -> Self {
        client.node_id.map_or_else(|| Self::Fingerprint(client.fingerprint.clone()), Self::Key)
    }

    /// Every name of a client.
    pub(crate) fn all_of(client: &Credential) -> Vec<Self> {
        let fingerprint = Self::Fingerprint(client.fingerprint.clone());
        client.node_id.map(Self::Key).into_iter().chain([fingerprint]).collect()
    }
}

/// A text that names no SDK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no SDK: write its public key (128 hexadecimal digits) or the SHA-256 fingerprint of its certificate (64 digits); `nuncio cert inspect` shows both"
)]
pub struct ClientNameError {
    text: String,
}

impl FromStr for ClientName {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, ClientNameError> {
        let digits: String = text.chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
        let is_fingerprint = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.parse() {
            Ok(node) => Ok(Self::Key(node)),
            Err(_) if is_fingerprint => Ok(Self::Fingerprint(digits)),
            Err(_) => Err(ClientNameError { text: text.chars().take(160).collect() }),
        }
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(node) => node.fmt(f),
            Self::Fingerprint(digits) => f.write_str(digits),
        }
    }
}

/// Who may use the gateway. Replaced as a whole while it runs, see [`crate::Renewal::set_access`].
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Empty: everyone whom TLS admits. Else its members only.
    pub allow: BTreeSet<ClientName>,
    /// Never these; beats `allow`.
    pub deny: BTreeSet<ClientName>,
    /// Revocation lists in force.
    pub revocations: Vec<RevocationList>,
    /// Who may have signed them, besides the issuers that a client sends and the authorities of the port itself.
    pub authorities: Vec<Certificate>,
    /// Whether a certificate must state that it is an SDK's; for the sessions that are open, as TLS judges the new ones.
    pub roles: RoleRule,
}

/// Why an SDK may not stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// It is on the deny list.
    #[error("it is on the list of denied SDKs")]
    Denied,
    /// Its certificate is of another role.
    #[error("its certificate has {stated}, and this port takes role sdk only")]
    OtherRole {
        /// What it states.
        stated: Stated,
    },
    /// There is an allow list without it.
    #[error("it is not on the list of allowed SDKs")]
    NotAllowed,
    /// Its certificate is revoked.
    #[error("its certificate is on revocation list {number} of {issuer}")]
    Revoked {
        /// The list's number.
        number: u64,
        /// Who revoked it.
        issuer: String,
    },
}

impl Access {
    /// Judges a client that TLS has verified against `authorities`.
    ///
    /// # Errors
    /// Why it may not stay.
    pub fn judge(&self, client: &Credential, authorities: &[Certificate]) -> Result<(), Denial> {
        if !self.roles.admits(Role::Sdk, &client.stated) {
            return Err(Denial::OtherRole { stated: client.stated.clone() });
        }
        let names = ClientName::all_of(client);
        let listed = |list: &BTreeSet<ClientName>| names.iter().any(|name| list.contains(name));
        if listed(&self.deny) {
            return Err(Denial::Denied);
        }
        if !self.allow.is_empty() && !listed(&self.allow) {
            return Err(Denial::NotAllowed);
        }
        let revoking = client
            .revoked_by(&self.revocations, authorities)
            .or_else(|| client.revoked_by(&self.revocations, &self.authorities));
        match revoking {
            Some(list) => Err(Denial::Revoked { number: list.number(), issuer: list.issuer() }),
            None => Ok(()),
        }
    }
}

/// The access in force and the sessions under it.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    access: ArcSwap<Access>,
    sessions: Mutex<HashMap<ClientId, Watched>>,
}

#[derive(Debug)]
struct Watched {
    certificate: Credential,
    authorities: Vec<Certificate>,
    cut: CancellationToken,
}

impl Guard {
    pub(crate) fn new(access: Access) -> Self {
        Self { access: ArcSwap::from_pointee(access), sessions: Mutex::default() }
    }

    pub(crate) fn judge(&self, client: &Credential, authorities: &[Certificate]) -> Result<(), Denial> {
        self.access.load().judge(client, authorities)
    }

    /// Watches a session from now on: the token is cancelled when it may no longer stay, perhaps at once.
    pub(crate) fn watch(
        &self,
        client: ClientId,
        certificate: Credential,
        authorities: Vec<Certificate>,
    ) -> CancellationToken {
        let cut = CancellationToken::new();
        let watched = Watched { certificate: certificate.clone(), authorities: authorities.clone(), cut: cut.clone() };
        self.sessions().insert(client, watched);
        // The lists may have been replaced since the handshake was judged.
        if self.judge(&certificate, &authorities).is_err() {
            cut.cancel();
        }
        cut
    }

    pub(crate) fn forget(&self, client: ClientId) {
        self.sessions().remove(&client);
    }

    /// Puts lists into force and cuts the sessions that they do not admit.
    pub(crate) fn set(&self, access: Access) {
        self.access.store(access.into());
        for (client, watched) in &*self.sessions() {
            if let Err(denial) = self.judge(&watched.certificate, &watched.authorities) {
                tracing::warn!(client = client.0, subject = %watched.certificate.subject, reason = %denial, "SDK session is cut");
                watched.cut.cancel();
            }
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ClientId, Watched>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_its_key_or_its_fingerprint() {
        let key = nuncio_identity::NodeKey::generate().node_id();
        assert_eq!(key.to_string().parse(), Ok(ClientName::Key(key)));
        let colons = ["AB"; 32].join(":");
        assert_eq!(colons.parse(), Ok(ClientName::Fingerprint("ab".repeat(32))));
        for bad in ["", "ab", "zz", &"0".repeat(65)] {
            assert!(bad.parse::<ClientName>().unwrap_err().to_string().contains("cert inspect"));
        }
    }
}
