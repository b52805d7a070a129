//! Warns before the node's certificate ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nuncio_node::NodeHandle;
use tokio::time::interval;

/// Days before the end at which the operator is warned, each once per certificate.
const WARNINGS: [u64; 3] = [30, 7, 1];

const INTERVAL: Duration = Duration::from_secs(60);

const DAY: u64 = 86_400;

/// Warns at start and whenever the certificate comes within the next limit.
pub(crate) async fn warn(node: NodeHandle) {
    let mut ticks = interval(INTERVAL);
    let mut warned = Warned::default();
    loop {
        ticks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Some(left) = warned.due(node.snapshot().certificate_not_after, now) {
            tracing::warn!(
                days = left / DAY,
                hours = left % DAY / 3600,
                "the certificate of this node ends soon; its peers will close their links then. Renew it: nuncio cert renew"
            );
        }
    }
}

/// The warning given last.
#[derive(Debug, Default)]
struct Warned {
    end: u64,
    limit: Option<u64>,
}

impl Warned {
    /// The seconds left, when a warning is due.
    fn due(&mut self, end: u64, now: u64) -> Option<u64> {
        if self.end != end {
            *self = Self { end, limit: None };
        }
        let left = end.saturating_sub(now);
        let limit = WARNINGS.into_iter().filter(|days| left < days * DAY).min()?;
        if self.limit.is_some_and(|given| given <= limit) {
            return None;
        }
        self.limit = Some(limit);
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_warns_once_and_a_renewed_certificate_anew() {
        let (mut warned, end) = (Warned::default(), 100 * DAY);
        let due = |warned: &mut Warned, days: u64| warned.due(end, end - days * DAY).is_some();
        assert!(!due(&mut warned, 31));
        assert!(due(&mut warned, 29) && !due(&mut warned, 28));
        assert!(due(&mut warned, 6) && !due(&mut warned, 5));
        assert!(due(&mut warned, 0) && !due(&mut warned, 0));
        assert!(warned.due(200 * DAY, 190 * DAY).is_some(), "another certificate");
    }
}
