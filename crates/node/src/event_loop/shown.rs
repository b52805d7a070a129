use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nuncio_protocol::status_sync::Version;
use tokio::sync::watch;

use crate::snapshot::Snapshot;

/// A snapshot that took long to make, as in a network of thousands, is the last for so many times as long, and for
/// [`LONGEST_PAUSE`] at the most.
const PAUSE: u32 = 4;

/// What operators see is never older than this and a tick.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// The snapshot that handles see, and whether it is time for another.
#[derive(Debug)]
pub(crate) struct Shown {
    snapshots: watch::Sender<Arc<Snapshot>>,
    is_due: bool,
    /// Not before this.
    next: Instant,
}

impl Shown {
    pub(crate) fn new(snapshots: watch::Sender<Arc<Snapshot>>) -> Self {
        Self { snapshots, is_due: true, next: Instant::now() }
    }

    /// Something changed.
    pub(super) fn touch(&mut self) {
        self.is_due = true;
    }

    /// Whether to make another; `version` is that of the own status, in which also what clients subscribe stands, and the
    /// counts are those of [`crate::view::snapshot`].
    pub(super) fn is_due(&self, version: Version, counts: [u64; 5], now: Instant) -> bool {
        now >= self.next && (self.is_due || self.is_stale(version, counts))
    }

    /// Shows a snapshot that was made from `began` to `now`.
    pub(super) fn show(&mut self, snapshot: Snapshot, began: Instant, now: Instant) {
        self.snapshots.send_replace(Arc::new(snapshot));
        self.is_due = false;
        self.next = now + (PAUSE * now.saturating_duration_since(began)).min(LONGEST_PAUSE);
    }

    /// Also while no peer is linked, dials change what there is to see.
    fn is_stale(&self, version: Version, counts: [u64; 5]) -> bool {
        let shown = self.snapshots.borrow();
        let shown_counts = [shown.duplicate_identities, shown.missed, shown.lost, shown.denied, shown.over_quota];
        shown.seq != version.seq
            || shown_counts != counts
            || !shown.ready
            || shown.peers.iter().any(|peer| peer.node_id.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot {
        Snapshot {
            node_id: nuncio_testkit::simulator::node_id(0),
            name: String::new(),
            agency: String::new(),
            epoch: 1,
            seq: 1,
            version: String::new(),
            started: Instant::now(),
            listen: Vec::new(),
            peers: Vec::new(),
            nodes: Vec::new(),
            certificate_not_after: 0,
            ready: true,
            duplicate_identities: 0,
            missed: 0,
            lost: 0,
            denied: 0,
            over_quota: 0,
            strikes: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn a_snapshot_that_took_long_is_followed_by_a_pause() {
        let mut shown = Shown::new(watch::channel(Arc::new(snapshot())).0);
        let (version, start) = (Version { epoch: 1, seq: 1 }, Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(shown.is_due(version, [0; 5], start), "the first");
        for (took, pause) in [(1, 4), (30, 120), (1000, 200)] {
            shown.show(snapshot(), start, at(took));
            assert!(!shown.is_due(version, [0; 5], at(took + pause)), "nothing changed");
            shown.touch();
            let is_due = |now| shown.is_due(version, [0; 5], at(now));
            assert!(!is_due(took + pause - 1) && is_due(took + pause));
        }
        shown.show(snapshot(), start, start);
        assert!(!shown.is_due(version, [0; 5], start), "it shows all there is");
        assert!(shown.is_due(Version { epoch: 1, seq: 2 }, [0; 5], start), "the own status is newer");
        assert!(shown.is_due(version, [0, 0, 0, 1, 0], start), "a message was denied");
    }
}
