//! Taking certificates back, on disk.

use std::{
    collections::VecDeque,
    fs::{self, File},
    path::{Path, PathBuf},
};

use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;

use super::{
    Authority, AuthorityError, Issuer, REVOCATION_DAYS, RevocationDates, Validity,
    draft::{Draft, open_lock},
    issuer::successor,
    issuing,
    last_list::{Kept, refuse_lost},
    store::channel_directory,
};
use crate::{
    Certificate, RevocationFile, RevocationList, SignerId,
    certificate::key_id_of_node,
    directory::read_certificates,
    instant,
    revocation::{TakenBack, newest},
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
                // An RSA authority lies below its agency, and is a folder of its own too.
                if !looked_at.contains(&issuer.subject()) {
                    looked_at.push(issuer.subject());
                }
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
        self.revoke_and(certificate, |_| {})
    }

    /// The same, and no issuer of this authority certifies the key of a node's certificate once more, whatever the holder
    /// shows and wherever the issuer is; nor does any of its [`kin`](Self::kin), which revoke what was issued in its place.
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke); [`AuthorityError::Unsaid`] where it is revoked and the list of a kin could not be written.
    pub fn distrust(&self, certificate: &Certificate) -> Result<RevocationList, AuthorityError> {
        self.revoke_in_line(certificate, |taken_back| taken_back.add_key_of(certificate))
    }

    /// The same, and no other certificate of this authority's for the same key counts, an agency's too: those there are since it
    /// was renewed, and those to come; nor one of its [`kin`](Self::kin).
    ///
    /// # Errors
    /// As [`distrust`](Self::distrust).
    pub fn revoke_key(&self, certificate: &Certificate) -> Result<RevocationList, AuthorityError> {
        self.revoke_in_line(certificate, |taken_back| taken_back.refuse(certificate.key_id()))
    }

    /// Revokes whatever this authority and its [`kin`](Self::kin) have certified for a node's key, known here or not, and what
    /// its issuers may yet: `known` by their numbers, for those who read no others.
    ///
    /// # Errors
    /// As [`distrust`](Self::distrust).
    pub fn revoke_node(&self, node: &NodeId, known: &[Certificate]) -> Result<RevocationList, AuthorityError> {
        let mut said = TakenBack::default();
        said.refuse(key_id_of_node(node));
        let list = self.in_turn(|authority, path| {
            authority.take_back(path, None, |issuer, taken_back, second| {
                // A rotation may lie between: what its predecessor issued stands in that one's list.
                let own = known.iter().filter(|one| one.is_signed_by(issuer.certificate()));
                own.for_each(|certificate| taken_back.add(certificate, second));
                taken_back.join_keys(&said);
                Ok(())
            })
        })?;
        self.say_in_line(&said, known)?;
        Ok(list)
    }

    /// Puts the list in `ca.crl` and one of the same key that came from elsewhere together, such as another machine makes from
    /// a copy of this folder: of the two, the one that says all is in `ca.crl` afterwards. Where neither does, a newer one is made,
    /// and given back, since nobody has it yet.
    ///
    /// # Errors
    /// When `ca.crl` cannot be read or written, or is older than the last list made here.
    pub fn merge(&self, heard: &RevocationList) -> Result<Option<RevocationList>, AuthorityError> {
        self.in_turn(|authority, path| {
            let channel = match authority.channel_issuer_there()? {
                _ if heard.is_signed_by(authority.certificate()) => None,
                Some(rsa) if heard.is_signed_by(rsa.certificate()) => Some(rsa),
                _ => return Ok(None),
            };
            let book = authority.book(path, channel.as_ref())?;
            let own = book.last.as_ref().map(RevocationList::taken_back).cloned().unwrap_or_default();
            let is_newer = book.last.as_ref().is_none_or(|last| heard.edition().is_newer_than(last.edition()));
            if is_newer && heard.taken_back().covers(&own) {
                return book.put(authority, heard).map(|()| None);
            }
            if !is_newer && own.covers(heard.taken_back()) {
                return Ok(None);
            }
            book.refuse_lost()?;
            let mut both = own;
            both.join(heard.taken_back());
            let newer = if is_newer { Some(heard) } else { book.last.as_ref() };
            let list = book.issuer.list(&both, &book.next(Some(heard))?, dates(newer))?;
            book.put(authority, &list)?;
            Ok(Some(list))
        })
    }

    /// Makes the next list of this authority, and of its RSA authority for SDKs where there is one: each revokes what the last one
    /// did, and nothing more, and is due again after as long; the first one revokes nobody. Where lists are required, each
    /// authority needs a current one, also one that never revoked anybody.
    ///
    /// # Errors
    /// When `ca.crl` cannot be read or written, or is older than the last list made here.
    pub fn next_lists(&self) -> Result<Vec<RevocationList>, AuthorityError> {
        self.next_lists_beside(None, &TakenBack::default())
    }

    /// The same, with a certificate beside them by which somebody vouches for this authority, and with what is said of keys.
    pub(super) fn next_lists_beside(
        &self,
        word: Option<&Certificate>,
        keys: &TakenBack,
    ) -> Result<Vec<RevocationList>, AuthorityError> {
        self.in_turn(|authority, path| {
            let signers = std::iter::once(None).chain(authority.channel_issuer_there()?.map(Some));
            let made = signers.map(|channel| {
                let mut book = authority.book(path, channel.as_ref())?;
                book.refuse_lost()?;
                let news = word.filter(|word| !book.certificates.contains(word)).cloned();
                book.certificates.extend(news);
                let last = book.last.as_ref();
                let mut said = last.map(RevocationList::taken_back).cloned().unwrap_or_default();
                if channel.is_none() {
                    said.join_keys(keys);
                }
                let list = book.issuer.list(&said, &book.next(None)?, dates(last))?;
                book.put(authority, &list)?;
                Ok(list)
            });
            made.collect()
        })
    }

    /// Says of keys what another authority has said, of which this one is the successor.
    pub(super) fn join_keys(&self, said: &TakenBack) -> Result<(), AuthorityError> {
        if !said.has_keys() {
            return Ok(());
        }
        let joined = self.in_turn(|authority, path| {
            authority.take_back(path, None, |_, taken_back, _| {
                taken_back.join_keys(said);
                Ok(())
            })
        });
        joined.map(drop)
    }

    fn revoke_and(
        &self,
        certificate: &Certificate,
        say: impl FnOnce(&mut TakenBack),
    ) -> Result<RevocationList, AuthorityError> {
        self.in_turn(|authority, path| {
            authority.take_back(path, authority.channel_of(certificate)?, |issuer, taken_back, second| {
                issuer.refuse_foreign(certificate)?;
                taken_back.add(certificate, second);
                say(taken_back);
                Ok(())
            })
        })
    }

    /// The same, and what is said of its key the others of its line say too. An RSA authority stays when its agency is replaced.
    fn revoke_in_line(
        &self,
        certificate: &Certificate,
        say: impl Fn(&mut TakenBack),
    ) -> Result<RevocationList, AuthorityError> {
        let list = self.revoke_and(certificate, &say)?;
        if certificate.is_signed_by(self.certificate()) {
            let mut said = TakenBack::default();
            say(&mut said);
            self.say_in_line(&said, std::slice::from_ref(certificate))?;
        }
        Ok(list)
    }

    pub(super) fn in_turn<T>(
        &self,
        work: impl FnOnce(&Self, &Path) -> Result<T, AuthorityError>,
    ) -> Result<T, AuthorityError> {
        let path = self.crl_path();
        let _turn = lock(&beside(&path, ".lock"))?;
        // While the turn was waited for, a rotation may have put another key into its place.
        work(&Self::open(self.directory())?, &path)
    }

    /// Makes the next list, of the RSA authority where one is given, unless the last one says it all.
    pub(super) fn take_back(
        &self,
        path: &Path,
        channel: Option<Issuer>,
        add: impl FnOnce(&Issuer, &mut TakenBack, u64) -> Result<(), AuthorityError>,
    ) -> Result<RevocationList, AuthorityError> {
        let book = self.book(path, channel.as_ref())?;
        book.refuse_lost()?;
        let said = book.last.as_ref().map(RevocationList::taken_back).cloned().unwrap_or_default();
        let (mut taken_back, dates) = (said.clone(), dates(book.last.as_ref()));
        add(book.issuer, &mut taken_back, dates.this_update.as_secs())?;
        if let Some(last) = book.last.as_ref().filter(|_| taken_back == said) {
            return Ok(last.clone());
        }
        let list = book.issuer.list(&taken_back, &book.next(None)?, dates)?;
        book.put(self, &list)?;
        Ok(list)
    }

    /// The file, as this authority finds it, or its RSA authority.
    fn book<'a>(&'a self, path: &'a Path, channel: Option<&'a Issuer>) -> Result<Book<'a>, AuthorityError> {
        let numbers = match channel {
            Some(_) => channel_directory(self.directory()).join("ca.crl.number"),
            None => beside(path, ".number"),
        };
        Book::read(path, channel.unwrap_or_else(|| self.issuer()), numbers)
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

    /// The RSA authority, if it issued the certificate and this authority itself did not.
    fn channel_of(&self, certificate: &Certificate) -> Result<Option<Issuer>, AuthorityError> {
        if certificate.is_signed_by(self.certificate()) {
            return Ok(None);
        }
        Ok(self.channel_issuer_there()?.filter(|issuer| certificate.is_signed_by(issuer.certificate())))
    }
}

