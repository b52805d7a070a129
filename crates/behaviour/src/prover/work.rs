use std::collections::{BTreeMap, VecDeque};

use nuncio_bounds::{Bound, SharedBytes};
use nuncio_identity::NodeId;

use super::job::{Finding, Job, OVERHEAD, Step};

/// Jobs and bytes of one peer that wait, or are done and not taken.
const MAX_JOBS: usize = 4096;
const MAX_BYTES: usize = 32 << 20;

/// Bytes of all peers' jobs that are nothing we asked for.
const MAX_BYTES_OF_ALL: usize = 128 << 20;

/// What is to be checked, by peer, and what was found.
///
/// Bound, for each connected peer: [`MAX_JOBS`] and [`MAX_BYTES`], of which the last job may pass the latter; when full, the
/// job is dropped. For all, [`MAX_BYTES_OF_ALL`], of which a peer has at most as many as are free. What answers a query of ours,
/// records or revocation lists, is taken always: there is one for each query. So is what this node has judged of its own accord,
/// once at a time.
#[derive(Debug)]
pub(super) struct Work {
    all: SharedBytes,
    peers: BTreeMap<NodeId, Peer>,
    turns: VecDeque<NodeId>,
    found: VecDeque<(NodeId, Finding)>,
}

/// It is in `turns` once while it has jobs of which none is being done.
#[derive(Debug, Default)]
struct Peer {
    jobs: VecDeque<Job>,
    is_served: bool,
    /// Jobs waiting, being done, and done but not taken; and their bytes.
    count: usize,
    bytes: usize,
}

impl Peer {
    /// Goes on with a job after the lists that came meanwhile.
    fn resume(&mut self, job: Job) {
        let lists = self.jobs.iter().take_while(|job| matches!(job, Job::Lists(_))).count();
        self.jobs.insert(lists, job);
    }
}

impl Default for Work {
    fn default() -> Self {
        let (peers, turns, found) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        Self { all: SharedBytes::new(MAX_BYTES_OF_ALL), peers, turns, found }
    }
}

impl Work {
    pub(super) const BOUND: Bound =
        Bound::of_bytes("gossip whose signature is to be checked", MAX_BYTES_OF_ALL, "gossip is not passed on")
            .in_entries(MAX_BYTES_OF_ALL / OVERHEAD);

    /// Says whether there was room.
    pub(super) fn push(&mut self, peer: NodeId, job: Job) -> bool {
        let (count, bytes) = self.peers.get(&peer).map_or((0, 0), |peer| (peer.count, peer.bytes));
        let has_room = count < MAX_JOBS && bytes < MAX_BYTES && self.all.take(bytes, job.weight());
        if has_room {
            self.push_always(peer, job);
        }
        has_room
    }

    /// Revocation lists do not wait for signatures: they go before what else their peer brought.
    pub(super) fn push_always(&mut self, node: NodeId, job: Job) {
        let peer = self.peers.entry(node).or_default();
        peer.count += 1;
        peer.bytes += job.weight();
        if peer.jobs.is_empty() && !peer.is_served {
            self.turns.push_back(node);
        }
        if matches!(job, Job::Lists(_)) {
            peer.jobs.push_front(job);
        } else {
            peer.jobs.push_back(job);
        }
    }

    /// The next job, of the peer whose turn it is.
    pub(super) fn next(&mut self) -> Option<(NodeId, Job)> {
        let node = self.turns.pop_front()?;
        let peer = self.peers.get_mut(&node)?;
        peer.is_served = true;
        Some((node, peer.jobs.pop_front()?))
    }

    /// What has become of a job.
    pub(super) fn put_back(&mut self, node: NodeId, step: Step) {
        let Some(peer) = self.peers.get_mut(&node) else { return };
        peer.is_served = false;
        match step {
            Step::More(job) => peer.resume(job),
            Step::Done(finding) => self.found.push_back((node, finding)),
        }
        if !peer.jobs.is_empty() {
            self.turns.push_back(node);
        }
    }

    /// What was found first.
    pub(super) fn take(&mut self) -> Option<(NodeId, Finding)> {
        let (node, finding) = self.found.pop_front()?;
        if !matches!(finding, Finding::Answer(_) | Finding::Lists { .. } | Finding::Members { .. }) {
            self.all.give_back(finding.weight());
        }
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.count -= 1;
            peer.bytes -= finding.weight();
            if peer.count == 0 {
                self.peers.remove(&node);
            }
        }
        Some((node, finding))
    }
}

#[cfg(test)]
mod tests {
    use libp2p::gossipsub::MessageId;
    use nuncio_identity::NodeKey;
    use nuncio_protocol::status_sync::Version;
    use nuncio_wire::{SigningContext, announcement, status::EncodedAnswer};

    use super::*;
    use crate::{
        access::Member,
        gossip::Lane,
        prover::{Unjudged, Unproved},
    };

    /// Nobody is a member, and each list is newer.
    struct Nobody;

    impl crate::Certifier for Nobody {
        fn certify(&self, _: NodeId, _: &[bytes::Bytes]) -> Result<Member, String> {
            Err("nobody is a member".into())
        }

        fn take_list(&self, _: NodeId, _: &[u8], _: &[bytes::Bytes]) -> bool {
            true
        }
    }

    fn context() -> SigningContext {
        SigningContext::new(NodeKey::generate(), "test")
    }

