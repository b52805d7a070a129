//! Lists of authorities that have lost count: they were made after the list in force, and are numbered no higher, so that no
//! node that goes by numbers takes them in its place. What they revoke counts beside it, until a list comes that is numbered
//! higher and was made as late, or at all, where theirs was made by a clock that was ahead.
//!
//! Bound: one of each signer that has one in force, in the room of all lists.

use rustls_pki_types::UnixTime;
use tracing::warn;

use super::{InForce, Lists, require_room};
use crate::{PolicyError, RevocationList, SignerId};

impl Lists {
    /// Lets a list count beside that of its signer in force, if it was made later; says whether that is news. One that somebody
    /// vouches for makes room as any does.
    pub(super) fn note_miscounted(&mut self, entry: InForce) -> Result<bool, PolicyError> {
        let in_force = self.signed.iter().find(|one| one.id == entry.id).map(|one| one.list.clone());
        let Some(in_force) = in_force.filter(|in_force| self.is_miscounted(&entry, in_force)) else { return Ok(false) };
        let known = self.miscounted.remove(&entry.id);
        let made = if entry.is_vouched { self.make_room_for(&entry) } else { require_room(&entry.list, self.iter()) };
        let (list, issuer) = (entry.list, in_force.issuer());
        if let Err(full) = made {
            self.miscounted.extend(known.map(|known| (entry.id, known)));
            warn!(
                %issuer,
                edition = %list.edition(),
                in_force = %in_force.edition(),
                error = %full,
                "a revocation list was made later than the one in force and is numbered no higher, and finds no room beside it: what \
                 it revokes does not count here until its authority issues it again with a higher number"
            );
            return Err(full);
        }
        warn!(
            %issuer,
            edition = %list.edition(),
            in_force = %in_force.edition(),
            "a revocation list was made later than the one in force and is numbered no higher: its authority has lost count; here \
             both count, and other nodes do not hear of it until it is issued again with a higher number and a date as late"
        );
        self.miscounted.insert(entry.id, list);
        Ok(true)
    }

    fn is_miscounted(&self, entry: &InForce, in_force: &RevocationList) -> bool {
        let list = &entry.list;
        let is_later = |known: &RevocationList| list.edition().this_update() > known.edition().this_update();
        list != in_force
            && list.edition().is_miscounted_after(in_force.edition())
            && self.miscounted.get(&entry.id).is_none_or(is_later)
    }

    /// The authority counts again: what came before the list in force is in it.
    pub(super) fn forget_miscounted(&mut self, id: SignerId, now: UnixTime) {
        let in_force = self.signed.iter().find(|one| one.id == id).map(|one| one.list.edition().this_update());
        let is_over = |beside: &RevocationList| {
            in_force >= Some(beside.edition().this_update()) || beside.edition().is_after(now)
        };
        if self.miscounted.get(&id).is_some_and(is_over) {
            self.miscounted.remove(&id);
        }
    }
}
