//! Which SDKs may stay, beyond what TLS has verified.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use nuncio_audit::{Audit, Event};
use nuncio_identity::NodeId;
use nuncio_metrics::{Cause, SdkRefusal};
use nuncio_pki::{Certificate, ChainError, Credential, Edition, Lists, Role, RoleRule, Stated, tls::ChannelServerTls};
use nuncio_protocol::amop::ClientId;
use nuncio_rights::{Key, Party};
use rustls_pki_types::UnixTime;
use tokio_util::sync::CancellationToken;

mod issuer_name;

pub use issuer_name::IssuerName;

/// Names an SDK in a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ClientName {
    /// Its key on secp256k1, whatever certificate it shows: 128 hexadecimal digits, as node IDs are written.
    Key(NodeId),
    /// Its key of any kind, likewise: `key:` and the SHA-256 of the key, see [`key_id`](nuncio_pki::Certificate::key_id), 64 digits.
    KeyHash([u8; 32]),
    /// One certificate, by its issuer and serial number: `SERIAL@ISSUER`, the issuer as RFC 4514 or `openssl` writes it.
    Issued {
        /// Lower-case hexadecimal without leading zeros.
        serial: String,
        /// The issuer's name.
        issuer: IssuerName,
    },
    /// One certificate, by its SHA-256 fingerprint, lower-case hexadecimal; the twin of its signature changes nothing.
    Fingerprint(String),
}

impl ClientName {
    /// The name that a new certificate for the same key, or the same certificate in other bytes, does not change.
    pub(crate) fn of_key(client: &Credential) -> Self {
        client.node_id.map_or_else(|| Self::KeyHash(client.certificate().key_id()), Self::Key)
    }

    /// Every name of a client.
    pub(crate) fn all_of(client: &Credential) -> Vec<Self> {
        let certificate = client.certificate();
        let serial = significant(&certificate.serial());
        let issued = IssuerName::read(&certificate.issuer()).map(|issuer| Self::Issued { serial, issuer });
        let fingerprints = certificate.fingerprints().into_iter().map(Self::Fingerprint);
        let keys = client.node_id.map(Self::Key).into_iter().chain([Self::KeyHash(certificate.key_id())]);
        keys.chain(fingerprints).chain(issued).collect()
    }
}

/// The client as rules name it, served by this node.
pub(crate) fn party(client: &Credential, node: Option<&Party>) -> Party {
    let point = client.node_id.map(|id| Key::Point(*id.as_bytes()));
    let keys = point.into_iter().chain([Key::Hash(client.certificate().key_id())]).collect();
    Party { keys, node: node.cloned().map(Box::new), ..Party::sdk(client.agency_path(), client.name.clone()) }
}

/// A text that names no SDK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no SDK: write its public key (128 hexadecimal digits), key:HASH, SERIAL@ISSUER or the SHA-256 fingerprint of its certificate (64 digits); `nuncio cert inspect` shows them"
)]
pub struct ClientNameError {
    text: String,
}

impl FromStr for ClientName {
    type Err = ClientNameError;

    fn from_str(text: &str) -> Result<Self, ClientNameError> {
        let read = if let Some((serial, issuer)) = text.split_once('@') {
            let serial = digits(serial).filter(|serial| !serial.is_empty());
            serial
                .zip(IssuerName::read(issuer))
                .map(|(serial, issuer)| Self::Issued { serial: significant(&serial), issuer })
        } else if let Some(hash) = text.trim().strip_prefix("key:") {
            let hash = digits(hash).and_then(|hash| hex::decode(hash).ok()?.try_into().ok());
            hash.map(Self::KeyHash)
        } else {
            digits(text).and_then(|digits| match digits.parse() {
                Ok(node) => Some(Self::Key(node)),
                Err(_) => (digits.len() == 64).then_some(Self::Fingerprint(digits)),
            })
        };
        read.ok_or_else(|| ClientNameError { text: text.chars().take(160).collect() })
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(node) => node.fmt(f),
            Self::KeyHash(hash) => write!(f, "key:{}", hex::encode(hash)),
            Self::Issued { serial, issuer } => write!(f, "{serial}@{issuer}"),
            Self::Fingerprint(digits) => f.write_str(digits),
        }
    }
}

/// Hexadecimal digits, lower case, without the colons between them.
fn digits(text: &str) -> Option<String> {
    let digits: String = text.trim().chars().filter(|c| *c != ':').collect::<String>().to_ascii_lowercase();
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(digits)
}

