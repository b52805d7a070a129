use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustls_pki_types::UnixTime;

use super::{
    AGENCY_DAYS, AuthorityError, CERTIFICATE_DAYS, Issued, Issuer, Kind, PrivateKey, ROOT_DAYS, Validity,
    draft::Draft,
    issuer::new_key,
    layout::{bundle, create_directory, holder, keep_key, key_without_certificate, read_key, trust},
    line::sorted,
    renewal,
    rotation::{CROSS, FOLDER, FORMER},
};
use crate::{
    Certificate, CertificateRequest, RevocationFile, RevocationList, certificate::PublicKey,
    directory::read_certificates, instant, path::refuse_issuing,
};

/// A root or an agency in a folder.
///
/// A root's folder holds `ca.crt` and `ca.key`; an agency's `agency.crt`, `agency.key` and the root's `ca.crt`. Both
/// keep an RSA authority for the channel port in `channel/`, and their revocation list in `ca.crl`.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer,
    /// The roots that who is issued something has to trust: while a root is replaced, both.
    trusted: Vec<Certificate>,
    /// How long a signature of its token is waited for; `None` is as long as it takes.
    patience: Option<Duration>,
}

impl Authority {
    /// Makes a new root.
    ///
    /// # Errors
    /// When the folder holds one already, cannot be written, or the name cannot be a common name.
    pub fn init(directory: &Path, name: &str, validity: Validity) -> Result<Self, AuthorityError> {
        refuse_existing(&directory.join("ca.crt"))?;
        let key = key_without_certificate(directory, "ca", || Ok(PrivateKey::secp256k1()))?;
        let issuer = Issuer::self_signed(name, key, validity, false)?;
        create_directory(directory)?;
        write_issuer(directory, "ca", &issuer)?;
        Ok(Self { directory: directory.into(), trusted: issuer.chain().to_vec(), issuer, patience: None })
    }

