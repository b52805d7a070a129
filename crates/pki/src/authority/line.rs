//! An authority, those whose place it took, and the one that took its own.
//!
//! Certificates of all of them are accepted as long as they last, or until somebody revokes the authority: a thief shows whichever
//! he likes. So what one of them says of a key all of them say, and what was issued in the place of a certificate is taken back
//! with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rustls_pki_types::UnixTime;

use super::{
    Authority, AuthorityError,
    draft::Draft,
    rotation::{FOLDER, FORMER, PAIRS, is_same},
};
use crate::{
    Certificate, RevocationFile, RevocationList,
    directory::read_certificates,
    revocation::{TakenBack, newest},
};

impl Authority {
    /// The others of its line: the one that is in use, where that took this one's place, and those whose place that one took,
    /// or this one; all whose certificates have not ended and whose keys are in its folder still. Of each whether it opens: one
    /// key that is lost does not keep the others from what they have to say.
    ///
    /// # Errors
    /// Of each: when its files do not fit together, or its key does not open.
    pub fn kin(&self) -> Vec<Result<Self, AuthorityError>> {
        self.line().into_iter().map(|(_, opened)| opened).collect()
    }

    /// The same with their folders.
    fn line(&self) -> Vec<(PathBuf, Result<Self, AuthorityError>)> {
        let (head, now) = (self.head(), UnixTime::now());
        let is_itself = |certificate: &Certificate| certificate.public_key() == self.certificate().public_key();
        let mut line = Vec::new();
        if head != self.directory() {
            match Self::open(&head) {
                Err(AuthorityError::NoAuthority { .. }) => {}
                Ok(one) if is_itself(one.certificate()) => {}
                opened => line.push((head.clone(), opened)),
            }
        }
        for (folder, certificate) in former(&head) {
            // As a switch that was interrupted leaves it.
            if !is_itself(&certificate) && certificate.is_valid_at(now) && holds_key(&folder) {
                let opened = Self::open(&folder);
                line.push((folder, opened));
            }
        }
        line
    }

    /// The certificates of those whose place it took, the ended ones too.
    pub(super) fn former_certificates(&self) -> impl Iterator<Item = Certificate> {
        former(self.directory()).into_iter().map(|(_, certificate)| certificate)
    }

    /// The lists of those whose place it took, as far as they are in its folder.
    pub(super) fn former_lists(&self) -> Result<Vec<RevocationList>, AuthorityError> {
        let mut found = Vec::new();
        for (folder, certificate) in former(self.directory()) {
            for place in [folder.join("ca.crl"), self.crl_path()] {
                let lists = if place.exists() { RevocationFile::read(&place)?.lists } else { Vec::new() };
                found.extend(lists.into_iter().filter(|list| list.is_signed_by(&certificate)));
            }
        }
        Ok(found)
    }

    /// What a rotation issued in the place of a certificate for the same key and name, by this very authority: of whoever was
    /// chosen then.
    pub(super) fn issued_in_place_of(&self, old: &Certificate) -> Option<Certificate> {
        let is_it = |made: &Certificate| {
            is_same(made, old) && made.stated_roles() == old.stated_roles() && made.is_signed_by(self.certificate())
        };
        pairs(self.directory())
            .into_iter()
            .find(|(first, made)| is_same(first, old) && is_it(made))
            .map(|(_, made)| made)
    }

    /// What this authority has said of keys the others of its line say too, and they revoke what they issued of these
    /// certificates and their twins. The file of the one in use has the lists of all then: that one nodes are given.
    ///
    /// # Errors
    /// When its own list cannot be written; [`AuthorityError::Unsaid`] once that is, and those of others that can be.
    pub(super) fn say_in_line(&self, said: &TakenBack, known: &[Certificate]) -> Result<(), AuthorityError> {
        let twins = twins(known, &pairs(&self.head()));
        self.say(said, &twins)?;
        let mut unsaid = Vec::new();
        let mut line = Vec::new();
        for (folder, opened) in self.line() {
            match opened.and_then(|one| one.say(said, &twins).map(|()| one)) {
                Ok(one) => line.push(one),
                Err(error) => unsaid.push((folder.join("ca.crl"), error)),
            }
        }
        let line = std::iter::once(self).chain(&line);
        let (in_use, others): (Vec<_>, Vec<_>) = line.partition(|one| !is_former(one.directory()));
        for one in in_use {
            let untaken = others.iter().filter_map(|other| one.take_in(other).err());
            unsaid.extend(untaken.map(|error| (one.crl_path(), error)));
        }
        let (mut lists, errors): (Vec<_>, Vec<_>) = unsaid.into_iter().unzip();
        lists.dedup();
        let first = errors.into_iter().next();
        first.map_or(Ok(()), |source| Err(AuthorityError::Unsaid { lists, source: source.into() }))
    }

