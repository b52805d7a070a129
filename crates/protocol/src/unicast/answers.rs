use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use nuncio_bounds::{Bound, Holding};
use nuncio_identity::NodeId;

use super::{Content, InboundId};
use crate::Priority;

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
    nodes: BTreeMap<NodeId, Kept>,
    bytes: usize,
    next_sweep: Option<Instant>,
}

/// Who asked, in which epoch, and its number.
pub(super) type Key = (NodeId, u64, u64);

/// What is kept for one node, by epoch and number, which is from the oldest to the newest.
#[derive(Debug, Default)]
struct Kept {
    running: BTreeMap<(u64, u64), InboundId>,
    answered: BTreeMap<(u64, u64), Box<Answer>>,
    bytes: usize,
}

/// How a request was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content: Content,
    pub(super) priority: Priority,
    /// Until when its source waits.
    pub(super) until: Instant,
    /// The source's clock in the newest of its messages with this request.
    pub(super) asked: Duration,
    /// Over which peer the answer was sent last.
    pub(super) over: Option<NodeId>,
}

impl Answer {
    fn weight(&self) -> usize {
        OVERHEAD + self.content.length()
    }
}

impl Answers {
    pub(super) const BOUND: Bound = Bound::of_bytes(
        "answers that may be asked for again",
        MAX_BYTES,
        "the oldest of the node with the most are forgotten, of one node from a quarter on",
    );

    pub(super) const fn holding(&self) -> Holding {
        Holding { bound: Self::BOUND, entries: 0, bytes: self.bytes }
    }

    pub(super) fn run(&mut self, (node, epoch, number): Key, inbound: InboundId) {
        self.nodes.entry(node).or_default().running.insert((epoch, number), inbound);
    }

    /// How many of a node's requests the application has.
    pub(super) fn running_of(&self, node: &NodeId) -> usize {
        self.nodes.get(node).map_or(0, |kept| kept.running.len())
    }

    /// A request that the application has.
    pub(super) fn running(&self, (node, epoch, number): &Key) -> Option<InboundId> {
        self.nodes.get(node)?.running.get(&(*epoch, *number)).copied()
    }

    /// A request that was answered.
    pub(super) fn answered(&mut self, (node, epoch, number): &Key) -> Option<&mut Answer> {
        self.nodes.get_mut(node)?.answered.get_mut(&(*epoch, *number)).map(|answer| &mut **answer)
    }

    /// The application will not answer it.
    pub(super) fn forget(&mut self, (node, epoch, number): &Key) {
        let Some(kept) = self.nodes.get_mut(node) else { return };
        kept.running.remove(&(*epoch, *number));
        if kept.is_empty() {
            self.nodes.remove(node);
        }
    }

    /// The node is not answered any more.
    pub(super) fn forget_node(&mut self, node: &NodeId) {
        self.bytes -= self.nodes.remove(node).map_or(0, |kept| kept.bytes);
    }

    /// Keeps a short answer to what was running while its request counts.
    pub(super) fn answer(&mut self, key: Key, answer: Answer, now: Instant) {
        if answer.content.length() > MAX_KEPT_BODY {
            return self.forget(&key);
        }
        let (node, epoch, number) = key;
        if let Some(kept) = self.nodes.get_mut(&node)
            && kept.running.remove(&(epoch, number)).is_some()
        {
            let change = kept.keep((epoch, number), answer, now);
            self.note(change, now);
        }
    }

    /// The same of what never ran.
    pub(super) fn keep(&mut self, (node, epoch, number): Key, answer: Answer, now: Instant) {
        let change = self.nodes.entry(node).or_default().keep((epoch, number), answer, now);
        self.note(change, now);
    }

    /// Of one node so much came, and so much went.
    fn note(&mut self, (came, went): (usize, usize), now: Instant) {
        self.bytes = self.bytes + came - went;
        while self.bytes > MAX_BYTES
            && let Some(fullest) = self.nodes.values_mut().max_by_key(|kept| kept.bytes)
        {
            let enough = fullest.bytes.saturating_sub(self.bytes - MAX_BYTES);
            self.bytes -= fullest.drop_while(|bytes, _| bytes > enough);
        }
        self.next_sweep.get_or_insert(now + SWEEP);
    }

