//! Throwaway authorities: identities, policies and directories for tests, good ones and bad ones.

use std::{
    fs,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use nuncio_identity::{NodeId, NodeKey, Signer};
use nuncio_pki::{
    Certificate, CertificateRequest, Identity, KeyFile, Policy, RevocationList, SharedPolicy,
    authority::{Issued, Issuer, Kind, PrivateKey, RevocationDates, Validity},
};
use rustls_pki_types::UnixTime;

const DAYS: u32 = 365;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A root with one agency, in memory. Another `TestAuthority` is a foreign authority, even under the same names.
#[derive(Debug)]
pub struct TestAuthority {
    root: Arc<Issuer>,
    agency: Issuer,
    /// The RSA authority of the channel port, version 1 as FISCO BCOS's tool makes it; slow to make, so made when
    /// needed.
    channel: OnceLock<Issuer>,
    revoked: Mutex<Option<RevocationList>>,
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

impl TestAuthority {
    /// A root named `chain` with an agency named `agency`, as `build_chain.sh` names them.
    pub fn new() -> Self {
        Self::named("chain", "agency")
    }

    /// A root and an agency of these names.
    ///
    /// # Panics
    /// When a name cannot be a common name.
    pub fn named(root: &str, agency: &str) -> Self {
        Self::below(Arc::new(Issuer::root(root, long()).expect("a root")), agency)
    }

    /// A second agency under the same root.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    #[must_use]
    pub fn agency(&self, name: &str) -> Self {
        Self::below(Arc::clone(&self.root), name)
    }

    /// The root's certificate.
    pub fn root_certificate(&self) -> &Certificate {
        self.root.certificate()
    }

    /// The root itself.
    pub fn root(&self) -> &Issuer {
        &self.root
    }

    /// The agency's certificate.
    pub fn agency_certificate(&self) -> &Certificate {
        self.agency.certificate()
    }

    /// The agency itself.
    pub const fn issuer(&self) -> &Issuer {
        &self.agency
    }

    /// Trust in this root, without lists.
    ///
    /// # Panics
    /// Never for a root made here.
    pub fn policy(&self) -> Policy {
        Policy::new(vec![self.root.certificate().clone()]).expect("a root makes a policy")
    }

    /// The same, swappable.
    pub fn shared_policy(&self) -> SharedPolicy {
        Arc::new(arc_swap::ArcSwap::from_pointee(self.policy()))
    }

    /// A node with a new key and a good certificate.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    pub fn node(&self, name: &str) -> Identity {
        self.identity(&self.issue(name, Validity::days(DAYS)), UnixTime::now())
    }

    /// A node whose certificate ends so long from now.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    pub fn node_for(&self, name: &str, lasts: Duration) -> Identity {
        let now = Duration::from_secs(UnixTime::now().as_secs());
        let validity = Validity { not_before: ago(1), not_after: UnixTime::since_unix_epoch(now + lasts) };
        self.identity(&self.issue(name, validity), UnixTime::now())
    }

    /// A certificate of usual length for the key and names of a node.
    ///
    /// # Panics
    /// When this agency did not issue the node's certificate.
    pub fn renew(&self, identity: &Identity) -> Identity {
        let old = Certificate::from_der(identity.chain[0].clone()).expect("an identity holds a certificate");
        let chain = self.agency.renew(&old, Validity::days(DAYS)).expect("this agency issued it");
        self.judged(identity.key.clone(), &chain, UnixTime::now())
    }

    /// A certificate of this agency for the key and name of any node, which begins now and ends so long from now.
    ///
    /// # Panics
    /// Never for a node made here.
    pub fn certify(&self, identity: &Identity, lasts: Duration) -> Identity {
        let key = PrivateKey::Secp256k1(held_key(identity).clone());
        let request = CertificateRequest::create(&key, Kind::Node, &identity.certificate.name).expect("a node's name");
        let now = UnixTime::now();
        let end = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + lasts);
        let validity = Validity { not_before: now, not_after: end };
        let chain = self.agency.sign_request(&request, Kind::Node, validity).expect("signed by its key");
        self.judged(identity.key.clone(), &chain, now)
    }

    /// A node whose certificate ended yesterday.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    pub fn expired_node(&self, name: &str) -> Identity {
        let last_week = ago(7);
        let validity = Validity { not_before: last_week, not_after: ago(1) };
        self.identity(&self.issue(name, validity), UnixTime::since_unix_epoch(elapsed(2)))
    }

    /// A node whose certificate begins tomorrow.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    pub fn not_yet_valid_node(&self, name: &str) -> Identity {
        let now = Duration::from_secs(UnixTime::now().as_secs());
        let validity = Validity {
            not_before: UnixTime::since_unix_epoch(now + DAY),
            not_after: UnixTime::since_unix_epoch(now + 30 * DAY),
        };
        self.identity(&self.issue(name, validity), UnixTime::since_unix_epoch(now + 2 * DAY))
    }

    /// The first node's certificate with another node's key: stolen or mixed up.
    pub fn mismatched_node(&self, name: &str) -> Identity {
        let (own, other) = (self.node(name), self.node("thief"));
        Identity { key: other.key, ..own }
    }

    /// The files of an SDK as a node's: its key and chain.
    ///
    /// # Panics
    /// When the name cannot be a common name.
    pub fn sdk_as_node(&self, name: &str) -> Identity {
        let issued = self.agency.issue(Kind::Sdk, name, Validity::days(DAYS)).expect("an SDK");
        let key = issued.key.node_key().expect("an SDK's key is on secp256k1").clone();
        let chain = issued.chain[..2].iter().map(|one| one.der().clone()).collect();
        Identity { key: key.into(), chain, ..self.node(name) }
    }

    /// Revokes a node: the agency's list with everything revoked so far.
    ///
    /// # Panics
    /// When this agency did not issue the node's certificate.
    pub fn revoke(&self, identity: &Identity) -> RevocationList {
        self.revoke_certificate(
            &Certificate::from_der(identity.chain[0].clone()).expect("an identity holds a certificate"),
        )
    }

    /// Revokes any certificate that this agency issued: the agency's list with everything revoked so far.
    ///
    /// # Panics
    /// When this agency did not issue it.
    pub fn revoke_certificate(&self, leaf: &Certificate) -> RevocationList {
        let dates = RevocationDates { this_update: UnixTime::now(), next_update: Validity::days(30).not_after };
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let list = self.agency.revoke(&[leaf], revoked.as_ref(), dates).expect("this agency issued it");
        *revoked = Some(list.clone());
        list
    }

    /// Writes `node.key`, `node.crt`, `ca.crt` and `node.nodeid`.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_node_directory(&self, directory: &Path, name: &str) -> NodeId {
        let issued = self.issue(name, Validity::days(DAYS));
        issued.write(directory, Kind::Node).expect("the folder can be written");
        issued.node_id().expect("a node's key is on secp256k1")
    }

    /// Writes `sdk.key`, `sdk.crt` and `ca.crt`: secp256k1, or RSA of X.509 version 1 as SDKs have since FISCO BCOS
    /// 2.9.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_sdk_directory(&self, directory: &Path, rsa: bool) {
        self.write_client_directory(directory, "sdk", rsa);
    }

    /// The same under a name of your choice.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key, or the name cannot be a common name.
    pub fn write_client_directory(&self, directory: &Path, name: &str, rsa: bool) {
        let (issued, kind) = if rsa {
            let issued = self.channel().issue_v1(Kind::SdkRsa, name, Validity::days(DAYS));
            (issued, Kind::SdkRsa)
        } else {
            (self.agency.issue(Kind::Sdk, name, Validity::days(DAYS)), Kind::Sdk)
        };
        issued.expect("a client").write(directory, kind).expect("the folder can be written");
    }

    /// Writes the gateway's RSA set, `node.key`, `node.crt` and `ca.crt` of X.509 version 1, as FISCO BCOS's
    /// `channel_cert/`.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_channel_directory(&self, directory: &Path) {
        let issued = self.channel().issue_v1(Kind::NodeRsa, "FISCO-BCOS", Validity::days(DAYS)).expect("a gateway");
        issued.write(directory, Kind::NodeRsa).expect("the folder can be written");
    }

    /// Writes `operator.key`, `operator.crt` and `ca.crt`, and returns the certificate.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key, or the name cannot be a common name.
    pub fn write_operator_directory(&self, directory: &Path, name: &str) -> Certificate {
        let issued = self.agency.issue(Kind::Operator, name, Validity::days(DAYS)).expect("a common name");
        issued.write(directory, Kind::Operator).expect("the folder can be written");
        let bundle = std::fs::read(directory.join("operator.crt")).expect("it was just written");
        Certificate::from_pem_bundle(&bundle).expect("it was just written").swap_remove(0)
    }

    /// Writes `agency.key`, `agency.crt` and `ca.crt`, as `nuncio ca agency` does.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write_agency_directory(&self, directory: &Path) {
        std::fs::create_dir_all(directory).expect("the folder can be made");
        let key = directory.join("agency.key");
        let pem = self.agency.key().to_pem().expect("the key is in memory");
        private(&key, pem.as_bytes()).expect("the folder can be written");
        std::fs::write(directory.join("agency.crt"), self.agency.certificate().to_pem()).expect("it can be written");
        std::fs::write(directory.join("ca.crt"), self.root.certificate().to_pem()).expect("it can be written");
    }

    /// Writes a node directory whose certificate began yesterday and ends so long from now.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_ending_node_directory(&self, directory: &Path, name: &str, lasts: Duration) -> NodeId {
        let end = Duration::from_secs(UnixTime::now().as_secs()) + lasts;
        let validity = Validity { not_before: ago(1), not_after: UnixTime::since_unix_epoch(end) };
        let issued = self.issue(name, validity);
        issued.write(directory, Kind::Node).expect("the folder can be written");
        issued.node_id().expect("a node's key is on secp256k1")
    }

    /// Writes a node directory whose certificate ended yesterday.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_expired_node_directory(&self, directory: &Path, name: &str) {
        let issued = self.issue(name, Validity { not_before: ago(7), not_after: ago(1) });
        issued.write(directory, Kind::Node).expect("the folder can be written");
    }

    /// Writes an SDK directory on secp256k1 whose certificate ended yesterday.
    ///
    /// # Panics
    /// When the folder cannot be written or holds a key.
    pub fn write_expired_sdk_directory(&self, directory: &Path) {
        let validity = Validity { not_before: ago(7), not_after: ago(1) };
        let issued = self.agency.issue(Kind::Sdk, "sdk", validity).expect("a client");
        issued.write(directory, Kind::Sdk).expect("the folder can be written");
    }

    fn below(root: Arc<Issuer>, agency: &str) -> Self {
        let agency = root.agency(agency, long()).expect("an agency");
        Self { root, agency, channel: OnceLock::new(), revoked: Mutex::new(None) }
    }

    fn issue(&self, name: &str, validity: Validity) -> Issued {
        self.agency.issue(Kind::Node, name, validity).expect("a node")
    }

    fn channel(&self) -> &Issuer {
        self.channel.get_or_init(|| {
            let name = self.agency.certificate().common_name().unwrap_or_default();
            Issuer::rsa_root(&name, long(), true).expect("an RSA root")
        })
    }

    /// `at` must lie within the certificate's validity.
    fn identity(&self, issued: &Issued, at: UnixTime) -> Identity {
        let key = issued.key.node_key().expect("a node's key is on secp256k1").clone();
        self.judged(key, &issued.chain, at)
    }

    fn judged(&self, key: impl Into<Signer>, chain: &[Certificate], at: UnixTime) -> Identity {
        let chain: Vec<_> = chain[..chain.len() - 1].iter().map(|one| one.der().clone()).collect();
        let certificate = self.policy().judge(&chain, at).expect("issued by this authority");
        Identity { key: key.into(), chain, certificate }
    }
}

