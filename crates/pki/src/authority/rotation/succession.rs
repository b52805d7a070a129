//! What takes the place of certificates of the old authority. No file is touched here but for what was made before.

use std::path::Path;

use rustls_pki_types::UnixTime;

use super::{Rank, RotationError};
use crate::{
    Certificate, RevocationList,
    authority::{AuthorityError, Issuer, Validity, profile::Profile, store::capped},
    instant,
    path::{Anchors, Leaf},
};

/// An authority, its successor, and what the successor has issued in its place.
#[derive(Debug)]
pub(super) struct Succession<'a> {
    pub(super) rank: Rank,
    pub(super) old: &'a Certificate,
    pub(super) new: &'a Issuer,
    /// The new root's key, certified by the old root.
    pub(super) cross: Option<&'a Certificate>,
    /// Where chains of the successor end; one suffices.
    pub(super) anchors: Vec<Certificate>,
    /// The old authority's own revocation lists.
    pub(super) lists: Vec<RevocationList>,
    /// Certificates by the successor.
    pub(super) made: Vec<Certificate>,
}

impl Succession<'_> {
    /// Whether it is a certificate of the old authority's own key.
    pub(super) fn is_old(&self, one: &Certificate) -> bool {
        is_same(one, self.old)
    }

    fn is_new(&self, one: &Certificate) -> bool {
        is_same(one, self.new.certificate())
    }

    /// Whether the old authority issued it, to somebody else than its successor.
    fn is_by_old(&self, one: &Certificate) -> bool {
        !self.is_old(one) && !self.is_new(one) && one.is_signed_by(self.old)
    }

    /// What the old authority issued of these.
    pub(super) fn by_old<'c>(&self, bundle: &'c [Certificate]) -> impl Iterator<Item = &'c Certificate> {
        bundle.iter().filter(|one| self.is_by_old(one))
    }

    /// Whether the bundle is of anybody below the old authority or below its successor.
    pub(super) fn concerns(&self, bundle: &[Certificate]) -> bool {
        let is_ours = |one: &Certificate| self.is_by_old(one) || one.is_signed_by(self.new.certificate());
        bundle.iter().any(|one| !self.is_old(one) && !self.is_new(one) && is_ours(one))
    }

    /// Whether the file says whom to trust, and names the old authority or its successor.
    pub(super) fn is_trust(&self, bundle: &[Certificate]) -> bool {
        let first = &bundle[0];
        let is_root = first.is_self_issued() && first.is_signed_by(first);
        (is_root || self.is_old(first) || self.is_new(first)) && bundle.iter().any(|one| self.is_old(one))
    }

    /// Why a bundle gets no successor.
    pub(super) fn over(&self, bundle: &[Certificate], now: UnixTime) -> Option<String> {
        let why = |one: &Certificate| {
            let is_revoked = || self.lists.iter().any(|list| list.lists(one));
            let reason = if one.is_valid_at(now) { is_revoked().then_some("is revoked")? } else { "has ended" };
            Some(format!("{} {reason}", one.subject()))
        };
        bundle.first().into_iter().chain(self.by_old(bundle)).find_map(why)
    }

    /// The successor of a certificate: same name, key and purpose.
    fn made_for(&self, original: &Certificate) -> Option<&Certificate> {
        let profile = Profile::of(original).ok()?;
        self.made
            .iter()
            .find(|made| is_same(made, original) && Profile::of(made).is_ok_and(|made| made.is_like(&profile)))
    }

    /// Makes a successor where there is none, to last as long as its predecessor was made for.
    pub(super) fn issue(&mut self, original: &Certificate, now: UnixTime) -> Result<bool, AuthorityError> {
        if self.made_for(original).is_some_and(|made| made.is_valid_at(now)) {
            return Ok(false);
        }
        let span = original.not_after().as_secs().saturating_sub(original.not_before().as_secs());
        let start = Validity::days_from(now, 0).not_before;
        let validity = Validity { not_before: start, not_after: instant::at(start.as_secs().saturating_add(span)) };
        self.made.push(self.new.reissue(original, capped(self.new, validity)?)?);
        Ok(true)
    }

    /// The bundle with successors in it; the same as the bundle where that was done before. `None` when the old authority
    /// has nothing to do with it.
    ///
    /// # Errors
    /// A certificate that has no successor.
    pub(super) fn replaced(&self, bundle: &[Certificate]) -> Result<Option<Vec<Certificate>>, Certificate> {
        if !self.concerns(bundle) {
            return Ok(None);
        }
        let mut next = Vec::with_capacity(bundle.len() + 2);
        for one in bundle.iter().filter(|one| !self.is_old(one) && !self.is_new(one)) {
            let one = if self.is_by_old(one) { self.made_for(one).ok_or_else(|| one.clone())? } else { one };
            next.push(one.clone());
        }
        match self.rank {
            Rank::Agency => next.insert(1, self.new.certificate().clone()),
            Rank::Root => {
                next.extend(self.cross.cloned());
                if bundle.iter().any(|one| one.is_self_issued() && (self.is_old(one) || self.is_new(one))) {
                    next.push(self.new.certificate().clone());
                }
            }
        }
        Ok(Some(next))
    }

    /// Whether it leads to the successor's root, and where the old root vouches for the new one, to the old one too.
    pub(super) fn refuse_unsound(
        &self,
        path: &Path,
        bundle: &[Certificate],
        now: UnixTime,
    ) -> Result<(), RotationError> {
        let old = self.cross.filter(|cross| cross.is_valid_at(now)).map(|_| vec![self.old.clone()]);
        for anchors in std::iter::once(self.anchors.clone()).chain(old) {
            let anchors = Anchors::new(anchors);
            let faults = if bundle[0].is_ca() {
                anchors.faults_of_authority(bundle, now)
            } else {
                anchors.faults(bundle, now, Leaf::Client)
            };
            if let Some(fault) = faults.first() {
                return Err(RotationError::Unsound { path: path.into(), reason: fault.to_string() });
            }
        }
        Ok(())
    }

    /// Whom a file trusts, with the successor beside the old one.
    pub(super) fn both(&self, bundle: &[Certificate]) -> Vec<Certificate> {
        let new = self.new.certificate();
        let mut next = bundle.to_vec();
        if !next.contains(new) {
            let after = next.iter().rposition(|one| self.is_old(one)).map_or(next.len(), |place| place + 1);
            next.insert(after, new.clone());
        }
        next
    }
}

/// Of the same name and key.
pub(super) fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.public_key() == other.public_key() && one.subject_name().is(other.subject_name())
}
