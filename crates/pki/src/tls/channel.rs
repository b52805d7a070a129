use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, ServerConfig, ServerConnection, SupportedProtocolVersion,
    client::Resumption,
    crypto::CryptoProvider,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    Certificate, ChainError, Credential, DirectoryError, Door, KeyFile, KeyFileError, KeyKind, RoleRule, Stated,
    directory::read_certificates,
    path::{Anchors, Leaf},
    tls::{Handshake, Refused, SECP256K1_GROUP, chain_verifier::ChainVerifier, channel_provider, refused::Judgement},
};

static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&TLS12];
static FROM_1_2: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Where the files of the channel port are: a node's own on secp256k1, or the RSA set of FISCO BCOS's `channel_cert/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelPaths {
    /// The private key, secp256k1 or RSA, readable by its owner only.
    pub key: PathBuf,
    /// The certificate and what leads to the root; sent as it stands in the file.
    pub cert: PathBuf,
    /// The authorities whose clients may connect.
    pub ca: PathBuf,
    /// A second certificate, RSA, for clients that cannot use one on secp256k1 (JDK 16 and later); a server's only.
    pub rsa: Option<RsaPaths>,
    /// Whether certificates of clients must state the role of an SDK.
    pub roles: RoleRule,
}

/// Where the second certificate of a channel port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsaPaths {
    /// The private key, RSA.
    pub key: PathBuf,
    /// The certificate and what leads to its root.
    pub cert: PathBuf,
    /// Authorities besides [`ChannelPaths::ca`] whose clients may connect.
    pub ca: Option<PathBuf>,
}

impl ChannelPaths {
    /// Every file named.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let second = self.rsa.iter().flat_map(|rsa| [Some(&rsa.key), Some(&rsa.cert), rsa.ca.as_ref()]);
        [&self.key, &self.cert, &self.ca].into_iter().chain(second.flatten())
    }

    /// The names FISCO BCOS's tool uses: `node.key`, `node.crt`, `ca.crt`.
    pub fn in_directory(directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref();
        Self {
            key: directory.join("node.key"),
            cert: directory.join("node.crt"),
            ca: directory.join("ca.crt"),
            rsa: None,
            roles: RoleRule::default(),
        }
    }

    /// The names of an SDK directory: `sdk.key`, `sdk.crt`, `ca.crt`.
    pub fn of_sdk(directory: impl AsRef<Path>) -> Self {
        let directory = directory.as_ref();
        Self {
            key: directory.join("sdk.key"),
            cert: directory.join("sdk.crt"),
            ca: directory.join("ca.crt"),
            rsa: None,
            roles: RoleRule::default(),
        }
    }
}

/// The TLS side of the channel port. Cheap to clone; to renew it, load another and swap.
#[derive(Debug, Clone)]
pub struct ChannelServerTls {
    resolver: Arc<dyn ResolvesServerCert>,
    versions: &'static [&'static SupportedProtocolVersion],
    provider: Arc<CryptoProvider>,
    own: Arc<OwnCertificate>,
    rsa: Option<Arc<OwnCertificate>>,
    anchors: Arc<Anchors>,
}

/// A certificate that the port shows, and which agency it is by.
#[derive(Debug)]
pub struct OwnCertificate {
    certificate: Certificate,
    /// None where no way leads from it to the authorities whose clients may connect.
    place: Option<Place>,
}

/// Where a certificate stands below the authorities whose clients may connect.
#[derive(Debug)]
struct Place {
    holder: Credential,
    agency: String,
    anchors: Vec<Certificate>,
}

impl OwnCertificate {
    fn new(identity: &CertifiedKey, certificate: Certificate, anchors: &Anchors) -> Self {
        let above = identity.cert.iter().skip(1).filter_map(|der| Certificate::from_der(der.clone()).ok());
        let path = anchors.verify_read(&certificate, &above.collect::<Vec<_>>(), UnixTime::now(), Leaf::Server);
        let place = path.ok().map(|path| {
            let holder = Credential::new(path, Door::SdkServer);
            Place { agency: holder.agency_path(), holder, anchors: anchors.certificates().to_vec() }
        });
        Self { certificate, place }
    }

    /// The certificate itself.
    pub const fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its agency as [`Credential::agency_path`] writes it, where a way leads from it to the authorities whose clients may
    /// connect.
    pub fn agency(&self) -> Option<&str> {
        self.place.as_ref().map(|place| &*place.agency)
    }

    /// Whether its agency has issued a client's certificate too. The issuer's name alone proves nothing: whoever may make
    /// authorities below himself names them as he likes, and so does another root that is trusted here.
    pub fn is_by_agency_of(&self, client: &Credential) -> bool {
        let is_at_the_same_place = || match &self.place {
            Some(place) => client.agency_path() == place.agency && place.is_below_root_of(client),
            None => client.issuers().next().is_some_and(|issuer| self.certificate.is_signed_by(issuer)),
        };
        client.issuer == self.certificate.issuer() && is_at_the_same_place()
    }
}

impl Place {
    /// Where no agency stands between, the names are those of trusted authorities.
    fn is_below_root_of(&self, client: &Credential) -> bool {
        self.holder.is_of_root() || self.holder.is_below_root_of(client, &self.anchors)
    }
}

impl ChannelServerTls {
    /// For one connection. Where `guests` may come, a client may show no certificate, and has to prove otherwise who it is.
    ///
    /// # Errors
    /// When rustls refuses the combination.
    pub fn handshake(&self, guests: bool) -> Result<Handshake, rustls::Error> {
        let judgement = Judgement::default();
        let verifier = ChainVerifier::at_door(Arc::clone(&self.anchors), guests, judgement.clone());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(self.versions)?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_cert_resolver(Arc::clone(&self.resolver));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Handshake::new(Arc::new(config), judgement))
    }

    /// The certificate shown to clients.
    pub fn certificate(&self) -> &Certificate {
        self.own.certificate()
    }

    /// The RSA certificate shown to clients that cannot use the other one, if there is one.
    pub fn rsa_certificate(&self) -> Option<&Certificate> {
        self.rsa.as_deref().map(OwnCertificate::certificate)
    }

    /// Both, with their agencies.
    pub fn own(&self) -> impl Iterator<Item = &Arc<OwnCertificate>> {
        std::iter::once(&self.own).chain(&self.rsa)
    }

    /// The authorities whose clients may connect.
    pub fn authorities(&self) -> &[Certificate] {
        self.anchors.certificates()
    }

    /// Whether certificates of clients must state the role of an SDK.
    pub fn roles(&self) -> RoleRule {
        self.anchors.roles()
    }

    /// Judges a client again by the authorities here, which may be others than it was admitted by.
    ///
    /// # Errors
    /// Why it would not be admitted.
    pub fn judge_again(&self, client: &Credential) -> Result<(), ChainError> {
        let chain: Vec<_> = client.presented().map(|one| one.der().clone()).collect();
        self.anchors.verify(&chain, UnixTime::now(), Leaf::Client).map(drop)
    }

    /// Who the client of an accepted connection is.
    ///
    /// # Errors
    /// When it has shown no certificate, or the one that the handshake verified has ended since.
    pub fn client_of(&self, connection: &ServerConnection) -> Result<Credential, Refused> {
        let sent = connection.peer_certificates().ok_or(rustls::Error::NoCertificatesPresented)?;
        Ok(Credential::new(self.anchors.verify(sent, UnixTime::now(), Leaf::Client)?, Door::SdkPort))
    }
}

/// Reads the files of the channel port. Clients must present a certificate that chains to `ca`, of version 3 or 1. TLS 1.2, and 1.3 where no secp256k1 certificate is in play (TLS 1.3 has no
/// code point for them). Key exchange on [`HYBRID_GROUPS`](super::HYBRID_GROUPS), P-256 and
/// secp256k1; no resumption, no key log; host names in the
/// client's hello are ignored. With [`ChannelPaths::rsa`] one port serves all: clients that offer the curve secp256k1 are
/// shown the first certificate, others the RSA one.
///
/// # Errors
/// When a file cannot be used; the text names it.
pub fn channel_server_config(paths: &ChannelPaths) -> Result<ChannelServerTls, TlsConfigError> {
    let end = ChannelEnd::load(paths)?;
    let own = OwnCertificate::new(&end.identity, end.leaf.clone(), &end.anchors).into();
    let anchors = Arc::new(end.anchors.clone());
    let (resolver, rsa): (Arc<dyn ResolvesServerCert>, _) = match &paths.rsa {
        None => (Arc::new(SingleCertAndKey::from(end.identity.clone())), None),
        Some(second) => {
            let (identity, leaf) = load_identity(&second.key, &second.cert)?;
            let rsa = OwnCertificate::new(&identity, leaf, &end.anchors).into();
            (Arc::new(ByCurve { first: end.identity.clone().into(), rsa: identity.into() }), Some(rsa))
        }
    };
    let (versions, provider) = (end.versions(), channel_provider());
    let tls = ChannelServerTls { resolver, versions, provider, own, rsa, anchors };
    tls.handshake(false)?;
    Ok(tls)
}

/// Reads `ca.crt`, `sdk.crt` and `sdk.key` of an SDK directory, secp256k1 or RSA; in a node's directory, where there
/// is no `sdk.key`, `node.crt` and `node.key`. The server's chain is checked, and that it is no SDK's; its name is not:
/// node certificates have none.
///
/// # Errors
/// When a file cannot be used; the text names it.
pub fn channel_client_config(directory: &Path) -> Result<ClientConfig, TlsConfigError> {
    let end = ChannelEnd::load(&client_paths(directory))?;
    let mut config = ClientConfig::builder_with_provider(channel_provider())
        .with_protocol_versions(end.versions())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ChainVerifier::new(end.anchors)))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(end.identity)));
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The roles that the certificate states which [`channel_client_config`] shows.
///
/// # Errors
/// When the certificate cannot be read.
pub fn channel_client_roles(directory: &Path) -> Result<Stated, TlsConfigError> {
    Ok(read_certificates(&client_paths(directory).cert)?[0].stated_roles().clone())
}

fn client_paths(directory: &Path) -> ChannelPaths {
    let (sdk, node) = (ChannelPaths::of_sdk(directory), ChannelPaths::in_directory(directory));
    if !sdk.key.exists() && node.key.exists() { node } else { sdk }
}

/// Why no TLS configuration can be made of some files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be used.
    #[error(transparent)]
    Directory(Box<DirectoryError>),
    /// rustls refuses the combination.
    #[error("TLS cannot be configured")]
    Tls(#[from] rustls::Error),
}

impl TlsConfigError {
    /// The command or file that mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::Directory(error) => error.hint(),
            Self::Tls(_) => "report it with the output of nuncio cert inspect of the certificate".into(),
        }
    }
}

impl From<DirectoryError> for TlsConfigError {
    fn from(source: DirectoryError) -> Self {
        Self::Directory(Box::new(source))
    }
}

struct ChannelEnd {
    identity: CertifiedKey,
    leaf: Certificate,
    anchors: Anchors,
}

impl ChannelEnd {
    fn load(paths: &ChannelPaths) -> Result<Self, DirectoryError> {
        let (identity, leaf) = load_identity(&paths.key, &paths.cert)?;
        let mut ca = read_certificates(&paths.ca)?;
        if let Some(more) = paths.rsa.as_ref().and_then(|rsa| rsa.ca.as_ref()) {
            ca.extend(read_certificates(more)?.into_iter().filter(|one| !ca.contains(one)).collect::<Vec<_>>());
        }
        let anchors = Anchors::new(ca).with_roles(paths.roles);
        Ok(Self { identity, leaf, anchors })
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        let on_secp256k1 = |one: &Certificate| one.key_kind() == KeyKind::Secp256k1;
        if on_secp256k1(&self.leaf) || self.anchors.certificates().iter().any(on_secp256k1) {
            &ONLY_1_2
        } else {
            &FROM_1_2
        }
    }
}

/// A key with the certificates of its file, its own first, and that one.
pub(super) fn load_identity(key: &Path, cert: &Path) -> Result<(CertifiedKey, Certificate), DirectoryError> {
    let signing = KeyFile::load(key).and_then(|file| Ok(file.into_signing_key()?));
    let signing = signing.map_err(|error| match error {
        KeyFileError::File(error) => DirectoryError::File(error),
        KeyFileError::Key(source) => DirectoryError::ChannelKey { path: key.into(), source },
    })?;
    let mut bundle = read_certificates(cert)?;
    let public = signing.public_key();
    let own = bundle.iter().position(|one| public.as_ref() == Some(one.public_key()));
    let Some(own) = own else {
        let subject = bundle[0].subject();
        return Err(DirectoryError::ChannelMismatch { key: key.into(), cert: cert.into(), subject });
    };
    bundle[..=own].rotate_right(1);
    let chain: Vec<CertificateDer<'static>> = bundle.iter().map(|one| one.der().clone()).collect();
    Ok((CertifiedKey::new(chain, signing), bundle.swap_remove(0)))
}

/// Shows the first certificate to clients that know the curve secp256k1, and the RSA one to others.
#[derive(Debug)]
struct ByCurve {
    first: Arc<CertifiedKey>,
    rsa: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ByCurve {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let knows_curve = hello.named_groups().is_some_and(|groups| groups.contains(&SECP256K1_GROUP));
        let can_verify = self.first.key.choose_scheme(hello.signature_schemes()).is_some();
        Some(Arc::clone(if knows_curve && can_verify { &self.first } else { &self.rsa }))
    }
}
