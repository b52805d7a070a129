use std::time::{Duration, Instant};

/// Lets a line that others can cause into the log once a second, and counts those it keeps back.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    kept_back: u64,
}

impl Pace {
    /// Whether a line may be written now; then how many were kept back before it.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + Duration::from_secs(1)) {
            self.kept_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes_and_says_how_many_did_not() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.line(start), Some(0));
        for _ in 0..5000 {
            assert_eq!(pace.line(start + Duration::from_millis(999)), None);
        }
        assert_eq!(pace.line(start + Duration::from_secs(1)), Some(5000));
    }
}
