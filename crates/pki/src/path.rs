//! From a leaf to an authority: what all checks of this crate share.

use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyUsage};

use crate::{Certificate, ChainError, Who, tls};

/// Most certificates in a presented chain, roots included.
pub(crate) const MAX_CERTIFICATES: usize = 5;

/// Most bytes in a presented chain.
pub(crate) const MAX_BYTES: usize = 16 * 1024;

/// The authorities trusted for something.
#[derive(Debug, Clone)]
pub(crate) struct Anchors {
    certificates: Vec<Certificate>,
    trust: Vec<TrustAnchor<'static>>,
}

/// A chain that was verified: leaf, the intermediates that were needed, and the anchor it ends at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) leaf: Certificate,
    pub(crate) intermediates: Vec<Certificate>,
    pub(crate) anchor: Certificate,
}

/// What the leaf is presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A node of the overlay, on either side of a connection: version 3.
    Node,
    /// A client of the channel port: version 1 too, directly under an anchor.
    Client,
    /// The server of the channel port, likewise.
    Server,
}

impl Anchors {
    /// Fails on the certificate (counted from 0) that cannot be an authority.
    pub(crate) fn new(certificates: Vec<Certificate>) -> Result<Self, (usize, webpki::Error)> {
        let trust = certificates
            .iter()
            .enumerate()
            .map(|(index, certificate)| {
                webpki::anchor_from_trusted_cert(certificate.der())
                    .map(|anchor| anchor.to_owned())
                    .map_err(|error| (index, error))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { certificates, trust })
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// Checks signatures, validity (the anchor's too), versions and authority flags. Names are never compared.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: Leaf,
    ) -> Result<Verified, ChainError> {
        let mut certificates = read(chain)?.into_iter();
        let leaf = certificates.next().ok_or(ChainError::NoCertificate)?;
        if leaf.version() != 3 {
            if purpose != Leaf::Node && leaf.is_v1() {
                return tls::v1_leaf::verify(leaf, &self.certificates, now);
            }
            return Err(ChainError::NotVersion3 { who: Who::named_by(&leaf), version: leaf.version() });
        }
        // Roots prove nothing by being presented, and webpki would report their version instead of the missing issuer.
        let intermediates: Vec<Certificate> =
            certificates.filter(|one| one.version() == 3 && !one.is_self_issued() && !self.holds(one)).collect();
        let usage = if purpose == Leaf::Server { KeyUsage::server_auth() } else { KeyUsage::client_auth() };
        self.verify_v3(leaf, &intermediates, now, usage)
    }

    fn verify_v3(
        &self,
        leaf: Certificate,
        presented: &[Certificate],
        now: UnixTime,
        usage: impl ExtendedKeyUsageValidator,
    ) -> Result<Verified, ChainError> {
        let explain = |error| self.explain(error, &leaf, presented, now);
        let ders: Vec<CertificateDer<'_>> = presented.iter().map(|one| one.der().clone()).collect();
        let end_entity = EndEntityCert::try_from(leaf.der()).map_err(explain)?;
        let path = end_entity
            .verify_for_usage(tls::CERTIFICATE_ALGORITHMS, &self.trust, &ders, now, usage, None, None)
            .map_err(explain)?;
        let intermediates = path
            .intermediate_certificates()
            .filter_map(|used| presented.iter().find(|one| *one.der() == used.der()).cloned())
            .collect();
        let anchor = self.anchor_of(path.anchor(), now)?;
        Ok(Verified { leaf, intermediates, anchor })
    }

    /// webpki never looks at an anchor's validity.
    fn anchor_of(&self, used: &TrustAnchor<'_>, now: UnixTime) -> Result<Certificate, ChainError> {
        let is_used = |trust: &TrustAnchor<'_>| {
            trust.subject == used.subject && trust.subject_public_key_info == used.subject_public_key_info
        };
        let namesakes = self.certificates.iter().zip(&self.trust).filter(|(_, trust)| is_used(trust));
        longest_valid(namesakes.map(|(one, _)| one), now).cloned()
    }

    fn holds(&self, certificate: &Certificate) -> bool {
        self.certificates.contains(certificate)
    }