    fn announced(context: &SigningContext, seq: u64) -> Job {
        job(&announcement::encode(Version { epoch: 1, seq }, std::time::Duration::ZERO, context).unwrap())
    }

    fn job(bytes: &[u8]) -> Job {
        let (message, unchecked) = (MessageId::new(b"message"), announcement::decode(bytes).unwrap());
        Job::Announcement { lane: Lane::Short, message, unchecked }
    }

    fn seq(finding: &Finding) -> Option<u64> {
        match finding {
            Finding::Announcement { checked, .. } => Some(checked.as_ref().unwrap().version.seq),
            _ => None,
        }
    }

    #[test]
    fn a_thousand_records_of_one_peer_hold_up_nobody_else_and_what_one_peer_brings_stays_in_order() {
        let (mut work, context) = (Work::default(), context());
        let (greedy, honest) = (NodeKey::generate().node_id(), NodeKey::generate().node_id());
        let records = vec![bytes::Bytes::from_static(b"no record"); 1000];
        let answer = Unproved::of(EncodedAnswer { records, proofs: Vec::new(), more: false });
        work.push_always(greedy, Job::Answer(Box::new(answer)));
        assert!(work.push(greedy, announced(&context, 1)));
        let lists = Unjudged::of(vec![bytes::Bytes::from_static(b"a list"); 10], Vec::new(), 60);
        let another = NodeKey::generate().node_id();
        work.push_always(another, Job::Lists(Box::new(lists)));
        for number in [2, 3, 4] {
            assert!(work.push(honest, announced(&context, number)));
        }
        let mut order = Vec::new();
        while let Some((peer, job)) = work.next() {
            let step = job.step(peer, &context, &Nobody);
            work.put_back(peer, step);
            order.extend(work.take().map(|(peer, finding)| (peer, seq(&finding))));
        }
        let honest = [2, 3, 4].map(|number| (honest, Some(number)));
        let expected = [&honest[..], &[(another, None), (greedy, None), (greedy, Some(1))]].concat();
        assert_eq!(order, expected);
        assert!(work.peers.is_empty() && work.turns.is_empty());
    }

    #[test]
    fn what_waits_of_one_peer_is_bounded_also_when_it_is_done_and_nobody_takes_it() {
        let (mut work, context) = (Work::default(), context());
        let (flooder, other) = (NodeKey::generate().node_id(), NodeKey::generate().node_id());
        let bytes = announcement::encode(Version { epoch: 1, seq: 1 }, std::time::Duration::ZERO, &context).unwrap();
        let taken = (0..=MAX_JOBS).take_while(|_| work.push(flooder, job(&bytes))).count();
        assert_eq!(taken, MAX_JOBS);
        let (peer, done) = work.next().unwrap();
        work.put_back(peer, done.step(peer, &context, &Nobody));
        assert!(!work.push(flooder, job(&bytes)));
        assert!(work.push(other, job(&bytes)));
        work.take().unwrap();
        assert!(work.push(flooder, job(&bytes)));
    }

    #[test]
    fn lists_wait_for_nothing_else_that_their_peer_brought() {
        let (mut work, context, relay) = (Work::default(), context(), NodeKey::generate().node_id());
        let records = vec![bytes::Bytes::from_static(b"no record"); 100];
        let answer = Unproved::of(EncodedAnswer { records, proofs: Vec::new(), more: false });
        work.push_always(relay, Job::Answer(Box::new(answer)));
        assert!(work.push(relay, announced(&context, 1)));
        let mut order = Vec::new();
        let mut steps = 0;
        while let Some((peer, job)) = work.next() {
            // They come while the answer is being checked.
            if steps == 1 {
                let lists = Unjudged::of(vec![bytes::Bytes::from_static(b"a list"); 2], Vec::new(), 12);
                work.push_always(relay, Job::Lists(Box::new(lists)));
            }
            steps += 1;
            work.put_back(peer, job.step(peer, &context, &Nobody));
            order.extend(work.take().map(|(_, finding)| match finding {
                Finding::Lists { .. } => ("lists", steps),
                Finding::Answer(_) => ("answer", steps),
                _ => ("gossip", steps),
            }));
        }
        assert_eq!(order, [("lists", 4), ("answer", 9), ("gossip", 10)]);
    }

    #[test]
    fn the_lists_that_a_peer_was_asked_for_are_judged_however_much_gossip_of_it_waits() {
        let (mut work, context) = (Work::default(), context());
        let relay = NodeKey::generate().node_id();
        let bytes = announcement::encode(Version { epoch: 1, seq: 1 }, std::time::Duration::ZERO, &context).unwrap();
        let fill = |work: &mut Work| {
            std::iter::repeat_with(|| work.push(relay, job(&bytes))).take_while(|taken| *taken).count()
        };
        let gossip = fill(&mut work);
        let lists = Unjudged::of(vec![bytes::Bytes::from_static(b"a list")], Vec::new(), 6);
        work.push_always(relay, Job::Lists(Box::new(lists)));
        let mut judged = 0;
        while let Some((peer, job)) = work.next() {
            work.put_back(peer, job.step(peer, &context, &Nobody));
            judged += usize::from(matches!(work.take(), Some((_, Finding::Lists { is_newer: true, .. }))));
        }
        assert_eq!(judged, 1);
        assert!(work.peers.is_empty());
        assert_eq!(fill(&mut work), gossip, "as much room as before");
    }
}
