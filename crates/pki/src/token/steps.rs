//! What a module is asked while a key is opened, each step on a thread of its own: a token that does not answer must not keep a
//! start waiting for ever.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

use super::inside::inside;
use crate::KeyError;

/// How long a token may take for one step: long for what lies behind a network, and less than a supervisor gives a start.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// Steps that hang at the most; further ones are not begun.
const MAX: usize = 8;

/// Steps under way, those that nobody waits for included.
static UNDER_WAY: Mutex<usize> = Mutex::new(0);

/// Asks the module of `path` to do something, `to` in words, and waits so long.
///
/// # Errors
/// Those of the step, and when it has not ended in time; its thread goes on, and what it makes goes with it.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    path: &Path,
    to: &'static str,
    step: impl FnOnce() -> Result<T, KeyError> + Send + 'static,
) -> Result<T, KeyError> {
    let silent = || KeyError::Silent { module: path.into(), to, limit };
    let place = Place::take().ok_or_else(silent)?;
    let (end, ended) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("nuncio-token-open".into());
    let begun = thread.spawn(move || {
        let made = inside(step);
        drop(place);
        let _ = end.send(made);
    });
    begun.map_err(|error| KeyError::Token { reason: format!("there is no thread for it: {error}") })?;
    match ended.recv_timeout(limit) {
        Ok(made) => made,
        Err(RecvTimeoutError::Timeout) => Err(silent()),
        Err(RecvTimeoutError::Disconnected) => Err(KeyError::Token { reason: "its thread has ended".into() }),
    }
}

struct Place;

impl Place {
    fn take() -> Option<Self> {
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        (*under_way < MAX).then(|| *under_way += 1).map(|()| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_token_is_named_waited_for_so_long_and_asked_no_more_than_so_often() {
        let ask = |limit: u64, step: Box<dyn FnOnce() -> Result<u8, KeyError> + Send>| {
            within(Duration::from_millis(limit), Path::new("/a/token.so"), "log in", step)
        };
        let mut held = Vec::new();
        for _ in 0..MAX {
            let (release, hangs) = mpsc::channel::<()>();
            held.push(release);
            let said = ask(5, Box::new(move || Ok(u8::from(hangs.recv().is_ok())))).unwrap_err();
            let hint = said.hint().unwrap();
            let said = said.to_string();
            assert!(said.contains("/a/token.so") && said.contains("log in") && said.contains("5ms"), "{said}");
            assert!(hint.contains("--module /a/token.so"), "{hint}");
        }
        let (told, begun) = mpsc::channel();
        ask(600_000, Box::new(move || Ok(u8::from(told.send(()).is_ok())))).unwrap_err();
        assert!(begun.try_recv().is_err(), "nothing more is begun");
        held.clear();
        while *UNDER_WAY.lock().unwrap() == MAX {
            std::thread::yield_now();
        }
        assert_eq!(ask(600_000, Box::new(|| Ok(7))).unwrap(), 7, "when it answers again it is asked again");
    }
}
