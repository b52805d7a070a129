//! Whether two who are judged by the same anchors stand below the same root, also while one root takes another's place.
//!
//! A root names whom it likes its heir, and can name another one's root so. Of a root above somebody its own word counts,
//! wherever it was shown; that some root was there before one of his counts where his own files say it.

use super::Verified;
use crate::{Certificate, SignerId, heir};

impl Verified {
    /// Whether the anchor of another path is above this one's leaf.
    pub(crate) fn is_below_anchor_of(&self, other: &Self, anchors: &[Certificate]) -> bool {
        let mut above: Vec<&Certificate> = self.issuers().collect();
        while !is_among(&above, &other.anchor) {
            let Some(next) = self.further_above(&above, other, anchors) else { return false };
            above.push(next);
        }
        true
    }

    /// Somebody who is above as well, because he certified one of those who are, or was there before one of them or after him.
    fn further_above<'a>(
        &'a self,
        above: &[&Certificate],
        other: &'a Self,
        anchors: &'a [Certificate],
    ) -> Option<&'a Certificate> {
        let is_over = |one: &&Certificate| above.iter().any(|held| held.is_signed_by(one));
        let is_heir = |one: &&Certificate| above.iter().any(|old| takes_place(one, old));
        let was_before =
            |one: &&Certificate| self.words.iter().any(|word| is_among(above, word) && takes_place(word, one));
        let over = anchors.iter().filter(is_over);
        let heirs = self.words.iter().chain(&other.words).filter(is_heir);
        let former = anchors.iter().chain(&self.words).filter(was_before);
        over.chain(heirs).chain(former).find(|one| !is_among(above, one))
    }
}

/// Whether it is of the name and key of one of these.
fn is_among(these: &[&Certificate], one: &Certificate) -> bool {
    let id = SignerId::of(one);
    these.iter().any(|held| SignerId::of(held) == id)
}

/// Whether a root has certified another as the one in its place. The word alone can be copied into a certificate by anybody.
fn takes_place(one: &Certificate, old: &Certificate) -> bool {
    heir::has_word(one) && one.is_signed_by(old) && heir::is_heir(one, old)
}
