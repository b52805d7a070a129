//! Who is inside a module. At the end of a process modules take themselves apart, and whoever is inside then crashes it.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cryptoki::session::Session;

use crate::KeyError;

/// How long the end of the process waits for those who are inside.
const FAREWELL: Duration = Duration::from_secs(2);

/// Of all modules: threads of a process are few.
static GATE: Gate = Gate::new();

/// Lets nobody into a PKCS#11 module any more and waits, two seconds at the most, until nobody is inside. A program that has had
/// keys in tokens calls it when nothing is left to do but to end.
pub fn leave_tokens() {
    GATE.close(FAREWELL);
}

/// Does something inside a module.
///
/// # Errors
/// When the process ends.
pub(super) fn inside<T>(act: impl FnOnce() -> Result<T, KeyError>) -> Result<T, KeyError> {
    let guest = GATE.enter().ok_or_else(|| KeyError::Token { reason: "this process ends".into() })?;
    let made = act();
    drop(guest);
    made
}

/// A session that is not closed any more once the process ends: its token closes it.
pub(super) struct OpenSession(Option<Session>);

impl OpenSession {
    pub(super) const fn new(session: Session) -> Self {
        Self(Some(session))
    }

    /// # Errors
    /// Never before it is dropped.
    pub(super) fn get(&self) -> Result<&Session, KeyError> {
        self.0.as_ref().ok_or_else(|| KeyError::Token { reason: "its session is closed".into() })
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        let (guest, session) = (GATE.enter(), self.0.take());
        if guest.is_none() {
            std::mem::forget(session);
        }
    }
}

struct Gate {
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    inside: usize,
    is_closed: bool,
}

struct Guest<'a>(&'a Gate);

impl Gate {
    const fn new() -> Self {
        Self { state: Mutex::new(State { inside: 0, is_closed: false }), left: Condvar::new() }
    }

    fn enter(&self) -> Option<Guest<'_>> {
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        state.inside += 1;
        Some(Guest(self))
    }

    /// Whether nobody is inside.
    fn close(&self, limit: Duration) -> bool {
        let mut state = self.lock();
        state.is_closed = true;
        let waited = self.left.wait_timeout_while(state, limit, |state| state.inside > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.inside == 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_waits_for_who_is_inside_and_lets_nobody_in() {
        let gate = Gate::new();
        let guest = gate.enter().unwrap();
        assert!(!gate.close(Duration::from_millis(5)), "whoever stays is not waited for without end");
        assert!(gate.enter().is_none());
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| gate.close(Duration::from_secs(600)));
            drop(guest);
            assert!(closing.join().unwrap());
        });
        assert!(gate.close(Duration::ZERO) && gate.enter().is_none());
    }
}
