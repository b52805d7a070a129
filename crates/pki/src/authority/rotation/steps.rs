//! The steps themselves.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rustls_pki_types::UnixTime;

use super::{
    Chosen, Done, Rank, Rotation, RotationError, Sdks, Seen, Step, Successor,
    files::{AtHand, CROSS, Found, certificates, find, replace},
    succession::Succession,
};
use crate::{
    Certificate,
    authority::{
        Authority, AuthorityError, Issuer, PrivateKey, Validity,
        draft::{Draft, is_link},
        layout::{bundle, create_directory, key_without_certificate, pem_like, read_key},
        line::sorted,
        revoking::{beside, joined, lock},
        store::write_issuer,
    },
    directory::read_certificates,
    file,
};

impl Rotation {
    /// Makes the new authority: a root with a certificate for its key by the old one, or an agency by the root.
    ///
    /// # Errors
    /// When an agency's root is missing or another one, or a file cannot be written.
    pub fn prepare(&mut self, root: Option<&Authority>) -> Result<&Certificate, RotationError> {
        self.refuse_linked_key()?;
        if self.new.is_none() {
            let place = self.folder().join("new");
            create_directory(&place)?;
            let base = self.state.rank.base();
            let key =
                key_without_certificate(&place, base, || like(self.old.key(), &place.join(format!("{base}.key"))));
            self.new = Some(match self.state.rank {
                Rank::Root => self.new_root(&place, key)?,
                Rank::Agency => self.new_agency(&place, key?, root)?,
            });
        }
        self.begin_lists()?;
        self.advance(Step::Prepared)?;
        Ok(self.require(Step::Prepared, "prepare")?.issuer.certificate())
    }

    /// Issues anew what the old authority issued: of the files at hand, and of nodes seen those that are `chosen`. Keys, names
    /// and purposes stay, and so do lifetimes. What has ended, is revoked or would not hold is left out. For each node and
    /// agency `issued/` gets a file to hand out.
    ///
    /// # Errors
    /// When it is not prepared, or a file cannot be written.
    pub fn issue(&mut self, seen: &[Seen], chosen: &Chosen) -> Result<Done, RotationError> {
        self.note(seen)?;
        let new = self.require(Step::Prepared, "issue")?;
        let mut succession = self.succession(new)?;
        self.take_back(&succession)?;
        create_directory(&self.issued())?;
        create_directory(&self.pairs_folder())?;
        let (now, mut done) = (UnixTime::now(), Done::default());
        for member in self.members(seen, chosen, &succession) {
            if let Some(reason) = succession.over(&member.bundle, now) {
                done.left_out.push(reason);
                continue;
            }
            match self.issue_to(&member, &mut succession, now) {
                Ok(written) => done.written.extend(written),
                Err(error) if error.is_of_one() => done.left_out.push(error.left_out(&member.label)),
                Err(error) => return Err(error),
            }
        }
        done.left_out.sort();
        done.left_out.dedup();
        // Who is at hand and seen too gets one file.
        done.written.sort();
        done.written.dedup();
        self.advance(Step::Issued)?;
        Ok(done)
    }

    /// Puts the new authority to use: files at hand trust both and show the new certificates, and the authority's folder
    /// becomes the new one's.
    ///
    /// # Errors
    /// When something at hand was not issued anew, or a file cannot be written.
    pub fn switch(&mut self) -> Result<Done, RotationError> {
        self.refuse_linked_key()?;
        let new = self.require(Step::Issued, "switch")?;
        let succession = self.succession(new)?;
        self.take_back(&succession)?;
        let found = find(&self.state.folders, &self.directory, &succession);
        let (now, mut done) = (UnixTime::now(), Done::default());
        done.left_out.extend(found.left_out());
        let mut changes = Vec::new();
        for Found { path, content } in found.chains {
            match after(&path, &content, &succession, now) {
                Ok(After::Changed(next)) => changes.push((path, next)),
                Ok(After::Same) => {}
                Ok(After::Over(reason)) => done.left_out.push(format!("{}: {reason}", path.display())),
                Err(error) if error.is_of_one() => done.left_out.push(error.left_out(&path.display().to_string())),
                Err(error) => return Err(error),
            }
        }
        // Whom to trust comes first, so that nobody meets what he does not trust yet.
        for Found { path, content } in found.trust {
            let both = succession.both(&content);
            if both != content {
                replace(&path, &both, |_| Ok(()))?;
                done.written.push(path);
            }
        }
        for (path, next) in changes {
            match replace(&path, &next, |written| succession.refuse_unsound(&path, written, now)) {
                Ok(()) => done.written.push(path),
                Err(error) if error.is_of_one() => done.left_out.push(error.left_out(&path.display().to_string())),
                Err(error) => return Err(error),
            }
        }
        self.take_over(new)?;
        self.revoke_withdrawn(&succession)?;
        self.advance(Step::Switched)?;
        Ok(done)
    }

