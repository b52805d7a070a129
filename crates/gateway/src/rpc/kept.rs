//! What nodes say of themselves, in JSON: written once for each state of the network and each view of it.

use std::{
    any::Any,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use nuncio_bounds::Bound;
use nuncio_protocol::amop::TenantId;
use nuncio_rights::Rights;

/// Most answers that are kept.
const MAX_ANSWERS: usize = 4096;

/// Most bytes of them.
const MAX_BYTES: usize = 16 << 20;

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum About {
    /// The node itself.
    Own,
    /// The nodes that it is linked to.
    Peers,
    /// The IDs of all.
    Ids,
}

/// What the network is like; the same one for as long as it is.
pub(super) type State = Arc<dyn Any + Send + Sync>;

/// Who asks; `None` where everybody sees the same.
pub(super) type Viewer = Option<TenantId>;

/// The answers of one state of the network under one set of rights.
///
/// Bounds: [`MAX_ANSWERS`] and [`MAX_BYTES`]; a longer one is not kept, and when one is too many, all are written anew.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    /// Of what they are. As long as these are here, nothing else can be where they are.
    of: Option<(Weak<dyn Any + Send + Sync>, Weak<Rights>)>,
    known: HashMap<(About, Viewer), Bytes>,
    bytes: usize,
}

impl Kept {
    pub(crate) const BOUND: Bound = Bound::of_bytes(
        "what the node says of itself and of others by JSON-RPC",
        MAX_BYTES + MAX_ANSWERS * 3 * size_of::<(About, Viewer, Bytes)>(),
        "it is written anew for each who asks",
    )
    .in_entries(MAX_ANSWERS);

    /// What was answered to the same question in this state, or what `write` says, which is kept.
    pub(super) fn answer(
        &self,
        (state, rights): (&State, &Arc<Rights>),
        asked: (About, Viewer),
        write: impl FnOnce() -> Bytes,
    ) -> Bytes {
        if let Some(known) = self.answers().of(state, rights).known.get(&asked) {
            return known.clone();
        }
        // Nobody waits for it: who asks meanwhile writes it, too.
        let written = write();
        self.answers().of(state, rights).keep(asked, &written);
        written
    }

    fn answers(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers {
    /// Those of this state; those of another are forgotten.
    fn of(&mut self, state: &State, rights: &Arc<Rights>) -> &mut Self {
        let is_same = self.of.as_ref().is_some_and(|(of, by)| {
            std::ptr::addr_eq(of.as_ptr(), Arc::as_ptr(state)) && Weak::as_ptr(by) == Arc::as_ptr(rights)
        });
        if !is_same {
            *self = Self { of: Some((Arc::downgrade(state), Arc::downgrade(rights))), ..Self::default() };
        }
        self
    }

    fn keep(&mut self, asked: (About, Viewer), answer: &Bytes) {
        if answer.len() > MAX_BYTES {
            return;
        }
        if self.known.len() >= MAX_ANSWERS || self.bytes + answer.len() > MAX_BYTES {
            (self.known, self.bytes) = (HashMap::new(), 0);
        }
        self.bytes += answer.len();
        let former = self.known.insert(asked, answer.clone());
        self.bytes -= former.map_or(0, |former| former.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks, and says whether it was written anew.
    fn is_written(kept: &Kept, state: &State, rights: &Arc<Rights>, viewer: u64, answer: &Bytes) -> bool {
        let mut is_written = false;
        let asked = (About::Own, Some(TenantId(viewer)));
        let got = kept.answer((state, rights), asked, || {
            is_written = true;
            answer.clone()
        });
        assert_eq!(got, *answer);
        is_written
    }

    #[test]
    fn an_answer_is_written_once_for_each_viewer_until_the_network_or_the_rights_change() {
        let (kept, rights) = (Kept::default(), Arc::<Rights>::default());
        let [state, other]: [State; 2] = [Arc::new(1), Arc::new(2)];
        let [first, second] = [&b"first"[..], b"second"].map(Bytes::from_static);
        assert!(is_written(&kept, &state, &rights, 1, &first) && is_written(&kept, &state, &rights, 2, &second));
        assert!(!is_written(&kept, &state, &rights, 1, &first) && !is_written(&kept, &state, &rights, 2, &second));
        assert!(is_written(&kept, &other, &rights, 1, &second), "another state");
        assert!(is_written(&kept, &other, &Arc::default(), 1, &first), "other rights");
        let peers = kept.answer((&other, &rights), (About::Peers, None), || second.clone());
        assert_eq!(peers, second, "another question");
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_nothing_that_is_too_long() {
        let (kept, rights) = (Kept::default(), Arc::<Rights>::default());
        let (state, long): (State, _) = (Arc::new(()), Bytes::from(vec![0; MAX_BYTES + 1]));
        for _ in 0..2 {
            assert!(is_written(&kept, &state, &rights, 0, &long));
        }
        let piece = long.slice(..MAX_BYTES / 8);
        for viewer in 0..100 {
            assert!(is_written(&kept, &state, &rights, viewer, &piece));
            let answers = kept.answers();
            assert!(answers.bytes <= MAX_BYTES && answers.bytes == answers.known.len() * piece.len());
        }
        let short = Bytes::from_static(b"{}");
        assert!((1000..1000 + 2 * MAX_ANSWERS as u64).all(|viewer| is_written(&kept, &state, &rights, viewer, &short)));
        assert!(kept.answers().known.len() <= MAX_ANSWERS);
    }
}