/// A file of lists, as one of its signers finds it.
struct Book<'a> {
    path: &'a Path,
    issuer: &'a Issuer,
    /// Where the number of the signer's last list is kept.
    numbers: PathBuf,
    last: Option<RevocationList>,
    others: Vec<RevocationList>,
    certificates: Vec<Certificate>,
}

impl<'a> Book<'a> {
    fn read(path: &'a Path, issuer: &'a Issuer, numbers: PathBuf) -> Result<Self, AuthorityError> {
        let held = if path.exists() { RevocationFile::read(path)? } else { RevocationFile::default() };
        let (own, others): (Vec<_>, Vec<_>) =
            held.lists.into_iter().partition(|list| list.is_signed_by(issuer.certificate()));
        Ok(Self { path, issuer, numbers, last: newest(own), others, certificates: held.certificates })
    }

    fn refuse_lost(&self) -> Result<(), AuthorityError> {
        refuse_lost(self.path, self.last.as_ref(), &self.numbers)
    }

    /// Puts a list of the signer's in the place of its last.
    fn put(&self, authority: &Authority, list: &RevocationList) -> Result<(), AuthorityError> {
        let lists = std::iter::once(list).chain(&self.others).map(RevocationList::to_pem);
        let certificates = authority.with_signers(self.certificates.clone(), self.issuer)?;
        let text: String = lists.chain(certificates.iter().map(Certificate::to_pem)).collect();
        let draft = Draft::public(self.path, &text)?;
        RevocationFile::read(draft.written())?;
        draft.replace()?;
        // What cannot be read is no number behind which this one could be.
        Kept::read(&self.numbers).ok().flatten().unwrap_or_default().after(list).write(&self.numbers)
    }