    /// Ends the trust in the old authority in the files at hand, and revokes an old agency. `seen` is the whole network;
    /// `given_up` are the IDs of nodes that may be cut off, with the SDKs there; `sdks` says what SDKs show.
    ///
    /// # Errors
    /// While a node or an SDK shows the old one, or a node is missed, a file at hand is not switched, or nobody says what becomes of an old
    /// agency.
    pub fn retire(
        mut self,
        seen: &[Seen],
        given_up: &BTreeSet<String>,
        sdks: Sdks<'_>,
        end: OldAgency<'_>,
    ) -> Result<Done, RotationError> {
        if self.state.step < Step::Retired {
            self.note(seen)?;
            let new = self.require(Step::Switched, "retire")?;
            if let (Rank::Agency, OldAgency::Unsaid) = (self.state.rank, end) {
                return Err(RotationError::StillTrusted { agency: self.old().subject() });
            }
            self.refuse_early(seen, given_up)?;
            self.refuse_early_for_sdks(seen, sdks, given_up)?;
            let succession = self.succession(new)?;
            self.take_back(&succession)?;
            self.revoke_withdrawn(&succession)?;
            let found = find(&self.state.folders, &self.directory, &succession);
            refuse_unswitched(&found, &succession)?;
            let mut left_out: Vec<_> = found.left_out().collect();
            if let (Rank::Agency, OldAgency::RevokedBy(root)) = (self.state.rank, end) {
                // It may have been renewed: no other certificate for that key counts either.
                match root.revoke_key(self.old.certificate()) {
                    // The root that is in use has said it.
                    Err(error @ AuthorityError::Unsaid { .. }) => left_out.push(error.to_string()),
                    revoked => drop(revoked?),
                }
            }
            let done = Done { left_out, ..end_trust(found.trust, &succession)? };
            self.advance(Step::Retired)?;
            self.put_away()?;
            return Ok(done);
        }
        self.put_away()?;
        Ok(Done::default())
    }

    /// Whoever requires lists must have the new authority's before it is put to use: where the old one has made any, a first one
    /// that says of keys what the old one does, and nothing else, lies beside the new certificate, with what lets nodes that trust
    /// the old root verify it.
    fn begin_lists(&self) -> Result<(), RotationError> {
        let place = self.folder().join("new");
        let is_unused = place.join(format!("{}.key", self.state.rank.base())).exists();
        if !is_unused || self.old_lists()?.is_empty() {
            return Ok(());
        }
        // The number comes last, so that without it the list is made again.
        if !place.join("ca.crl.number").exists() {
            let cross = self.new.as_ref().and_then(|new| new.cross.as_ref());
            Authority::open(&place)?.next_lists_beside(cross, &self.old_words()?)?;
        }
        Ok(())
    }

    /// Whoever keeps the key on another disk wants the next one there, and not on this one or over it.
    fn refuse_linked_key(&self) -> Result<(), RotationError> {
        let path = self.directory.join(format!("{}.key", self.state.rank.base()));
        if !is_link(&path) {
            return Ok(());
        }
        let reason = "it is a link, and the new key would take the place of what it leads to: have the key itself in this folder while \
                      the authority is replaced, or the whole folder where the key is";
        Err(AuthorityError::Key { path, reason: reason.into() }.into())
    }

    /// Keeps a new key, under the old one's passphrase if that has one.
    fn keep(&self, key: &PrivateKey, place: &Path) -> Result<(), RotationError> {
        let name = format!("{}.key", self.state.rank.base());
        if !place.join(&name).exists() {
            Draft::private(&place.join(&name), &pem_like(key, &self.directory.join(&name))?)?.create()?;
        }
        Ok(())
    }