/// The key of an identity that was made here.
///
/// # Panics
/// When the key is elsewhere.
pub fn held_key(identity: &Identity) -> &NodeKey {
    match &identity.key {
        Signer::Held(key) => key,
        Signer::Remote(key) => panic!("{key:?} is not in this process"),
    }
}

/// A file that its owner alone reads.
fn private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// Authorities began before any certificate of a test that has expired.
fn long() -> Validity {
    Validity { not_before: ago(30), ..Validity::days(DAYS) }
}

fn ago(days: u32) -> UnixTime {
    UnixTime::since_unix_epoch(elapsed(days))
}

fn elapsed(days: u32) -> Duration {
    Duration::from_secs(UnixTime::now().as_secs()) - days * DAY
}

/// An agency as `nuncio ca agency` makes none: authorities below it count. Without what stands above it, it passes for a root.
///
/// # Panics
/// When the openssl command is not here, or does not take the root's key.
pub fn agency_without_pathlen(root: &Issuer, name: &str) -> Issuer {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).expect("a file can be written");
    write("root.key", &root.key().to_pem().expect("a key that is at hand"));
    write("root.crt", &root.certificate().to_pem());
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -days 9 -CA root.crt -CAkey root.key \
                     -keyout agency.key -out agency.crt -addext keyUsage=critical,keyCertSign,cRLSign -subj";
    let mut openssl = Command::new("openssl");
    openssl.args(arguments.split_whitespace()).arg(format!("/CN={name}")).current_dir(&directory);
    let made = openssl.output().expect("the openssl command is needed for this test");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |file: &str| fs::read(directory.path().join(file)).expect("what openssl has written");
    let key = KeyFile::read(&read("agency.key")).and_then(PrivateKey::from_file).expect("a key");
    Issuer::from_parts(key, Certificate::from_pem_bundle(read("agency.crt")).expect("a certificate"))
}