    /// Drops what is asked for no more.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.next_sweep.is_none_or(|at| at > now) {
            return;
        }
        for kept in self.nodes.values_mut() {
            self.bytes -= kept.drop_while(|_, oldest| oldest.until <= now);
        }
        self.nodes.retain(|_, kept| !kept.is_empty());
        self.next_sweep = (!self.nodes.is_empty()).then_some(now + SWEEP);
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next_sweep
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.answered.is_empty()
    }

    /// Keeps an answer; says how many bytes came, and how many went.
    fn keep(&mut self, request: (u64, u64), answer: Answer, now: Instant) -> (usize, usize) {
        let came = answer.weight();
        // Of an epoch that its source went back to, there may be one.
        let before = self.answered.insert(request, Box::new(answer)).map_or(0, |before| before.weight());
        self.bytes = self.bytes + came - before;
        (came, before + self.drop_while(|bytes, oldest| oldest.until <= now || bytes > MAX_BYTES_OF_NODE))
    }

    /// Drops answers from the oldest on; says how many bytes went.
    fn drop_while(&mut self, drops: impl Fn(usize, &Answer) -> bool) -> usize {
        let before = self.bytes;
        while let Some(oldest) = self.answered.first_entry()
            && drops(self.bytes, oldest.get())
        {
            self.bytes -= oldest.remove().weight();
        }
        before - self.bytes
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nuncio_identity::NodeKey;

    use super::*;

    fn reply(answers: &mut Answers, key: Key, length: usize, until: Instant, now: Instant) {
        answers.run(key, InboundId(1));
        let content = Content::Reply { body: Bytes::from(vec![0; length]) };
        answers.answer(
            key,
            Answer { content, priority: Priority::Normal, until, asked: Duration::ZERO, over: None },
            now,
        );
    }

    #[test]
    fn who_asks_much_forgets_its_own_answers_and_nobody_elses() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let [quiet, loud] = [(); 2].map(|()| NodeKey::generate().node_id());
        let until = now + Duration::from_secs(60);
        answers.run((loud, 0, 1), InboundId(7));
        reply(&mut answers, (quiet, 1, 1), 10, until, now);
        for number in 0..2000 {
            reply(&mut answers, (loud, 1, number), MAX_KEPT_BODY, until, now);
        }
        assert!(answers.bytes <= MAX_BYTES_OF_NODE + OVERHEAD + 10);
        assert!(answers.answered(&(quiet, 1, 1)).is_some() && answers.answered(&(loud, 1, 1999)).is_some());
        assert!(answers.answered(&(loud, 1, 0)).is_none());
        assert_eq!(answers.running(&(loud, 0, 1)), Some(InboundId(7)), "it is still at the application");
    }

    #[test]
    fn all_together_stay_within_their_bytes_and_the_fullest_gives_way() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let until = now + Duration::from_secs(60);
        let nodes: Vec<_> = (0..6).map(|_| NodeKey::generate().node_id()).collect();
        for node in &nodes[1..] {
            for number in 0..300 {
                reply(&mut answers, (*node, 1, number), MAX_KEPT_BODY, until, now);
            }
        }
        reply(&mut answers, (nodes[0], 1, 1), 10, until, now);
        assert!(answers.bytes <= MAX_BYTES, "{}", answers.bytes);
        assert!(answers.answered(&(nodes[0], 1, 1)).is_some());
        assert!(nodes[1..].iter().all(|node| answers.answered(&(*node, 1, 299)).is_some()));
    }

    #[test]
    fn answers_go_when_nobody_can_ask_for_them_any_more() {
        let (mut answers, now) = (Answers::default(), Instant::now());
        let node = NodeKey::generate().node_id();
        let until = now + Duration::from_secs(1);
        reply(&mut answers, (node, 1, 1), 10, until, now);
        reply(&mut answers, (node, 1, 2), MAX_KEPT_BODY + 1, until, now);
        assert!(answers.answered(&(node, 1, 2)).is_none(), "a long one is not kept");
        reply(&mut answers, (node, 1, 3), 10, until, now);
        answers.run((node, 1, 4), InboundId(1));
        answers.forget_node(&node);
        assert_eq!((answers.bytes, answers.nodes.len()), (0, 0), "an expelled node leaves nothing");
        reply(&mut answers, (node, 1, 5), 10, until, now);
        let swept = answers.poll_timeout().unwrap();
        answers.handle_timeout(swept);
        assert_eq!((answers.bytes, answers.nodes.len(), answers.poll_timeout()), (0, 0, None));
    }
}