    fn new_root(&self, place: &Path, key: Result<PrivateKey, AuthorityError>) -> Result<Successor, RotationError> {
        let issuer = match key {
            // Only the cross-certificate was missing.
            Err(AuthorityError::Exists { .. }) => super::open_rank(place, "ca")?,
            key => {
                let name = self.state.name.as_deref().unwrap_or("chain");
                let key = key?;
                self.keep(&key, place)?;
                let issuer = Issuer::self_signed(name, key, Validity::days(self.state.days), false)?;
                write_issuer(place, "ca", &issuer)?;
                issuer
            }
        };
        let cross = self.old.vouch_for_root(issuer.certificate())?;
        Draft::public(&self.folder().join(CROSS), &cross.to_pem())?.replace()?;
        Ok(Successor { issuer, cross: Some(cross) })
    }

    fn new_agency(&self, place: &Path, key: PrivateKey, root: Option<&Authority>) -> Result<Successor, RotationError> {
        let agency = self.old.certificate();
        let root = root.ok_or_else(|| RotationError::RootNeeded { agency: agency.subject() })?;
        let trusted = read_certificates(&self.directory.join("ca.crt"))?;
        if !trusted.contains(root.certificate()) {
            let (root, agency) = (root.certificate().subject(), agency.subject());
            return Err(RotationError::OtherRoot { root, agency });
        }
        self.keep(&key, place)?;
        let issuer = root.issuer().successor_of(agency, key, Validity::days(self.state.days))?;
        Draft::public(&place.join("ca.crt"), &bundle(&trusted))?.replace()?;
        write_issuer(place, "agency", &issuer)?;
        Ok(Successor { issuer, cross: None })
    }

    /// Whose certificates may be issued anew: whoever is at hand, then who was chosen, then who is only seen.
    fn members(&self, seen: &[Seen], chosen: &Chosen, succession: &Succession<'_>) -> Vec<Member> {
        let at_hand = certificates(&self.state.folders, &self.directory).into_iter().filter_map(|path| {
            let bundle = read_certificates(&path).ok()?;
            Some(Member { label: path.display().to_string(), bundle, is_known: true })
        });
        let shown = |is_known: bool| {
            let seen = seen.iter().filter(move |seen| chosen.takes(seen) == is_known);
            seen.map(move |seen| Member { label: seen.label(), bundle: seen.chain.clone(), is_known })
        };
        let is_ours = |member: &Member| {
            let bundle = &member.bundle;
            !bundle.is_empty() && !succession.is_trust(bundle) && succession.concerns(bundle)
        };
        at_hand.chain(shown(true)).chain(shown(false)).filter(is_ours).collect()
    }

    /// The file to hand out, if it is a new one.
    fn issue_to(
        &self,
        member: &Member,
        succession: &mut Succession<'_>,
        now: UnixTime,
    ) -> Result<Option<PathBuf>, RotationError> {
        let originals: Vec<_> = succession.by_old(&member.bundle).cloned().collect();
        if !member.is_known && !originals.iter().all(|original| succession.is_issued(original, now)) {
            return Err(RotationError::OnlySeen);
        }
        for original in originals {
            let made = succession.issue(&original, now)?;
            // Of one issuer, so that the serial number is enough.
            let path = self.pairs_folder().join(format!("{}.crt", original.serial()));
            let pair = [original, made];
            if read_certificates(&path).ok().is_none_or(|held| held != pair) {
                Draft::public(&path, &bundle(&pair))?.replace()?;
            }
        }
        self.hand_out(&member.bundle, succession, now)
    }

    /// Removes what was issued in the place of certificates that were revoked since.
    fn take_back(&self, succession: &Succession<'_>) -> Result<(), RotationError> {
        for path in sorted(&self.issued()) {
            let held = read_certificates(&path).unwrap_or_default();
            if held.iter().any(|one| succession.withdrawn.contains(one)) {
                fs::remove_file(&path).map_err(|source| AuthorityError::Write { path, source })?;
            }
        }
        Ok(())
    }