fn significant(serial: &str) -> String {
    serial.trim_start_matches('0').to_owned()
}

/// Who may use the gateway. Replaced as a whole while it runs, see [`crate::Renewal::set_access`].
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Empty: everyone whom TLS admits. Else its members only.
    pub allow: BTreeSet<ClientName>,
    /// Never these; beats `allow`.
    pub deny: BTreeSet<ClientName>,
    /// Revocation lists in force, and whether they are required.
    pub lists: Lists,
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
    #[error("its certificate is on revocation list {edition} of {issuer}")]
    Revoked {
        /// Which list.
        edition: Edition,
        /// Who revoked it.
        issuer: String,
    },
    /// Its chain holds no more, or cannot be checked.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Denial {
    /// What it is counted as.
    pub(crate) fn refusal(&self) -> SdkRefusal {
        match self {
            Self::Denied | Self::NotAllowed => SdkRefusal::Access,
            Self::OtherRole { .. } => SdkRefusal::Role,
            Self::Revoked { .. } => SdkRefusal::Revoked,
            Self::Chain(error) => of_chain(error),
        }
    }
}

/// What a certificate that does not hold is counted as.
pub(crate) fn of_chain(error: &ChainError) -> SdkRefusal {
    SdkRefusal::named(error.fault().name()).unwrap_or(SdkRefusal::Chain)
}

impl Access {
    /// Judges a client that TLS has verified and that wants to come in.
    ///
    /// # Errors
    /// Why it may not.
    pub fn admit(&self, client: &Credential) -> Result<(), Denial> {
        self.judge(client)?;
        Ok(client.refuse_unlisted(&self.lists, UnixTime::now())?)
    }

    /// Judges a client that is in.
    ///
    /// # Errors
    /// Why it may not stay.
    pub fn judge(&self, client: &Credential) -> Result<(), Denial> {
        if !self.roles.admits(Role::Sdk, &client.stated) {
            return Err(Denial::OtherRole { stated: client.stated.clone() });
        }
        self.judge_names(&ClientName::all_of(client))?;
        match client.revoked_by(&self.lists) {
            Some(list) => Err(Denial::Revoked { edition: list.edition().clone(), issuer: list.issuer() }),
            None => Ok(()),
        }
    }
}

impl Access {
    fn judge_names(&self, names: &[ClientName]) -> Result<(), Denial> {
        let listed = |list: &BTreeSet<ClientName>| names.iter().any(|name| list.contains(name));
        if listed(&self.deny) {
            return Err(Denial::Denied);
        }
        if !self.allow.is_empty() && !listed(&self.allow) {
            return Err(Denial::NotAllowed);
        }
        Ok(())
    }
}

/// A certificate under which SDKs have sessions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionCertificate {
    /// It, then those above it as they were judged, without the root.
    pub chain: Vec<Certificate>,
    /// Who issued it, and who issued that, up to the authority that is trusted here.
    pub issuers: Vec<Certificate>,
    /// How many.
    pub sessions: usize,
}

/// The access and the authorities in force, and the sessions under them.
#[derive(Debug)]
pub(crate) struct Guard {
    access: ArcSwap<Access>,
    tls: ArcSwap<ChannelServerTls>,
    sessions: Mutex<HashMap<ClientId, Watched>>,
    /// Those who have shown no certificate, by the name that lists have for them.
    tokens: Mutex<HashMap<ClientId, (ClientName, CancellationToken)>>,
    audit: Audit,
}

#[derive(Debug)]
struct Watched {
    certificate: Credential,
    cut: CancellationToken,
}

impl Guard {
    pub(crate) fn new(access: Access, tls: ChannelServerTls, audit: Audit) -> Self {
        let (access, tls) = (ArcSwap::from_pointee(access), ArcSwap::from_pointee(tls));
        Self { access, tls, sessions: Mutex::default(), tokens: Mutex::default(), audit }
    }

    pub(crate) fn admit(&self, client: &Credential) -> Result<(), Denial> {
        self.access.load().admit(client)
    }