    /// Opens an agency's folder, or a root's. Folders made by `build_chain.sh` serve too.
    ///
    /// # Errors
    /// When there is no authority in it, or its files do not fit together.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let holds = |base: &str| ["key", "crt"].iter().all(|kind| directory.join(format!("{base}.{kind}")).exists());
        let (issuer, trusted) = if holds("agency") {
            let trusted = read_certificates(&directory.join("ca.crt"))?;
            (open_issuer(directory, "agency", &trusted)?, trusted)
        } else if holds("ca") {
            let issuer = open_issuer(directory, "ca", &[])?;
            let root = issuer.certificate();
            let trusted = std::iter::once(root.clone()).chain(predecessors_in_use(directory, root)).collect();
            let vouching = crosses(directory, root);
            (issuer.vouched_by(vouching), trusted)
        } else {
            return Err(AuthorityError::NoAuthority { path: directory.into() });
        };
        Ok(Self { directory: directory.into(), issuer, trusted, patience: None })
    }

    /// The same, for those who wait for a signature no longer than so.
    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { issuer: self.issuer.with_patience(patience), patience: Some(patience), ..self }
    }

    /// Opens the folder again if another certificate lies there now: a rotation, or a renewal.
    pub(super) fn follow(&mut self) -> Result<(), AuthorityError> {
        let base = if self.directory.join("agency.crt").exists() { "agency.crt" } else { "ca.crt" };
        if read_certificates(&self.directory.join(base))?[0] != *self.certificate() {
            let opened = Self::open(&self.directory)?;
            *self = match self.patience {
                Some(patience) => opened.with_patience(patience),
                None => opened,
            };
        }
        Ok(())
    }

    /// Makes an agency below this root in a folder of its own, with the RSA authority for its SDKs.
    ///
    /// # Errors
    /// When this is an agency, the folder holds one already, or a root, or the name cannot be a common name.
    pub fn agency(&self, name: &str, directory: &Path, validity: Validity) -> Result<Self, AuthorityError> {
        // Whoever opens the folder opens the agency in it.
        refuse_existing(&directory.join("ca.key"))?;
        let key = key_without_certificate(directory, "agency", || Ok(PrivateKey::secp256k1()))?;
        let issuer = self.issuer.agency_for(key, name, capped(&self.issuer, validity)?)?;
        create_directory(directory)?;
        trust(&directory.join("ca.crt"), &self.trusted)?;
        let agency = Self { directory: directory.into(), issuer, trusted: self.trusted.clone(), patience: None };
        agency.channel_issuer()?;
        write_issuer(directory, "agency", &agency.issuer)?;
        Ok(agency)
    }

    /// Issues a leaf with a new key and writes its folder: `node.key`, `node.crt`, `ca.crt` and `node.nodeid`, or
    /// `sdk.key`, `sdk.crt` and `ca.crt`. It ends no later than this authority does.
    ///
    /// # Errors
    /// When the folder holds such a key already, or the name cannot be a common name.
    pub fn issue(
        &self,
        kind: Kind,
        name: &str,
        directory: &Path,
        validity: Validity,
    ) -> Result<Issued, AuthorityError> {
        let key = key_without_certificate(directory, kind.role().as_str(), || new_key(kind))?;
        if key.is_rsa() != kind.is_rsa() {
            let path = directory.join(format!("{}.key", kind.role()));
            return Err(AuthorityError::Key {
                path,
                reason: "the key that lies there is not of the kind asked for".into(),
            });
        }
        let channel = if kind.is_rsa() { Some(self.channel_issuer()?) } else { None };
        let issuer = channel.as_ref().unwrap_or(&self.issuer);
        self.refuse_barred(issuer, &key.spki_der()?, name)?;
        let mut issued = issuer.issue_for(key, kind, name, capped(issuer, validity)?)?;
        if !kind.is_rsa() {
            issued.trusted.clone_from(&self.trusted);
        }
        issued.write(directory, kind)?;
        Ok(issued)
    }

    /// Issues a certificate for a request and writes it to `file`, which must not be there yet; one on secp256k1 with what
    /// stands above it.
    ///
    /// # Errors
    /// When the request is not acceptable, its key was taken back, or the file cannot be written.
    pub fn sign_request(
        &self,
        request: &CertificateRequest,
        kind: Kind,
        file: &Path,
        validity: Validity,
    ) -> Result<Certificate, AuthorityError> {
        let channel = if kind.is_rsa() { Some(self.channel_issuer()?) } else { None };
        let issuer = channel.as_ref().unwrap_or(&self.issuer);
        self.refuse_barred(issuer, request.public_key(), &request.subject())?;
        let chain = issuer.sign_request(request, kind, capped(issuer, validity)?)?;
        let shown = if kind.is_rsa() { &chain[..1] } else { &chain[..] };
        Draft::public(file, &bundle(shown))?.create()?;
        Ok(chain[0].clone())
    }

    /// Replaces the certificate that `file` is for (see [`holder`]) by a new one for the same name, key and purpose, which ends
    /// `days` from now or with this authority; without `days`, as many as such a certificate has by default. An authority's own
    /// certificate is renewed like any other, a root's by itself. The key is not needed, and the file stays as it is unless the
    /// new certificate holds. Where this authority took the place of who issued it, the new one is by this one, with what
    /// stands above it, for whom the rotation had issued one.
    ///
    /// # Errors
    /// When neither this authority nor its RSA authority issued it, nor another in its place, or it was taken back.
    pub fn renew(&self, file: &Path, days: Option<u32>) -> Result<Certificate, AuthorityError> {
        let bundle = read_certificates(file)?;
        let place = holder(&bundle, file)?;
        let old = bundle[place].clone();
        let channel = self.channel_issuer_there()?.filter(|channel| old.is_signed_by(channel.certificate()));
        let issuer = channel.as_ref().unwrap_or(&self.issuer);
        if let Some(list) = self.lists_of(issuer)?.into_iter().find(|list| list.ends(&old)) {
            return Err(self.taken_back(old.subject(), if list.lists(&old) { "its certificate" } else { "its key" }));
        }
        if self.is_barred(issuer, &old.key_id())? {
            return Err(self.taken_back(old.subject(), "its key"));
        }
        let is_own = old.public_key() == issuer.certificate().public_key();
        let default = match (is_own, old.is_ca()) {
            (true, _) => ROOT_DAYS,
            (false, true) => AGENCY_DAYS,
            (false, false) => CERTIFICATE_DAYS,
        };
        let validity = Validity::days(days.unwrap_or(default));
        let validity = if is_own { validity } else { capped(issuer, validity)? };
        let is_former = || self.former_certificates().any(|former| old.is_signed_by(&former));
        let made = if is_former() { self.issued_in_place_of(&old) } else { None };
        match made {
            Some(made) if self.is_taken_back(&made)? => Err(self.taken_back(old.subject(), "its certificate")),
            Some(made) => renewal::renew_in_place(file, &old, &made, (issuer, validity)),
            None => renewal::renew(file, place, issuer, validity),
        }
    }

    /// Whoever was trusted no more is not certified under the same key: of a new certificate nobody's list knows.
    fn refuse_barred(&self, issuer: &Issuer, key: &[u8], what: &str) -> Result<(), AuthorityError> {
        let is_barred = self.is_barred(issuer, &PublicKey::from_der(key)?.id())?;
        if is_barred { Err(self.taken_back(what.to_owned(), "its key")) } else { Ok(()) }
    }

    fn is_taken_back(&self, certificate: &Certificate) -> Result<bool, AuthorityError> {
        Ok(self.own_lists()?.iter().any(|list| list.ends(certificate)))
    }

    /// Whether this authority says anything of a key, or one whose place it took.
    fn is_barred(&self, issuer: &Issuer, key: &[u8; 32]) -> Result<bool, AuthorityError> {
        let mut lists = self.lists_of(issuer)?.into_iter().chain(self.former_lists()?);
        Ok(lists.any(|list| list.taken_back().word(key).is_some()))
    }

    /// The lists in the folder that this authority has signed.
    pub(super) fn own_lists(&self) -> Result<Vec<RevocationList>, AuthorityError> {
        self.lists_of(&self.issuer)
    }

    /// The lists in the folder that this authority has signed, or its RSA authority.
    fn lists_of(&self, issuer: &Issuer) -> Result<Vec<RevocationList>, AuthorityError> {
        let place = self.crl_path();
        let mut lists = if place.exists() { RevocationFile::read(&place)?.lists } else { Vec::new() };
        lists.retain(|list| list.is_signed_by(issuer.certificate()));
        Ok(lists)
    }

    fn taken_back(&self, what: String, taken: &'static str) -> AuthorityError {
        AuthorityError::TakenBack { what, list: self.crl_path(), taken }
    }

    /// Where [`revoke`](Self::revoke) writes.
    pub fn crl_path(&self) -> PathBuf {
        self.directory.join("ca.crl")
    }

    /// Its folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        self.issuer.certificate()
    }

    /// The roots that whoever it issues something to has to trust: while a root takes another's place, both.
    pub fn trusted(&self) -> &[Certificate] {
        &self.trusted
    }

    /// It in memory.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(super) fn into_issuer(self) -> Issuer {
        self.issuer
    }

    /// The RSA authority for the channel port, made when first asked for and then kept in `channel/`.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn channel_issuer(&self) -> Result<Issuer, AuthorityError> {
        if let Some(issuer) = self.channel_issuer_there()? {
            return Ok(issuer);
        }
        let directory = channel_directory(&self.directory);
        let own = self.certificate();
        let validity = Validity { not_before: own.not_before(), not_after: own.not_after() };
        let name = own.common_name().unwrap_or_else(|| "channel".into());
        let key = key_without_certificate(&directory, "ca", PrivateKey::rsa)?;
        let issuer = Issuer::self_signed(&name, key, validity, false)?;
        create_directory(&directory)?;
        write_issuer(&directory, "ca", &issuer)?;
        Ok(issuer)
    }

    pub(super) fn channel_issuer_there(&self) -> Result<Option<Issuer>, AuthorityError> {
        let directory = channel_directory(&self.directory);
        directory.join("ca.crt").exists().then(|| open_issuer(&directory, "ca", &[])).transpose()
    }
}