    /// Such files may have been handed out: the new authority, which is in place now, revokes what was in them, and says of keys
    /// what the old one has said by now.
    fn revoke_withdrawn(&self, succession: &Succession<'_>) -> Result<(), RotationError> {
        let authority = Authority::open(&self.directory)?;
        for one in &succession.withdrawn {
            authority.revoke(one)?;
        }
        Ok(authority.join_keys(&self.old_words()?)?)
    }

    /// Writes the file for whom a bundle is, unless it is there.
    fn hand_out(
        &self,
        bundle_now: &[Certificate],
        succession: &Succession<'_>,
        now: UnixTime,
    ) -> Result<Option<PathBuf>, RotationError> {
        let path = self.issued().join(file_name(&bundle_now[0]));
        let replaced = succession.replaced(bundle_now).map_err(|missing| not_issued(&missing, &path))?;
        let Some(next) = replaced else { return Ok(None) };
        if path.exists() && read_certificates(&path).is_ok_and(|held| held == next) {
            return Ok(None);
        }
        replace(&path, &next, |written| succession.refuse_unsound(&path, written, now))?;
        Ok(Some(path))
    }

    /// Keeps the old key and certificate in `former/` and puts the new ones into their place. Interrupted between key and
    /// certificate, the folder opens for nobody but this.
    fn take_over(&self, new: &Successor) -> Result<(), RotationError> {
        let (base, former) = (self.state.rank.base(), self.former());
        let _turn = lock(&beside(&self.directory.join("ca.crl"), ".lock"))?;
        create_directory(&former)?;
        let (key, certificate) = (format!("{base}.key"), format!("{base}.crt"));
        if !former.join(&key).exists() {
            // As it is, under its passphrase if it has one.
            copied_key(&self.directory.join(&key), &former.join(&key))?.create()?;
        }
        let own = self.old.certificate().to_pem().into_bytes();
        let mut copies = vec![(format!("{base}.crt"), own)];
        for name in ["ca.crt", "ca.crl", "ca.crl.number"] {
            if self.directory.join(name).exists() && !(base == "ca" && name == "ca.crt") {
                let content = file::read_lists(&self.directory.join(name)).map_err(AuthorityError::from)?;
                copies.push((name.to_owned(), content));
            }
        }
        let place = self.directory.join(&key);
        let is_old = read_key(&place)?.spki_der()? != new.issuer.key().spki_der()?;
        for (name, content) in copies {
            // An interrupted run may have copied what was revoked in since. Lists that come later are the new key's.
            let is_new_keys = !is_old && name.starts_with("ca.crl");
            if is_old || !(is_new_keys || former.join(&name).exists()) {
                Draft::public(&former.join(&name), &content)?.replace()?;
            }
        }
        if is_old {
            self.end_lists()?;
            copied_key(&self.folder().join("new").join(&key), &place)?.replace()?;
        }
        let place = self.directory.join(&certificate);
        let wanted = new.issuer.certificate();
        if read_certificates(&place)?.first() != Some(wanted) {
            replace(&place, std::slice::from_ref(wanted), |_| Ok(()))?;
        }
        // Not before: beside the old certificate the new key's number would say that a list of the old one was lost.
        self.continue_lists()?;
        // One copy of the key that is in use, and not one in what is put away.
        let spare = self.folder().join("new").join(&key);
        if spare.exists() && read_key(&self.directory.join(&key))?.spki_der()? == new.issuer.key().spki_der()? {
            fs::remove_file(&spare).map_err(|source| AuthorityError::Write { path: spare, source })?;
        }
        Ok(())
    }

    /// The numbers of lists go with the key that signed them, and what the new key has signed by now stands beside the old lists.
    fn end_lists(&self) -> Result<(), RotationError> {
        let [lists, numbers] = ["ca.crl", "ca.crl.number"].map(|name| self.directory.join(name));
        let begun = self.folder().join("new/ca.crl");
        if begun.exists() {
            Draft::public(&lists, &joined(&lists, &begun)?)?.replace()?;
        }
        if numbers.exists() {
            fs::remove_file(&numbers).map_err(|source| AuthorityError::Write { path: numbers, source })?;
        }
        Ok(())
    }

