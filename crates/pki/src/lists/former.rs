//! Lists that were in force, and for whose signer nobody vouches now: its root was retired, or its certificate has ended.
//! What they revoke stays revoked for whoever shows the signer's key, and they spread again once somebody vouches for it.
//!
//! They take the room that others leave; of a family that has most of it they give way first.

use super::{InForce, Lists, require_room};
use crate::{Certificate, PolicyError, RevocationList, SignerId};

/// Most certificates noted on a way that does not lead up.
const MAX_WAY: usize = 4;

impl Lists {
    /// Keeps a list that was in force, unless there is one by its signer that is as new. `known` may hold its signer.
    pub(crate) fn keep_former(&mut self, list: RevocationList, known: &[Certificate]) -> Result<(), PolicyError> {
        if self.has(&list) {
            return Ok(());
        }
        let Some(signer) = known.iter().find(|one| list.is_signed_by(one)) else {
            return self.hold(list, false);
        };
        let id = SignerId::of(signer);
        let place = self.signed.iter().position(|one| one.id == id);
        let way = above(signer, known);
        let family = way.last().map_or(id, SignerId::of);
        let entry = InForce { list, id, way: way.into(), family, is_vouched: false };
        if place.is_some_and(|index| !entry.list.edition().is_newer_than(self.signed[index].list.edition())) {
            return self.note_miscounted(entry).map(drop);
        }
        let others = self.signed.iter().filter(|one| one.id != id).map(|one| &one.list);
        require_room(&entry.list, others.chain(self.miscounted.values()).chain(self.unclaimed()))?;
        self.signed.retain(|one| one.id != id);
        self.signed.push(entry);
        Ok(())
    }

    /// All but those: of an authority that was retired nobody expects the next list.
    pub fn continued(&self) -> impl Iterator<Item = &RevocationList> {
        self.vouched().map(|one| &one.list).chain(self.unclaimed())
    }

    /// All but those that are here by a file alone: a file that names one no more is to end it.
    pub fn remembered(&self) -> impl Iterator<Item = &RevocationList> {
        let kept = self.unclaimed.iter().filter(|one| !one.is_of_file).map(|one| &one.list);
        self.signed.iter().map(|one| &one.list).chain(self.miscounted.values()).chain(kept)
    }

    /// Those that had to make room since then, whose signers have none here now: what they revoke counts again.
    pub fn gone_since(&self, before: &Self) -> Vec<RevocationList> {
        let has_one_of = |id: SignerId| self.signed.iter().any(|one| one.id == id);
        let known = before.signed.iter().filter(|one| !has_one_of(one.id)).map(|one| &one.list);
        let beside = before.miscounted.iter().filter(|(id, _)| !has_one_of(**id)).map(|(_, list)| list);
        // One that was claimed meanwhile may have been older than what its signer has here.
        let is_claimed = |list: &RevocationList| {
            self.signed.iter().any(|one| one.way.first().is_some_and(|signer| list.is_signed_by(signer)))
        };
        let unknown = before.unclaimed().filter(|list| !self.has(list) && !is_claimed(list));
        known.chain(beside).chain(unknown).cloned().collect()
    }

    /// Whether this very list is here.
    pub(crate) fn has(&self, list: &RevocationList) -> bool {
        self.iter().any(|one| one == list)
    }

    /// The ways of those that somebody vouches for, each with whose it is; of authorities here there are none.
    pub(crate) fn ways(&self) -> impl Iterator<Item = (SignerId, &[Certificate])> {
        self.vouched().filter(|one| !one.way.is_empty()).map(|one| (one.id, &*one.way))
    }

    /// Nobody vouches for this signer any more.
    pub(crate) fn set_unvouched(&mut self, signer: SignerId) {
        self.signed.iter_mut().filter(|one| one.id == signer).for_each(|one| one.is_vouched = false);
    }
}

/// The signer, and those above it as far as they are known; a root is nobody's agency.
fn above(signer: &Certificate, known: &[Certificate]) -> Vec<Certificate> {
    let mut way = vec![signer.clone()];
    while way.len() < MAX_WAY {
        let last = &way[way.len() - 1];
        let next = known.iter().find(|one| !one.is_self_issued() && !way.contains(one) && last.is_signed_by(one));
        let Some(next) = next.cloned() else { break };
        way.push(next);
    }
    way
}