/// Makes a request in a folder, such as `node.csr`, with the key that lies there or a new one: `node.key`. The key goes
/// nowhere.
///
/// # Errors
/// When the name cannot be a common name, or a file cannot be read or written.
pub fn request(kind: Kind, name: &str, directory: &Path) -> Result<CertificateRequest, AuthorityError> {
    let base = kind.role().as_str();
    let place = directory.join(format!("{base}.key"));
    let key = if place.exists() { read_key(&place)? } else { new_key(kind)? };
    let request = CertificateRequest::create(&key, kind, name)?;
    request.verify(kind)?;
    create_directory(directory)?;
    keep_key(&place, &key)?;
    Draft::public(&directory.join(format!("{base}.csr")), &request.to_pem())?.replace()?;
    Ok(request)
}

/// Nothing outlives who vouches for it.
pub(super) fn capped(issuer: &Issuer, validity: Validity) -> Result<Validity, AuthorityError> {
    let own = issuer.certificate();
    let last = issuer.chain().iter().map(|one| one.not_after().as_secs()).min();
    let last = last.unwrap_or_else(|| own.not_after().as_secs());
    if last <= validity.not_before.as_secs() {
        let not_after = instant::text(instant::at(last));
        return Err(AuthorityError::Expired { authority: own.subject(), not_after });
    }
    Ok(Validity { not_after: instant::at(validity.not_after.as_secs().min(last)), ..validity })
}

