use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use super::{Content, InboundId};

/// Longest body of an answer that is kept.
const MAX_KEPT_BODY: usize = 64 << 10;

/// Bytes that all kept answers take, and those to one node. A node that asks much forgets its own oldest ones; when all
/// are full, the node with the most does.
const MAX_BYTES: usize = 64 << 20;
const MAX_BYTES_OF_NODE: usize = MAX_BYTES / 4;

/// What an answer takes besides its body.
const OVERHEAD: usize = 512;

/// How often answers that nobody can ask for any more are dropped.
const SWEEP: Duration = Duration::from_secs(15);

/// Requests at the application, and the answers to those that may come once more: a hop may have swallowed the first.
///
/// Bound: the requests at the application, and [`MAX_BYTES`] of answers, each kept while its request counts.
#[derive(Debug, Default)]
pub(super) struct Answers {
    states: HashMap<Key, State>,
    nodes: HashMap<NodeId, Queue>,
    bytes: usize,
    next_sweep: Option<Instant>,
}

/// Who asked, in which epoch, and its number.
pub(super) type Key = (NodeId, u64, u64);

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The application has it.
    Running(InboundId),
    /// It was answered so.
    Answered(Content),
}

/// The answers kept for one node, oldest first.
#[derive(Debug, Default)]
struct Queue {
    kept: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    key: Key,
    until: Instant,
    weight: usize,
}

impl Answers {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "answers that may be asked for again",
        MAX_BYTES,
        "the oldest of the node with the most are forgotten, of one node from a quarter on",
    );

    pub(super) fn run(&mut self, key: Key, inbound: InboundId) {
        self.states.insert(key, State::Running(inbound));
    }

    pub(super) fn get(&self, key: &Key) -> Option<&State> {
        self.states.get(key)
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.states.remove(key);
    }

    /// Keeps a short answer while its request counts.
    pub(super) fn answer(&mut self, key: Key, content: &Content, until: Instant, now: Instant) {
        if content.length() > MAX_KEPT_BODY {
            self.states.remove(&key);
            return;
        }
        let weight = OVERHEAD + content.length();
        self.states.insert(key, State::Answered(content.clone()));
        let queue = self.nodes.entry(key.0).or_default();
        queue.kept.push_back(Kept { key, until, weight });
        queue.bytes += weight;
        self.bytes += weight;
        self.drop_while(&key.0, |queue, oldest| oldest.until <= now || queue.bytes > MAX_BYTES_OF_NODE);
        while self.bytes > MAX_BYTES
            && let Some(fullest) = self.nodes.iter().max_by_key(|(_, queue)| queue.bytes).map(|(node, _)| *node)
        {
            let excess = self.bytes - MAX_BYTES;
            let enough = self.nodes[&fullest].bytes.saturating_sub(excess);
            self.drop_while(&fullest, |queue, _| queue.bytes > enough);
        }
        self.next_sweep.get_or_insert(now + SWEEP);
    }

    /// Drops what is asked for no more.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        for node in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.drop_while(&node, |_, oldest| oldest.until <= now);
        }
        self.next_sweep = (!self.nodes.is_empty()).then_some(now + SWEEP);
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep
    }

    fn drop_while(&mut self, node: &NodeId, drops: impl Fn(&Queue, &Kept) -> bool) {
        let Some(queue) = self.nodes.get_mut(node) else { return };
        while queue.kept.front().is_some_and(|oldest| drops(queue, oldest)) {
            let Some(Kept { key, weight, .. }) = queue.kept.pop_front() else { break };
            queue.bytes -= weight;
            self.bytes -= weight;
            self.states.remove(&key);
        }
        if queue.kept.is_empty() {
            self.nodes.remove(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nuncio_identity::NodeKey;

    use super::*;

    fn reply(length: usize) -> Content {
        Content::Reply { body: Bytes::from(vec![0; length]) }
    }

    #[test]
    fn who_asks_much_forgets_its_own_answers_and_nobody_elses() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let [quiet, loud] = [(); 2].map(|()| NodeKey::generate().node_id());
        let until = now + Duration::from_secs(60);
        answers.answer((quiet, 1, 1), &reply(10), until, now);
        for number in 0..2000 {
            answers.answer((loud, 1, number), &reply(MAX_KEPT_BODY), until, now);
        }
        assert!(answers.bytes <= MAX_BYTES_OF_NODE + OVERHEAD + 10);
        assert!(answers.get(&(quiet, 1, 1)).is_some() && answers.get(&(loud, 1, 1999)).is_some());
        assert!(answers.get(&(loud, 1, 0)).is_none());
    }

    #[test]
    fn answers_go_when_nobody_can_ask_for_them_any_more() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let node = NodeKey::generate().node_id();
        answers.answer((node, 1, 1), &reply(10), now + Duration::from_secs(1), now);
        answers.answer((node, 1, 2), &reply(MAX_KEPT_BODY + 1), now + Duration::from_secs(1), now);
        assert!(answers.get(&(node, 1, 2)).is_none(), "a long one is not kept");
        let swept = answers.poll_timeout().unwrap();
        answers.handle_timeout(swept);
        assert_eq!((answers.bytes, answers.states.len(), answers.poll_timeout()), (0, 0, None));
    }
}