    fn say(&self, said: &TakenBack, certificates: &[Certificate]) -> Result<(), AuthorityError> {
        if !said.has_keys() && !certificates.iter().any(|one| one.is_signed_by(self.certificate())) {
            return Ok(());
        }
        let list = self.in_turn(|authority, path| {
            authority.take_back(path, None, |issuer, taken_back, second| {
                taken_back.join_keys(said);
                let own = certificates.iter().filter(|one| one.is_signed_by(issuer.certificate()));
                own.for_each(|one| taken_back.add(one, second));
                Ok(())
            })
        });
        list.map(drop)
    }

    /// Puts the last list of another authority of its line beside its own.
    fn take_in(&self, former: &Self) -> Result<(), AuthorityError> {
        let place = former.crl_path();
        let theirs = if place.exists() { RevocationFile::read(&place)? } else { RevocationFile::default() };
        let is_theirs = |list: &RevocationList| list.is_signed_by(former.certificate());
        let Some(news) = newest(theirs.lists.into_iter().filter(is_theirs)) else { return Ok(()) };
        self.in_turn(|_, path| {
            let held = if path.exists() { RevocationFile::read(path)? } else { RevocationFile::default() };
            if held.lists.contains(&news) {
                return Ok(());
            }
            let (of_them, mut lists): (Vec<_>, Vec<_>) = held.lists.into_iter().partition(is_theirs);
            lists.extend(newest(of_them.into_iter().chain([news])));
            let mut certificates = held.certificates;
            let more: Vec<_> = theirs.certificates.into_iter().filter(|one| !certificates.contains(one)).collect();
            certificates.extend(more);
            let lists = lists.iter().map(RevocationList::to_pem);
            let text: String = lists.chain(certificates.iter().map(Certificate::to_pem)).collect();
            let draft = Draft::public(path, &text)?;
            RevocationFile::read(draft.written())?;
            draft.replace()
        })
    }

    /// The folder of the authority in use, which is another one's where this one lies among those whose place it took.
    fn head(&self) -> PathBuf {
        let place = fs::canonicalize(self.directory()).unwrap_or_else(|_| self.directory().to_owned());
        let above = place.parent().filter(|above| is_named(above, FORMER)).and_then(Path::parent);
        above.filter(|above| certificate_in(above).is_some()).unwrap_or(self.directory()).to_owned()
    }
}

/// Each certificate that a rotation in this folder of `pairs` has issued anew, and what it issued in its place.
pub(super) fn pairs_in(folder: &Path) -> Vec<(Certificate, Certificate)> {
    let pair = |path: &PathBuf| match &read_certificates(path).ok()?[..] {
        [old, made] => Some((old.clone(), made.clone())),
        _ => None,
    };
    sorted(folder).iter().filter_map(pair).collect()
}

/// What is in a folder, by name.
pub(super) fn sorted(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.sort();
    paths
}

/// Certificates, what was issued in their places, and in whose places they were issued: one holder has all of them.
fn twins(certificates: &[Certificate], pairs: &[(Certificate, Certificate)]) -> Vec<Certificate> {
    let mut twins = certificates.to_vec();
    let mut looked_at = 0;
    while let Some(one) = twins.get(looked_at).cloned() {
        looked_at += 1;
        for (old, made) in pairs.iter().filter(|(old, made)| is_same(old, made) && (*old == one || *made == one)) {
            for other in [old, made] {
                twins.extend((!twins.contains(other)).then(|| other.clone()));
            }
        }
    }
    twins
}

/// Of the rotation that is under way, and of those that are over.
fn pairs(directory: &Path) -> Vec<(Certificate, Certificate)> {
    let over = sorted(&directory.join(FORMER));
    let places = std::iter::once(directory.to_owned()).chain(over);
    places.flat_map(|place| pairs_in(&place.join(FOLDER).join(PAIRS))).collect()
}

/// The folders of those whose place the authority in a folder took, with their certificates.
fn former(directory: &Path) -> Vec<(PathBuf, Certificate)> {
    let folders = sorted(&directory.join(FORMER)).into_iter();
    folders.filter_map(|folder| certificate_in(&folder).map(|certificate| (folder, certificate))).collect()
}

fn certificate_in(folder: &Path) -> Option<Certificate> {
    let there = ["agency.crt", "ca.crt"].map(|name| folder.join(name)).into_iter().find(|file| file.exists());
    read_certificates(&there?).ok()?.into_iter().next()
}

fn holds_key(folder: &Path) -> bool {
    ["agency.key", "ca.key"].iter().any(|name| folder.join(name).exists())
}

fn is_former(folder: &Path) -> bool {
    let place = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    place.parent().is_some_and(|above| is_named(above, FORMER))
}

fn is_named(folder: &Path, name: &str) -> bool {
    folder.file_name().is_some_and(|own| own == name)
}