pub(super) fn write_issuer(directory: &Path, base: &str, issuer: &Issuer) -> Result<(), AuthorityError> {
    keep_key(&directory.join(format!("{base}.key")), issuer.key())?;
    // A root is trusted by its own certificate, and nobody is to trust one by which another root vouches for it.
    let shown = if base == "agency" { issuer.with_vouching() } else { vec![issuer.certificate().clone()] };
    Draft::public(&directory.join(format!("{base}.crt")), &bundle(&shown))?.create()
}

/// Where the RSA authority of an authority in this folder is.
pub(super) fn channel_directory(directory: &Path) -> PathBuf {
    directory.join("channel")
}

pub(super) fn open_issuer(directory: &Path, base: &str, above: &[Certificate]) -> Result<Issuer, AuthorityError> {
    open_issuer_with(&directory.join(format!("{base}.key")), &directory.join(format!("{base}.crt")), above)
}

/// The same of a key and a certificate that lie apart.
pub(super) fn open_issuer_with(key_path: &Path, path: &Path, above: &[Certificate]) -> Result<Issuer, AuthorityError> {
    let key = read_key(key_path)?;
    let mut bundle = read_certificates(path)?;
    let certificate = bundle.remove(0);
    if certificate.public_key().as_ref() != key.spki_der()? {
        return Err(AuthorityError::Mismatch { key: key_path.into(), cert: path.into() });
    }
    if let Err(reason) = refuse_issuing(&certificate) {
        return Err(AuthorityError::MayNotIssue { path: path.into(), reason });
    }
    let issuer = above.iter().find(|one| certificate.is_signed_by(one)).cloned();
    if issuer.is_none() && !above.is_empty() {
        return Err(AuthorityError::NotIssuedHere {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            authority: above[0].subject(),
        });
    }
    let vouching =
        bundle.into_iter().filter(|one| issuer.as_ref().is_some_and(|issuer| vouches(one, issuer))).collect();
    Ok(Issuer::from_parts(key, std::iter::once(certificate).chain(issuer).collect()).vouched_by(vouching))
}

/// The certificates by which roots vouch for this one, whose place it took, or takes now.
fn crosses(directory: &Path, root: &Certificate) -> Vec<Certificate> {
    let over = sorted(&directory.join(FORMER));
    let places = std::iter::once(directory.to_owned()).chain(over).map(|place| place.join(FOLDER).join(CROSS));
    let held = places.filter_map(|path| read_certificates(&path).ok()).flatten();
    held.filter(|one| vouches(one, root) && one.is_valid_at(UnixTime::now())).collect()
}

/// The root whose place this one takes while others show certificates of that still: until it is retired.
fn predecessors_in_use(directory: &Path, root: &Certificate) -> Vec<Certificate> {
    let cross = read_certificates(&directory.join(FOLDER).join(CROSS)).unwrap_or_default();
    let cross: Vec<_> = cross.into_iter().filter(|one| vouches(one, root)).collect();
    let former = sorted(&directory.join(FORMER)).into_iter();
    let roots = former.filter_map(|folder| read_certificates(&folder.join("ca.crt")).ok()).flatten();
    let is_in_use =
        |one: &Certificate| one.is_valid_at(UnixTime::now()) && cross.iter().any(|cross| cross.is_signed_by(one));
    roots.filter(is_in_use).collect()
}

/// Whether it is another authority's certificate for a root's key, as there is one while a root is rotated.
fn vouches(one: &Certificate, root: &Certificate) -> bool {
    one.public_key() == root.public_key() && one.subject_name().is(root.subject_name()) && !one.is_signed_by(one)
}

fn refuse_existing(path: &Path) -> Result<(), AuthorityError> {
    if path.exists() { Err(AuthorityError::Exists { path: path.into() }) } else { Ok(()) }
}
