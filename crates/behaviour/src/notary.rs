//! Signatures by a key that is not in this process, made outside the swarm's task, which never waits for them.
//!
//! One thread asks the key, for one signature at a time. What it does not sign is tried again after a second; meanwhile the
//! node goes on with the status that it signed last, and what cannot wait is refused or dropped.

mod papers;

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::SignError;
use nuncio_wire::SigningContext;

use self::papers::Papers;

pub(crate) use papers::{Paper, Signed};

/// How long the key is left alone after it did not sign.
const RETRY: Duration = Duration::from_secs(1);

/// Signs at once what it can, and hands the rest to the thread.
pub(crate) struct Notary {
    context: SigningContext,
    /// `None` when the key is in this process.
    office: Option<Office>,
}

struct Office {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    papers: Papers,
    failing: Option<SignError>,
    /// Whether it is failing, when that is not told yet.
    news: Option<Option<SignError>>,
    waker: Option<Waker>,
    is_closed: bool,
}

/// What became of a paper.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is signed.
    Signed(Signed),
    /// It waits for its turn.
    Later,
    /// Too many wait.
    Full,
}

/// What the thread tells.
#[derive(Debug)]
pub(crate) enum Told {
    Signed(Signed),
    /// The key does not sign now.
    Failing(SignError),
    /// It does again.
    Recovered,
}

impl Notary {
    pub(crate) const BOUND: Bound = Papers::BOUND;

    pub(crate) fn new(context: SigningContext) -> Self {
        let office = (!context.signs_at_once()).then(|| Office::open(context.clone()));
        Self { context, office }
    }

    /// Whether what is to be signed is signed at once.
    pub(crate) const fn signs_at_once(&self) -> bool {
        self.office.is_none()
    }

    /// Has something signed.
    pub(crate) fn take(&self, paper: Paper) -> Taken {
        match &self.office {
            Some(office) => office.push(paper, Instant::now()),
            // A key in this process never fails.
            None => paper.sign(&self.context).ok().flatten().map_or(Taken::Full, Taken::Signed),
        }
    }

    /// Leaves something to the thread, where there is one; says whether there was room.
    pub(crate) fn leave(&self, paper: Paper, now: Instant) -> bool {
        self.office.as_ref().is_some_and(|office| matches!(office.push(paper, now), Taken::Later))
    }

    /// What the thread has to tell.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<Told> {
        self.office.as_ref().map_or(Poll::Pending, |office| office.poll(cx))
    }
}

impl Office {
    fn open(context: SigningContext) -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let worker = shared.clone();
        let thread = std::thread::Builder::new().name("nuncio-notary".into());
        let thread = thread.spawn(move || worker.run(&context)).expect("the system has a thread left");
        Self { shared, thread: Some(thread) }
    }

    fn push(&self, paper: Paper, now: Instant) -> Taken {
        let is_taken = self.shared.lock().papers.push(paper, now);
        self.shared.wake.notify_one();
        if is_taken { Taken::Later } else { Taken::Full }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Told> {
        let mut state = self.shared.lock();
        if let Some(signed) = state.papers.take() {
            return Poll::Ready(Told::Signed(signed));
        }
        if let Some(failing) = state.news.take() {
            return Poll::Ready(failing.map_or(Told::Recovered, Told::Failing));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Office {
    /// The key answers within a bounded time, so this ends.
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // What panicked there was said when it did.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Notary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notary").field("signs_at_once", &self.signs_at_once()).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, context: &SigningContext) {
        let mut state = self.lock();
        while !state.is_closed {
            let Some(paper) = state.papers.next(Instant::now()) else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let outcome = paper.clone().sign(context);
            state = self.lock();
            let has_failed = outcome.is_err();
            state.conclude(paper, outcome);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
            if has_failed {
                let pause = self.wake.wait_timeout_while(state, RETRY, |state| !state.is_closed);
                (state, _) = pause.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl State {
    fn conclude(&mut self, paper: Paper, outcome: Result<Option<Signed>, SignError>) {
        let failing = outcome.as_ref().err().cloned();
        if failing.is_some() != self.failing.is_some() {
            self.news = Some(failing.clone());
        }
        self.failing = failing;
        match outcome {
            Ok(signed) => self.papers.done(signed),
            Err(_) => self.papers.put_back(paper),
        }
    }
}
