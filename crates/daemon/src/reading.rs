//! Keys and certificates are read on threads of their own, and waited for so long and no longer: a token, or a file system,
//! that does not answer must not keep a running node from its next reload.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

/// How long a reading may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// Readings that hang at the most; further ones are not begun.
const MAX: usize = 4;

/// Where readings are begun.
#[derive(Debug)]
pub(crate) struct Readings {
    limit: Duration,
    places: Arc<Semaphore>,
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadingError {
    /// It takes too long.
    #[error(
        "keys and certificates were not read within {LIMIT:?}: a PKCS#11 token, or a file system, does not answer; \
         nothing was changed"
    )]
    Slow,
    /// Former ones hang still.
    #[error("{MAX} former readings of keys and certificates hang still, so none was begun")]
    Hanging,
    /// The system gives no thread, or it ended without a word.
    #[error("there is no thread to read keys and certificates")]
    NoThread,
}

impl ReadingError {
    /// What the operator can do about it.
    pub fn hint(self) -> String {
        match self {
            Self::Slow | Self::NoThread => {
                "the node goes on with what it has; see that the token of [identity] key answers, then reload again"
                    .into()
            }
            Self::Hanging => "see that the token of [identity] key answers; else restart the node".into(),
        }
    }
}

impl Readings {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, places: Arc::new(Semaphore::new(MAX)) }
    }

    /// Runs `read` on a thread of its own.
    ///
    /// # Errors
    /// When it has not ended in time; the thread goes on, and nobody hears of its end.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadingError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| ReadingError::Hanging)?;
        let (end, ended) = oneshot::channel();
        // No thread of the runtime: its end would wait for this one.
        let thread = std::thread::Builder::new().name("nuncio-reading".into());
        let begun = thread.spawn(move || {
            let made = read();
            drop(place);
            let _ = end.send(made);
        });
        begun.map_err(|_| ReadingError::NoThread)?;
        match timeout(self.limit, ended).await {
            Ok(made) => made.map_err(|_| ReadingError::NoThread),
            Err(_) => Err(ReadingError::Slow),
        }
    }
}

#[cfg(test)]
impl Readings {
    /// Waits until no thread is left.
    pub(crate) async fn all_have_ended(&self) {
        let all = u32::try_from(MAX).unwrap();
        drop(self.places.acquire_many(all).await.unwrap());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_is_not_waited_for_and_takes_no_more_than_its_places() {
        let readings = Readings::new(Duration::from_millis(20));
        let mut held = Vec::new();
        for _ in 0..MAX {
            let (release, hangs) = mpsc::channel::<()>();
            held.push(release);
            assert_eq!(readings.run(move || hangs.recv().is_err()).await, Err(ReadingError::Slow));
        }
        assert_eq!(readings.run(|| ()).await, Err(ReadingError::Hanging));
        // One ends, and its place is free.
        held.pop();
        drop(Arc::clone(&readings.places).acquire_owned().await.unwrap());
        let patient = Readings { limit: LIMIT, places: Arc::clone(&readings.places) };
        assert_eq!(patient.run(|| 7).await, Ok(7));
    }
}
