//! A thread that asks a token for signatures, so that whoever needs one waits no longer than it wants to.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    time::{Duration, Instant},
};

use super::inside::inside;
use crate::KeyError;

/// Digests that wait for one key; further ones are refused.
const MAX_WAITING: usize = 64;

type Made = Result<Vec<u8>, KeyError>;

/// How long the end of the thread is waited for: what closes its session must not meet the end of the process.
const FAREWELL: Duration = Duration::from_secs(2);

/// Hands digests to the thread. It ends when this is dropped and the token has answered.
pub(super) struct Worker {
    /// `None` at the end.
    jobs: Option<SyncSender<Job>>,
    /// Says nothing, and is closed when the thread has let go of the token.
    ended: Mutex<Receiver<()>>,
    /// Since when the token has been at the present digest.
    since: Arc<Mutex<Option<Instant>>>,
}

struct Job {
    digest: [u8; 32],
    /// Nobody waits for it afterwards.
    until: Option<Instant>,
    answer: SyncSender<Made>,
}

impl Worker {
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(make: impl FnMut(&[u8; 32]) -> Made + Send + 'static) -> Result<Self, KeyError> {
        let (jobs, waiting) = mpsc::sync_channel(MAX_WAITING);
        let (end, ended) = mpsc::sync_channel(0);
        let since = Arc::new(Mutex::new(None));
        let present = Arc::clone(&since);
        let thread = std::thread::Builder::new().name("nuncio-token".into());
        thread
            .spawn(move || {
                run(&waiting, &present, make);
                drop(end);
            })
            .map_err(|error| refused(&format!("there is no thread for it: {error}")))?;
        Ok(Self { jobs: Some(jobs), ended: Mutex::new(ended), since })
    }

    /// Waits as long as the token takes.
    pub(super) fn sign(&self, digest: [u8; 32]) -> Made {
        let (answer, made) = mpsc::sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { digest, until: None, answer }).map_err(|_| gone())?;
        made.recv().map_err(|_| gone())?
    }

    /// Waits for so long at the most, and not at all while the token has been silent for longer.
    pub(super) fn sign_within(&self, digest: [u8; 32], limit: Duration) -> Made {
        let silent = || refused(&format!("it has not answered within {limit:?}"));
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_some_and(|since| since.elapsed() >= limit) {
            return Err(silent());
        }
        let (answer, made) = mpsc::sync_channel(1);
        match self.jobs.as_ref().ok_or_else(gone)?.try_send(Job { digest, until: Some(Instant::now() + limit), answer })
        {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(refused("too many signatures wait for it")),
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        match made.recv_timeout(limit) {
            Ok(made) => made,
            Err(RecvTimeoutError::Timeout) => Err(silent()),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(FAREWELL);
    }
}

fn run(jobs: &Receiver<Job>, since: &Mutex<Option<Instant>>, mut make: impl FnMut(&[u8; 32]) -> Made) {
    let note = |value| *since.lock().unwrap_or_else(PoisonError::into_inner) = value;
    for Job { digest, until, answer } in jobs {
        let now = Instant::now();
        if until.is_some_and(|until| until <= now) {
            continue;
        }
        note(Some(now));
        let made = inside(|| make(&digest));
        note(None);
        // Whoever asked may have gone.
        let _ = answer.try_send(made);
    }
}

fn refused(reason: &str) -> KeyError {
    KeyError::Token { reason: reason.into() }
}

fn gone() -> KeyError {
    refused("its thread has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    #[test]
    fn nobody_waits_longer_than_the_limit_and_while_the_token_is_silent_nobody_waits_at_all() {
        let (release, held) = mpsc::sync_channel::<()>(0);
        let (began, beginning) = mpsc::sync_channel::<()>(1);
        let worker = Worker::start(move |digest| {
            let _ = began.try_send(());
            let _ = held.recv();
            Ok(digest.to_vec())
        });
        let worker = worker.unwrap();
        std::thread::scope(|scope| {
            let patient = scope.spawn(|| worker.sign([1; 32]));
            beginning.recv().unwrap();
            let is_silent = |_| {
                let refused = worker.sign_within([2; 32], LIMIT).unwrap_err().to_string();
                assert!(refused.contains("not answered within"), "{refused}");
            };
            // These would wait for over half an hour, or fill the queue.
            (0..100_000).for_each(is_silent);
            drop(release);
            assert_eq!(patient.join().unwrap().unwrap(), [1; 32]);
        });
        assert_eq!(worker.sign_within([4; 32], Duration::from_secs(600)).unwrap(), [4; 32], "it answers again");
    }

    #[test]
    fn when_it_is_dropped_the_token_is_let_go_of() {
        let held = Arc::new(());
        let token = Arc::clone(&held);
        let worker = Worker::start(move |digest| {
            let _ = &token;
            Ok(digest.to_vec())
        });
        worker.unwrap().sign([1; 32]).unwrap();
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (release, held) = mpsc::sync_channel::<()>(0);
        let (began, beginning) = mpsc::sync_channel::<()>(1);
        let worker = Worker::start(move |digest| {
            let _ = began.try_send(());
            let _ = held.recv();
            Ok(digest.to_vec())
        });
        let worker = worker.unwrap();
        let hour = Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let signed = scope.spawn(|| worker.sign_within([5; 32], hour));
            beginning.recv().unwrap();
            let (refuse, refusals) = mpsc::channel();
            let ask = |_| {
                let (worker, refuse) = (&worker, refuse.clone());
                scope.spawn(move || worker.sign_within([5; 32], hour).inspect_err(|_| refuse.send(()).unwrap()))
            };
            let asked: Vec<_> = (0..MAX_WAITING + 7).map(ask).collect();
            // The queue is full when one is refused, and stays so: nothing leaves it before the token is released.
            (0..7).for_each(|_| refusals.recv().unwrap());
            drop(release);
            signed.join().unwrap().unwrap();
            let refused = asked.into_iter().map(|one| one.join().unwrap()).filter(Result::is_err).count();
            assert_eq!(refused, 7, "one is being signed, and {MAX_WAITING} wait");
        });
    }
}
