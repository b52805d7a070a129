//! Lists of authorities that have lost count: they were made after the list in force, and are numbered no higher, so that no
//! node that goes by numbers takes them in its place. What they revoke counts beside it, until a list comes that is numbered
//! higher and was made as late.
//!
//! Bound: one of each signer, in the room of all lists.

use tracing::warn;

use super::{Lists, require_room};
use crate::{RevocationList, SignerId};

impl Lists {
    /// Lets a list count beside that of its signer in force, if it was made later; says whether that is news.
    pub(super) fn note_miscounted(&mut self, list: RevocationList, id: SignerId) -> bool {
        let Some(in_force) = self.signed.iter().find(|one| one.id == id).map(|one| &one.list) else { return false };
        let known = self.miscounted.get(&id);
        let is_later = |known: &RevocationList| list.edition().this_update() > known.edition().this_update();
        if list == *in_force || !list.edition().is_miscounted_after(in_force.edition()) || !known.is_none_or(is_later) {
            return false;
        }
        let others = self.iter().filter(|one| Some(*one) != known);
        if require_room(&list, others).is_err() {
            return false;
        }
        warn!(
            issuer = %list.issuer(),
            edition = %list.edition(),
            in_force = %in_force.edition(),
            "a revocation list was made later than the one in force and is numbered no higher: its authority has lost count; here \
             both count, and other nodes do not hear of it until it is issued again with a higher number"
        );
        self.miscounted.insert(id, list);
        true
    }

    /// The authority counts again: what came before the list in force is in it.
    pub(super) fn forget_miscounted(&mut self, id: SignerId) {
        let in_force = self.signed.iter().find(|one| one.id == id).map(|one| one.list.edition().this_update());
        if in_force >= self.miscounted.get(&id).map(|one| one.edition().this_update()) {
            self.miscounted.remove(&id);
        }
    }
}