    fn explain(
        &self,
        error: webpki::Error,
        leaf: &Certificate,
        presented: &[Certificate],
        now: UnixTime,
    ) -> ChainError {
        use webpki::Error as E;
        let who = Who::named_by(leaf);
        match error {
            E::CertExpired { .. } | E::CertNotValidYet { .. } | E::InvalidCertValidity => std::iter::once(leaf)
                .chain(presented)
                .find_map(|one| refuse_time(one, now).err())
                .unwrap_or_else(|| ChainError::Unacceptable { who, reason: error.to_string() }),
            E::UnknownIssuer => {
                let last = top(leaf, presented);
                ChainError::UnknownIssuer { who, issuer: last.issuer() }
            }
            E::InvalidSignatureForPublicKey | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                let forged = std::iter::once(leaf).chain(presented).find(|one| self.has_namesake_of_issuer(one));
                ChainError::WrongIssuerKey { who, issuer: forged.unwrap_or(leaf).issuer() }
            }
            E::EndEntityUsedAsCa | E::PathLenConstraintViolated => {
                ChainError::NotAnAuthority { who, issuer: leaf.issuer() }
            }
            E::CaUsedAsEndEntity => ChainError::AuthorityAsNode { who },
            other => ChainError::Unacceptable { who, reason: other.to_string() },
        }
    }

    fn has_namesake_of_issuer(&self, certificate: &Certificate) -> bool {
        let namesakes = || self.certificates.iter().filter(|one| one.subject_der() == certificate.issuer_der());
        namesakes().count() > 0 && !namesakes().any(|one| certificate.is_signed_by(one))
    }
}

impl Verified {
    /// Each certificate below the anchor with the one that issued it.
    pub(crate) fn links(&self) -> impl Iterator<Item = (&Certificate, &Certificate)> {
        self.presented().zip(self.issuers())
    }

    /// The certificates below the anchor, leaf first.
    pub(crate) fn presented(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.intermediates)
    }

    /// The certificates above the leaf, the anchor last.
    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Certificate> {
        self.intermediates.iter().chain(std::iter::once(&self.anchor))
    }

    /// The last instant at which every certificate of the path is valid.
    pub(crate) fn not_after(&self) -> UnixTime {
        self.issuers().map(Certificate::not_after).fold(self.leaf.not_after(), Ord::min)
    }
}

/// A renewed root (same key) may stand beside the old one: of those valid now, the one that lasts longest counts.
pub(crate) fn longest_valid<'a>(
    anchors: impl Iterator<Item = &'a Certificate>,
    now: UnixTime,
) -> Result<&'a Certificate, ChainError> {
    let (valid, refused): (Vec<_>, Vec<_>) =
        anchors.map(|one| refuse_time(one, now).map(|()| one)).partition(Result::is_ok);
    match valid.into_iter().flatten().max_by_key(|one| one.not_after().as_secs()) {
        Some(anchor) => Ok(anchor),
        None => Err(refused.into_iter().find_map(Result::err).unwrap_or(ChainError::NoCertificate)),
    }
}

/// Refuses a certificate outside its validity.
pub(crate) fn refuse_time(certificate: &Certificate, now: UnixTime) -> Result<(), ChainError> {
    let who = || Who::named_by(certificate);
    if now.as_secs() > certificate.not_after().as_secs() {
        Err(ChainError::Expired { who: who(), not_after: certificate.not_after() })
    } else if now.as_secs() < certificate.not_before().as_secs() {
        Err(ChainError::NotYetValid { who: who(), not_before: certificate.not_before() })
    } else {
        Ok(())
    }
}

fn read(chain: &[CertificateDer<'_>]) -> Result<Vec<Certificate>, ChainError> {
    let bytes = chain.iter().map(|one| one.len()).sum();
    if chain.len() > MAX_CERTIFICATES || bytes > MAX_BYTES {
        return Err(ChainError::TooLong { certificates: chain.len(), bytes });
    }
    chain
        .iter()
        .enumerate()
        .map(|(index, der)| {
            Certificate::from_der(der.clone().into_owned())
                .map_err(|source| ChainError::Unreadable { position: index + 1, source })
        })
        .collect()
}

/// The last certificate that can be reached from the leaf by names: the one whose issuer is missing.
fn top<'a>(leaf: &'a Certificate, presented: &'a [Certificate]) -> &'a Certificate {
    let mut last = leaf;
    for _ in 0..presented.len() {
        match presented.iter().find(|one| one.subject_der() == last.issuer_der()) {
            Some(issuer) => last = issuer,
            None => break,
        }
    }
    last
}
