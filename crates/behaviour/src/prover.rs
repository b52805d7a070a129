//! Checks of signatures and certificates, and signatures of reports by a key in this process, outside the swarm's task.
//!
//! One thread does them. Peers take turns, and an answer is checked a few records at a time, so that the thousand records
//! of one peer hold up nobody else; what one peer brought is checked in order, but for revocation lists, which come first.

mod job;
mod work;

use std::{
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::JoinHandle,
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::status_sync::Record;
use nuncio_wire::SigningContext;

use self::{job::Step, work::Work};
use crate::access::Certifier;

pub(crate) use job::{Finding, Job, Proved, Unjudged, Unproved};

/// Hands jobs to the thread, and back what it found.
pub(crate) struct Prover {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    /// Counts changes of what the certifier says.
    rules: AtomicU64,
}

#[derive(Default)]
struct State {
    work: Work,
    waker: Option<Waker>,
    is_closed: bool,
}

impl Prover {
    pub(crate) const BOUND: Bound = Work::BOUND;

    pub(crate) fn new(context: SigningContext, certifier: Arc<dyn Certifier>) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), rules: AtomicU64::new(0) });
        let worker = shared.clone();
        let thread = std::thread::Builder::new().name("nuncio-prover".into());
        let thread = thread.spawn(move || worker.run(&context, &*certifier)).expect("the system has a thread left");
        Self { shared, thread: Some(thread) }
    }

    /// Has something checked that a peer brought; `false` when too much of that peer's waits already.
    pub(crate) fn push(&self, peer: NodeId, job: Job) -> bool {
        let is_taken = self.shared.lock().work.push(peer, job);
        self.shared.wake.notify_one();
        is_taken
    }

    /// Has records of an answer proved: there is one for each query that was sent, so they have no other bound.
    pub(crate) fn prove(&self, peer: NodeId, unproved: Unproved) {
        let unproved = Box::new(unproved.by(self.rules()));
        self.shared.lock().work.push_always(peer, Job::Answer(unproved));
        self.shared.wake.notify_one();
    }

    /// Has revocation lists judged: there is one answer of them for each query that was sent, too.
    pub(crate) fn judge(&self, peer: NodeId, unjudged: Unjudged) {
        self.shared.lock().work.push_always(peer, Job::Lists(Box::new(unjudged)));
        self.shared.wake.notify_one();
    }

    /// Has the certificates of a few members judged that are known already: this node's own affair, of which there is one at a time.
    pub(crate) fn judge_members(&self, own: NodeId, records: Vec<Arc<Record>>) {
        self.shared.lock().work.push_always(own, Job::Members(records));
        self.shared.wake.notify_one();
    }

    /// The certifier may say something else from now on.
    pub(crate) fn change_rules(&self) {
        self.shared.change_rules();
    }

    /// How often it has.
    pub(crate) fn rules(&self) -> u64 {
        self.shared.rules.load(Ordering::Acquire)
    }

    /// What was found about something that a peer brought.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<(NodeId, Finding)> {
        let mut state = self.shared.lock();
        let Some(found) = state.work.take() else {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        Poll::Ready(found)
    }
}

impl Drop for Prover {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // What panicked there was said when it did.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prover").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_rules(&self) {
        self.rules.fetch_add(1, Ordering::AcqRel);
    }

    fn run(&self, context: &SigningContext, certifier: &dyn Certifier) {
        let mut state = self.lock();
        while !state.is_closed {
            let Some((peer, job)) = state.work.next() else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let step = job.step(peer, context, certifier);
            // What is being proved, or was and is not taken yet, was judged without the new list.
            if step.took_lists() {
                self.change_rules();
            }
            state = self.lock();
            let is_done = matches!(step, Step::Done(_));
            state.work.put_back(peer, step);
            if is_done && let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::mpsc};

    use bytes::Bytes;
    use nuncio_identity::NodeKey;
    use nuncio_wire::status::EncodedAnswer;

    use super::*;
    use crate::access::Member;

    /// Takes every list, and writes down with how many agencies each came.
    struct Taker(Mutex<mpsc::Sender<usize>>);

    impl Certifier for Taker {
        fn certify(&self, _: NodeId, _: &[Bytes]) -> Result<Member, String> {
            Err("nobody is a member".into())
        }

        fn take_list(&self, _: NodeId, _: &[u8], agencies: &[Bytes]) -> bool {
            self.0.lock().unwrap().send(agencies.len()).is_ok()
        }
    }

    #[tokio::test]
    async fn what_was_proved_before_a_list_was_taken_is_not_by_the_rules_in_force_and_agencies_come_once() {
        let (told, agencies) = mpsc::channel();
        let (key, peer) = (NodeKey::generate(), NodeKey::generate().node_id());
        let prover = Prover::new(SigningContext::new(key, "test"), Arc::new(Taker(Mutex::new(told))));
        prover.prove(peer, Unproved::of(EncodedAnswer { records: Vec::new(), proofs: Vec::new(), more: false }));
        let (_, proved) = poll_fn(|cx| prover.poll(cx)).await;
        let [list, agency] = [b"list", b"cert"].map(|text| Bytes::from_static(text));
        prover.judge(peer, Unjudged::of(vec![list.clone(), list], vec![agency], 12));
        let (_, judged) = poll_fn(|cx| prover.poll(cx)).await;
        assert!(matches!(judged, Finding::Lists { is_newer: true, .. }));
        let Finding::Answer(proved) = proved else { panic!("{proved:?}") };
        assert_ne!(proved.rules, prover.rules());
        assert_eq!(agencies.try_iter().collect::<Vec<_>>(), [1, 0]);
    }
}