    /// Watches a session from now on: the token is cancelled when it may no longer stay.
    ///
    /// # Errors
    /// Why there is none: lists and authorities may have been replaced since the handshake was judged, and a connection on which
    /// session follows session may stand for days.
    pub(crate) fn watch(&self, client: ClientId, certificate: Credential) -> Result<CancellationToken, Denial> {
        let cut = CancellationToken::new();
        // First, so that none is overlooked by whoever replaces them meanwhile.
        self.sessions().insert(client, Watched { certificate: certificate.clone(), cut: cut.clone() });
        self.judge(&certificate).inspect_err(|_| self.forget(client))?;
        Ok(cut)
    }

    fn judge_name(&self, name: &ClientName) -> Result<(), Denial> {
        self.access.load().judge_names(std::slice::from_ref(name))
    }

    /// The same for a session that is known by a token.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn watch_by_name(&self, client: ClientId, name: ClientName) -> Result<CancellationToken, Denial> {
        let cut = CancellationToken::new();
        self.tokens().insert(client, (name.clone(), cut.clone()));
        self.judge_name(&name).inspect_err(|_| self.forget(client))?;
        Ok(cut)
    }

    /// The certificates under which there are sessions.
    pub(crate) fn certificates(&self) -> Vec<SessionCertificate> {
        let mut found: BTreeMap<Vec<u8>, SessionCertificate> = BTreeMap::new();
        for Watched { certificate: client, .. } in self.sessions().values() {
            let key = client.certificate().der().to_vec();
            let of_certificate = || {
                let (chain, issuers) = (client.presented().cloned().collect(), client.issuers().cloned().collect());
                SessionCertificate { chain, issuers, sessions: 0 }
            };
            found.entry(key).or_insert_with(of_certificate).sessions += 1;
        }
        found.into_values().collect()
    }

    pub(crate) fn forget(&self, client: ClientId) {
        self.sessions().remove(&client);
        self.tokens().remove(&client);
    }

    /// Puts lists into force and cuts the sessions that they do not admit.
    pub(crate) fn set_access(&self, access: Access) {
        self.access.store(access.into());
        self.judge_all();
    }

    /// Puts authorities into force and cuts the sessions that they do not admit.
    pub(crate) fn set_tls(&self, tls: ChannelServerTls) {
        self.tls.store(tls.into());
        self.judge_all();
    }

    fn judge(&self, client: &Credential) -> Result<(), Denial> {
        self.access.load().judge(client)?;
        Ok(self.tls.load().judge_again(client)?)
    }

    fn judge_all(&self) {
        for (client, watched) in &*self.sessions() {
            if let Err(denial) = self.judge(&watched.certificate) {
                self.audit.record(Event::SdkExpelled {
                    refused: Cause::Sdk(denial.refusal()).into(),
                    client: client.0,
                    subject: (&watched.certificate.subject).into(),
                    cause: denial.to_string().into(),
                });
                watched.cut.cancel();
            }
        }
        for (client, (name, cut)) in &*self.tokens() {
            if let Err(denial) = self.judge_name(name) {
                let (client, subject) = (client.0, name.to_string().into());
                self.audit.record(Event::SdkExpelled {
                    refused: Cause::Web(denial.refusal()).into(),
                    client,
                    subject,
                    cause: denial.to_string().into(),
                });
                cut.cancel();
            }
        }
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<ClientId, (ClientName, CancellationToken)>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<ClientId, Watched>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_named_by_its_key_its_fingerprint_or_its_issuer_and_serial() {
        let key = nuncio_identity::NodeKey::generate().node_id();
        assert_eq!(key.to_string().parse(), Ok(ClientName::Key(key)));
        let colons = ["AB"; 32].join(":");
        assert_eq!(colons.parse(), Ok(ClientName::Fingerprint("ab".repeat(32))));
        assert_eq!(format!("key:{colons}").parse(), Ok(ClientName::KeyHash([0xab; 32])));
        let issuer = IssuerName::read("CN=a@b,O=fisco-bcos").unwrap();
        let issued = ClientName::Issued { serial: "4f01".into(), issuer };
        assert_eq!("4f01@/O=fisco-bcos/CN=a@b".parse(), Ok(issued.clone()));
        assert_eq!("00:4F:01@CN=a@b,O=fisco-bcos".parse(), Ok(issued.clone()));
        for name in [ClientName::Key(key), ClientName::KeyHash([1; 32]), issued] {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
        for bad in ["", "ab", "zz", &"0".repeat(65), "key:ab", "@CN=a", "zz@CN=a", "ab@ ", "ab@agencyA"] {
            assert!(bad.parse::<ClientName>().unwrap_err().to_string().contains("cert inspect"), "{bad}");
        }
    }
}