    /// The number after the last list's, or after what was given before that where another tool made it without one. Where a
    /// node issues from the folder, another may from a copy of it, and of two lists with one number nobody takes the second: so
    /// numbers leave out some there, each time another lot of them.
    fn next(&self, heard: Option<&RevocationList>) -> Result<Vec<u8>, AuthorityError> {
        let kept = Kept::read(&self.numbers)?.unwrap_or_default();
        let Kept { number, .. } = self.last.iter().chain(heard).fold(kept, Kept::after);
        let is_shared = self.path.parent().is_some_and(issuing::is_issued_from);
        Ok(successor(&if is_shared { sum(&number, rand::random()) } else { number }))
    }
}

/// A big-endian number, and another.
fn sum(number: &[u8], more: u16) -> Vec<u8> {
    let mut sum = [&vec![0; 2_usize.saturating_sub(number.len())], number].concat();
    let mut carry = u32::from(more);
    for byte in sum.iter_mut().rev() {
        carry += u32::from(*byte);
        *byte = (carry & 0xff) as u8;
        carry >>= 8;
    }
    if carry > 0 {
        sum.insert(0, carry as u8);
    }
    sum.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// A clock that was put back does not make the new list older than the last.
fn dates(last: Option<&RevocationList>) -> RevocationDates {
    let after = last.map_or(0, |list| list.this_update().as_secs() + 1);
    let this_update = instant::at(UnixTime::now().as_secs().max(after));
    RevocationDates { this_update, next_update: Validity::days_from(this_update, REVOCATION_DAYS).not_after }
}

/// What is to be in `into` when the lists and certificates in `from` come first in it.
pub(super) fn joined(into: &Path, from: &Path) -> Result<String, AuthorityError> {
    let RevocationFile { mut lists, mut certificates } = RevocationFile::read(from)?;
    if into.exists() {
        let held = RevocationFile::read(into)?;
        let news: Vec<_> = held.lists.into_iter().filter(|one| !lists.contains(one)).collect();
        lists.extend(news);
        let news: Vec<_> = held.certificates.into_iter().filter(|one| !certificates.contains(one)).collect();
        certificates.extend(news);
    }
    Ok(lists.iter().map(RevocationList::to_pem).chain(certificates.iter().map(Certificate::to_pem)).collect())
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