    /// Once it is in place, the new one's lists are continued.
    fn continue_lists(&self) -> Result<(), RotationError> {
        let [last, numbers] = [self.folder().join("new"), self.directory.clone()].map(|one| one.join("ca.crl.number"));
        if last.exists() && !numbers.exists() {
            let number = file::read_public(&last).map_err(AuthorityError::from)?;
            Draft::public(&numbers, &number)?.replace()?;
        }
        Ok(())
    }

    /// The rotation's folder goes to the old authority's; another can be planned.
    fn put_away(&self) -> Result<(), RotationError> {
        let place = self.former().join("rotation");
        fs::rename(self.folder(), &place).map_err(|source| AuthorityError::Write { path: place, source }.into())
    }
}

/// What becomes of an agency that is retired: unlike an old root it is in no list of whom to trust, so that only its
/// revocation ends it.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum OldAgency<'a> {
    /// Nobody says. Enough for a root.
    #[default]
    Unsaid,
    /// This root revokes it.
    RevokedBy(&'a Authority),
    /// It is accepted until it ends: whoever has its key can still issue.
    Unrevoked,
}

/// Somebody whose certificates may be issued anew.
struct Member {
    /// His name, or where his file is.
    label: String,
    bundle: Vec<Certificate>,
    /// Whether somebody says that he is one: his file is at hand, or his node was chosen.
    is_known: bool,
}

/// What becomes of a file at hand.
enum After {
    Changed(Vec<Certificate>),
    Same,
    Over(String),
}

fn after(
    path: &Path,
    content: &[Certificate],
    succession: &Succession<'_>,
    now: UnixTime,
) -> Result<After, RotationError> {
    if let Some(reason) = succession.over(content, now) {
        return Ok(After::Over(reason));
    }
    Ok(match succession.replaced(content).map_err(|missing| not_issued(&missing, path))? {
        Some(next) if next != content => After::Changed(next),
        _ => After::Same,
    })
}

fn refuse_unswitched(found: &AtHand, succession: &Succession<'_>) -> Result<(), RotationError> {
    let now = UnixTime::now();
    let is_trust = |found: &&Found| succession.is_trust(&found.content);
    let (mixed_trust, mixed_chains): (Vec<_>, Vec<_>) = found.mixed.iter().partition(is_trust);
    for Found { path, content } in found.chains.iter().chain(mixed_chains) {
        if matches!(after(path, content, succession, now)?, After::Changed(_)) {
            return Err(RotationError::NotSwitched { path: path.clone() });
        }
    }
    match found.trust.iter().chain(mixed_trust).find(|Found { content, .. }| succession.both(content) != *content) {
        Some(Found { path, .. }) => Err(RotationError::NotSwitched { path: path.clone() }),
        None => Ok(()),
    }
}

fn end_trust(trust: Vec<Found>, succession: &Succession<'_>) -> Result<Done, RotationError> {
    let mut done = Done::default();
    for Found { path, mut content } in trust {
        content.retain(|one| !succession.is_old(one));
        replace(&path, &content, |_| Ok(()))?;
        done.written.push(path);
    }
    Ok(done)
}

/// As it is, in whichever form.
fn copied_key(from: &Path, place: &Path) -> Result<Draft, AuthorityError> {
    Draft::private(place, &*file::read_private(from)?)
}

fn not_issued(missing: &Certificate, path: &Path) -> RotationError {
    RotationError::NotIssued { subject: missing.subject(), path: path.into() }
}

/// A new key of the same kind. What was in a token is not followed by a key in a file.
fn like(key: &PrivateKey, place: &Path) -> Result<PrivateKey, AuthorityError> {
    match key {
        PrivateKey::Secp256k1(_) => Ok(PrivateKey::secp256k1()),
        PrivateKey::Rsa(_) => PrivateKey::rsa(),
        PrivateKey::Token(_) => Err(AuthorityError::Key {
            path: place.into(),
            reason: "the old key is in a PKCS#11 token: make the new one there too and write its URI to this file"
                .into(),
        }),
    }
}

/// Somebody else chose the name; the key makes it unique.
fn file_name(certificate: &Certificate) -> String {
    let name = certificate.common_name().unwrap_or_default();
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let name: String = name.chars().take(64).map(safe).collect();
    format!("{name}-{}.crt", &hex::encode(certificate.key_id())[..12])
}
