use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use nuncio_plain::Pace;

use crate::ChainError;

/// When refusals inside a handshake are worth a line in the log: one a second for each cause, as anybody can cause them.
///
/// Bound: the causes there are.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<Discriminant<ChainError>, Pace>>);

impl Told {
    /// Whether a line may be written now; then how many of the same cause were kept back before it.
    pub(super) fn line(&self, error: &ChainError, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        causes.entry(discriminant(error)).or_default().line(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_cause_has_a_line_a_second_whoever_causes_it() {
        let (told, start) = (Told::default(), Instant::now());
        let [long, empty] = [ChainError::TooLong { certificates: 99, bytes: 0 }, ChainError::NoCertificate];
        assert_eq!(told.line(&long, start), Some(0));
        assert!((0..5000).all(|_| told.line(&long, start).is_none()));
        assert_eq!(told.line(&empty, start), Some(0), "another cause");
        assert_eq!(told.line(&long, start + Duration::from_secs(1)), Some(5000));
    }
}
