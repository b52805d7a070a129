//! What takes the place of certificates of the old authority. No file is touched here but for what was made before.

use std::path::Path;

use rustls_pki_types::UnixTime;

use super::{Rank, RotationError};
use crate::{
    Certificate, RevocationList,
    authority::{AuthorityError, Issuer, Validity, profile::Profile, store::capped},
    instant,
    path::{Anchors, Leaf, MAX_CERTIFICATES},
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
    /// Certificates by the successor, those apart that are withdrawn.
    pub(super) made: Vec<Certificate>,
    /// Certificates by the successor whose predecessors are revoked.
    pub(super) withdrawn: Vec<Certificate>,
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

    /// The way up from whoever a bundle is for. Whatever else is in it was put there by anybody and says nothing of him.
    fn line<'c>(&self, bundle: &'c [Certificate]) -> Vec<&'c Certificate> {
        let is_good = |one: &Certificate| one.is_valid_at(UnixTime::now()) && !self.is_revoked(one);
        line(bundle, |one| self.is_old(one) || self.is_new(one), is_good)
    }

    /// What the old authority issued of whoever a bundle is for, and of those above him.
    pub(super) fn by_old<'c>(&self, bundle: &'c [Certificate]) -> impl Iterator<Item = &'c Certificate> {
        self.line(bundle).into_iter().filter(|one| self.is_by_old(one))
    }

    /// Whether the bundle is of anybody below the old authority or below its successor.
    pub(super) fn concerns(&self, bundle: &[Certificate]) -> bool {
        let is_ours = |one: &Certificate| self.is_by_old(one) || one.is_signed_by(self.new.certificate());
        self.line(bundle).into_iter().any(is_ours)
    }

    /// Whether it was taken back, or its key: that gets no certificate of a successor either.
    fn is_revoked(&self, one: &Certificate) -> bool {
        self.lists.iter().any(|list| list.ends(one))
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
            let reason = if one.is_valid_at(now) {
                self.is_revoked(one).then_some("is revoked, or its key is")?
            } else {
                "has ended"
            };
            Some(format!("{} {reason}", one.subject()))
        };
        bundle.first().into_iter().chain(self.by_old(bundle)).find_map(why)
    }

    /// The successor of a certificate: same name, key and purpose.
    pub(super) fn made_for(&self, original: &Certificate) -> Option<&Certificate> {
        let profile = Profile::of(original).ok()?;
        self.made
            .iter()
            .find(|made| is_same(made, original) && Profile::of(made).is_ok_and(|made| made.is_like(&profile)))
    }

    /// Whether it has a successor that holds.
    pub(super) fn is_issued(&self, original: &Certificate, now: UnixTime) -> bool {
        self.made_for(original).is_some_and(|made| made.is_valid_at(now))
    }

    /// The successor, made where there is none, to last as long as its predecessor was made for.
    pub(super) fn issue(&mut self, original: &Certificate, now: UnixTime) -> Result<Certificate, AuthorityError> {
        if let Some(made) = self.made_for(original).filter(|made| made.is_valid_at(now)) {
            return Ok(made.clone());
        }
        let span = original.not_after().as_secs().saturating_sub(original.not_before().as_secs());
        let start = Validity::days_from(now, 0).not_before;
        let validity = Validity { not_before: start, not_after: instant::at(start.as_secs().saturating_add(span)) };
        let made = self.new.reissue(original, capped(self.new, validity)?)?;
        self.made.insert(0, made.clone());
        Ok(made)
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
        let line = self.line(bundle);
        for one in bundle.iter().filter(|one| !self.is_old(one) && !self.is_new(one)) {
            let made = if self.is_by_old(one) { self.made_for(one) } else { Some(one) };
            if made.is_none() && line.contains(&one) {
                return Err(one.clone());
            }
            next.push(made.unwrap_or(one).clone());
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

/// From the first certificate of a bundle upwards, each by the next, as far as an authority that `ends` it. Of several with
/// one key, the first good one.
pub(super) fn line(
    bundle: &[Certificate],
    ends: impl Fn(&Certificate) -> bool,
    is_good: impl Fn(&Certificate) -> bool,
) -> Vec<&Certificate> {
    let mut line: Vec<_> = bundle.first().into_iter().filter(|one| !ends(one)).collect();
    while let Some(last) = line.last().filter(|_| line.len() < MAX_CERTIFICATES) {
        let above = bundle.iter().filter(|one| !line.contains(one) && !ends(one) && last.is_signed_by(one));
        let Some(next) = above.min_by_key(|one| !is_good(one)) else { break };
        line.push(next);
    }
    line
}

/// Of the same name and key.
pub(in crate::authority) fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.public_key() == other.public_key() && one.subject_name().is(other.subject_name())
}
