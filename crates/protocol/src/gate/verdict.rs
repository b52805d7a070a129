use std::time::Instant;

use super::{Admitted, Passing, Strike, peer::Peer, source::Source};

/// What becomes of a message.
#[derive(Debug)]
pub(crate) enum Verdict<M> {
    /// It is for this node.
    Mine(Admitted<M>),
    /// It is for another one.
    Passing(Passing<M>),
    /// It was for an earlier life of this node, and asks: its source learns that from the answer.
    Outlived(Admitted<M>),
    /// It waits for its source's record.
    Held(M),
    /// The edge could not open it and now can.
    Sealed(M),
    /// Dropped.
    Refused,
    /// Dropped, and whoever brought it broke a rule.
    Struck(Strike),
    /// Dropped, and its source broke a rule, whoever brought it.
    Proved(Strike),
}

/// What becomes of a message that is one repetition too many. Who brings the very same again could have held it back; for
/// another copy, or another message with its number, whoever brings it now is not to blame.
pub(super) fn excess<M>(
    (peer, source): (&mut Peer, Option<&mut Source>),
    (is_repeated, is_copy): (bool, bool),
    now: Instant,
) -> Option<Verdict<M>> {
    if is_copy {
        (!peer.may_repeat(now)).then_some(Verdict::Struck(Strike::Replayed))
    } else {
        let is_excess = is_repeated && source.is_none_or(|source| !source.may_repeat(now));
        is_excess.then_some(Verdict::Refused)
    }
}
