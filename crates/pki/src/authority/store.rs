use std::path::{Path, PathBuf};

use x509_cert::Version;

use super::{
    AuthorityError, Issued, Issuer, Kind, PrivateKey, Validity,
    issuer::new_key,
    layout::{bundle, create_directory, create_private, replace},
};
use crate::{Certificate, CertificateRequest, directory::read_certificates, file, instant};

/// A root or an agency in a folder.
///
/// A root's folder holds `ca.crt` and `ca.key`; an agency's `agency.crt`, `agency.key` and the root's `ca.crt`. Both
/// keep an RSA authority for the channel port in `channel/`, and their revocation list in `ca.crl`.
#[derive(Debug)]
pub struct Authority {
    directory: PathBuf,
    issuer: Issuer,
}

impl Authority {
    /// Makes a new root.
    ///
    /// # Errors
    /// When the folder holds one already, cannot be written, or the name cannot be a common name.
    pub fn init(directory: &Path, name: &str, validity: Validity) -> Result<Self, AuthorityError> {
        let issuer = Issuer::root(name, validity)?;
        create_directory(directory)?;
        refuse_existing(&directory.join("ca.crt"))?;
        create_private(&directory.join("ca.key"), issuer.key().to_pem()?.as_bytes())?;
        replace(&directory.join("ca.crt"), issuer.certificate().to_pem().as_bytes())?;
        Ok(Self { directory: directory.into(), issuer })
    }

    /// Opens an agency's folder, or a root's. Folders made by `build_chain.sh` serve too.
    ///
    /// # Errors
    /// When there is no authority in it, or its files do not fit together.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let issuer = if directory.join("agency.key").exists() {
            open_issuer(directory, "agency", &read_certificates(&directory.join("ca.crt"))?)?
        } else if directory.join("ca.key").exists() {
            open_issuer(directory, "ca", &[])?
        } else {
            return Err(AuthorityError::NoAuthority { path: directory.into() });
        };
        Ok(Self { directory: directory.into(), issuer })
    }

    /// Makes an agency below this root in a folder of its own, with the RSA authority for its SDKs.
    ///
    /// # Errors
    /// When this is an agency, the folder holds one already, or the name cannot be a common name.
    pub fn agency(&self, name: &str, directory: &Path, validity: Validity) -> Result<Self, AuthorityError> {
        let issuer = self.issuer.agency(name, self.capped(validity)?)?;
        create_directory(directory)?;
        create_private(&directory.join("agency.key"), issuer.key().to_pem()?.as_bytes())?;
        replace(&directory.join("agency.crt"), issuer.certificate().to_pem().as_bytes())?;
        replace(&directory.join("ca.crt"), issuer.root_certificate().to_pem().as_bytes())?;
        let agency = Self { directory: directory.into(), issuer };
        agency.channel_issuer()?;
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
        let issued = if kind.is_rsa() {
            self.channel_issuer()?.issue(kind, name, validity)?
        } else {
            self.issuer.issue_for(new_key(kind)?, kind, name, self.capped(validity)?, Version::V3)?
        };
        issued.write(directory, kind)?;
        Ok(issued)
    }

    /// Issues a certificate for a request and writes it, with what stands above it, to `file`.
    ///
    /// # Errors
    /// When the request is not acceptable or the file cannot be written.
    pub fn sign_request(
        &self,
        request: &CertificateRequest,
        kind: Kind,
        file: &Path,
        validity: Validity,
    ) -> Result<Certificate, AuthorityError> {
        let chain = self.issuer.sign_request(request, kind, self.capped(validity)?)?;
        replace(file, bundle(&chain).as_bytes())?;
        Ok(chain[0].clone())
    }

    /// Replaces the first certificate of `file` by a new one for the same name and key. The key is not needed.
    ///
    /// # Errors
    /// When this authority did not issue it.
    pub fn renew(&self, file: &Path, validity: Validity) -> Result<Certificate, AuthorityError> {
        let old = read_certificates(file)?;
        let chain = self.issuer.renew(&old[0], self.capped(validity)?)?;
        replace(file, bundle(&chain).as_bytes())?;
        Ok(chain[0].clone())
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

    /// It in memory.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The RSA authority for the channel port, made when first asked for and then kept in `channel/`.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn channel_issuer(&self) -> Result<Issuer, AuthorityError> {
        let directory = channel_directory(&self.directory);
        if directory.join("ca.key").exists() {
            return open_issuer(&directory, "ca", &[]);
        }
        let own = self.certificate();
        let validity = Validity { not_before: own.not_before(), not_after: own.not_after() };
        let name = own.common_name().unwrap_or_else(|| "channel".into());
        let issuer = Issuer::rsa_root(&name, validity, false)?;
        create_directory(&directory)?;
        create_private(&directory.join("ca.key"), issuer.key().to_pem()?.as_bytes())?;
        replace(&directory.join("ca.crt"), issuer.certificate().to_pem().as_bytes())?;
        Ok(issuer)
    }

    /// Nothing outlives who vouches for it.
    fn capped(&self, validity: Validity) -> Result<Validity, AuthorityError> {
        let own = self.certificate();
        let last = self.issuer.chain().iter().map(|one| one.not_after().as_secs()).min();
        let last = last.unwrap_or_else(|| own.not_after().as_secs());
        if last <= validity.not_before.as_secs() {
            let not_after = instant::text(instant::at(last));
            return Err(AuthorityError::Expired { authority: own.subject(), not_after });
        }
        Ok(Validity { not_after: instant::at(validity.not_after.as_secs().min(last)), ..validity })
    }
}

/// Where the RSA authority of an authority in this folder is.
pub(super) fn channel_directory(directory: &Path) -> PathBuf {
    directory.join("channel")
}

fn open_issuer(directory: &Path, base: &str, above: &[Certificate]) -> Result<Issuer, AuthorityError> {
    let (key_path, path) = (directory.join(format!("{base}.key")), directory.join(format!("{base}.crt")));
    let key = PrivateKey::from_pem(&file::read_private_key(&key_path)?)
        .map_err(|reason| AuthorityError::Key { path: key_path.clone(), reason })?;
    let certificate = read_certificates(&path)?.swap_remove(0);
    if certificate.public_key().as_ref() != key.spki_der()? {
        return Err(AuthorityError::Mismatch { key: key_path, cert: path });
    }
    let issuer = above.iter().find(|one| certificate.is_signed_by(one)).cloned();
    if issuer.is_none() && !above.is_empty() {
        return Err(AuthorityError::NotIssuedHere {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            authority: above[0].subject(),
        });
    }
    Ok(Issuer::from_parts(key, std::iter::once(certificate).chain(issuer).collect()))
}

fn refuse_existing(path: &Path) -> Result<(), AuthorityError> {
    if path.exists() { Err(AuthorityError::Exists { path: path.into() }) } else { Ok(()) }
}
