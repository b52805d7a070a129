//! Taking certificates back, on disk.

use std::{
    cmp::Ordering,
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
};

use rustls_pki_types::UnixTime;

use super::{
    Authority, AuthorityError, Issuer, REVOCATION_DAYS, RevocationDates, Validity,
    draft::{Draft, open_lock},
    store::channel_directory,
};
use crate::{
    Certificate, RevocationFile, RevocationList, SignerId,
    directory::read_certificates,
    file, instant,
    revocation::{compare, newest},
};

/// Most folders looked into for an authority, and how deep below the first.
const MAX_FOLDERS: usize = 4096;
const MAX_DEPTH: usize = 4;

impl Authority {
    /// Opens the authority that issued `certificate`: the one in `directory`, or else the nearest in a folder below it.
    /// The RSA authority of an agency counts as the agency.
    ///
    /// # Errors
    /// When there is none, or its files do not fit together.
    pub fn open_issuer_of(certificate: &Certificate, directory: &Path) -> Result<Self, AuthorityError> {
        let mut looked_at = Vec::new();
        for folder in folders(directory) {
            for file in ["agency.crt", "ca.crt", "channel/ca.crt"] {
                let Some(issuer) = first(&folder.join(file)).filter(|_| holds_key(&folder, file)) else { continue };
                if certificate.is_signed_by(&issuer) {
                    return Self::open(&folder);
                }
                looked_at.push(issuer.subject());
            }
        }
        if looked_at.is_empty() {
            return Err(AuthorityError::NoAuthority { path: directory.into() });
        }
        Err(AuthorityError::NotIssuedHere {
            subject: certificate.subject(),
            issuer: certificate.issuer(),
            authority: looked_at.join("; "),
        })
    }

    /// Revokes a certificate that this authority, or its RSA authority for SDKs, issued: `ca.crl` in its folder gets a list
    /// with a higher number, beside those of others in that file. Safe to be called by several processes at once. A
    /// certificate that is revoked already makes no new list.
    ///
    /// # Errors
    /// When this authority did not issue it, `ca.crl` cannot be read or written, or it is older than the last list made
    /// here: then a list would lose revocations.
    pub fn revoke(&self, certificate: &Certificate) -> Result<RevocationList, AuthorityError> {
        let path = self.crl_path();
        let _turn = lock(&beside(&path, ".lock"))?;
        // While the turn was waited for, a rotation may have put another key into its place.
        Self::open(self.directory())?.revoke_in_turn(certificate, &path)
    }

    fn revoke_in_turn(&self, certificate: &Certificate, path: &Path) -> Result<RevocationList, AuthorityError> {
        let (channel, numbers);
        let issuer = match self.channel_of(certificate)? {
            Some((directory, rsa)) => {
                (numbers, channel) = (directory.join("ca.crl.number"), rsa);
                &channel
            }
            None => {
                numbers = beside(path, ".number");
                self.issuer()
            }
        };
        let held = if path.exists() { RevocationFile::read(path)? } else { RevocationFile::default() };
        let (own, others): (Vec<_>, Vec<_>) =
            held.lists.into_iter().partition(|list| list.is_signed_by(issuer.certificate()));
        let last = newest(own);
        refuse_lost(path, last.as_ref(), &numbers)?;
        if let Some(list) = last.as_ref().filter(|list| list.lists(certificate)) {
            return Ok(list.clone());
        }
        let list = issuer.revoke(&[certificate], last.as_ref(), dates(last.as_ref()))?;
        let lists = std::iter::once(&list).chain(&others).map(RevocationList::to_pem);
        let certificates = self.with_signers(held.certificates, issuer)?;
        let text: String = lists.chain(certificates.iter().map(Certificate::to_pem)).collect();
        let draft = Draft::public(path, &text)?;
        RevocationFile::read(draft.written())?;
        draft.replace()?;
        let number = list.edition().number().map(hex::encode).unwrap_or_default();
        Draft::public(&numbers, &format!("{number}\n"))?.replace()?;
        Ok(list)
    }

    /// What nodes need that know neither this agency nor its RSA authority, beside the lists.
    fn with_signers(&self, mut held: Vec<Certificate>, signer: &Issuer) -> Result<Vec<Certificate>, AuthorityError> {
        let (own, signer) = (self.certificate(), signer.certificate());
        if self.issuer().chain().len() > 1 && !held.contains(own) {
            held.push(own.clone());
        }
        let is_vouched = |one: &Certificate| SignerId::of(one) == SignerId::of(signer) && one.is_signed_by(own);
        if signer != own && !held.iter().any(is_vouched) {
            held.push(self.issuer().vouch_for_lists_of(signer)?);
        }
        Ok(held)
    }

    /// The RSA authority and its folder, if it issued the certificate and this authority itself did not.
    fn channel_of(&self, certificate: &Certificate) -> Result<Option<(PathBuf, Issuer)>, AuthorityError> {
        if certificate.is_signed_by(self.certificate()) {
            return Ok(None);
        }
        let issuer = self.channel_issuer_there()?.filter(|issuer| certificate.is_signed_by(issuer.certificate()));
        Ok(issuer.map(|issuer| (channel_directory(self.directory()), issuer)))
    }
}

/// A clock that was put back does not make the new list older than the last.
fn dates(last: Option<&RevocationList>) -> RevocationDates {
    let after = last.map_or(0, |list| list.this_update().as_secs() + 1);
    let this_update = instant::at(UnixTime::now().as_secs().max(after));
    RevocationDates { this_update, next_update: Validity::days_from(this_update, REVOCATION_DAYS).not_after }
}

/// The number of the last list is kept apart, so that one that was lost or put back is not continued.
pub(super) fn refuse_lost(path: &Path, last: Option<&RevocationList>, numbers: &Path) -> Result<(), AuthorityError> {
    if !numbers.exists() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&file::read_public(numbers)?).into_owned();
    let made = hex::decode(text.trim()).map_err(|_| AuthorityError::Key {
        path: numbers.into(),
        reason: "it holds no number in hexadecimal".into(),
    })?;
    let held = last.and_then(|list| list.edition().number()).unwrap_or_default();
    if compare(held, &made) == Ordering::Less {
        return Err(AuthorityError::ListLost { path: path.into(), number: text.trim().into() });
    }
    Ok(())
}

/// Waits until no other process has the lock, which ends with the file.
pub(super) fn lock(path: &Path) -> Result<File, AuthorityError> {
    let failed = |source| AuthorityError::Write { path: path.into(), source };
    let file = open_lock(path)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The folder and those below it, near ones first. A root's `ca.crt` lies in many; what they hold the key of counts.
pub(super) fn folders(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = VecDeque::from([(directory.to_owned(), 0)]);
    while let Some((folder, depth)) = waiting.pop_front() {
        if found.len() == MAX_FOLDERS {
            break;
        }
        if depth < MAX_DEPTH {
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let mut below: Vec<_> = below.map(|entry| entry.path()).collect();
            below.sort();
            waiting.extend(below.into_iter().map(|folder| (folder, depth + 1)));
        }
        found.push(folder);
    }
    found
}

fn holds_key(folder: &Path, certificate: &str) -> bool {
    folder.join(certificate).with_extension("key").exists()
}

fn first(path: &Path) -> Option<Certificate> {
    read_certificates(path).ok()?.into_iter().next()
}
