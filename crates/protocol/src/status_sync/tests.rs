//! Who is struck for what, and who is not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use nuncio_identity::{NodeId, NodeKey};

use super::*;
use crate::{Config, Start, Strike, outbox::Outbox};

const S: Duration = Duration::from_secs(1);

struct Rig {
    machine: StatusSync,
    outbox: Outbox,
    now: Instant,
}

fn some_node() -> NodeId {
    NodeKey::generate().node_id()
}

fn status(node: NodeId, seq: u64) -> Status {
    let (name, agency, software) = ("n".to_owned(), "a".to_owned(), "s".to_owned());
    let start = Start { node, name, agency, software, epoch: 1, sealing_key: Bytes::new(), issues: false, seed: 1 };
    Status { version: Version { epoch: 1, seq }, ..empty_status(start) }
}

fn record(node: NodeId, seq: u64) -> Arc<Record> {
    Arc::new(Record {
        status: status(node, seq),
        bytes: Bytes::from(vec![seq as u8; 100]),
        pages: Vec::new(),
        agency_path: None,
    })
}

impl Rig {
    /// Linked to these peers.
    fn new(peers: &[NodeId]) -> Self {
        let now = Instant::now();
        let machine = StatusSync::new(&Config::default(), status(some_node(), 0), 1, now);
        let mut rig = Self { machine, outbox: Outbox::default(), now };
        for peer in peers {
            rig.machine.handle_link_up(*peer, false, now);
            rig.ask();
            rig.answer(*peer, Answer::of(vec![record(*peer, 1)]));
        }
        rig
    }

    fn ask(&mut self) {
        self.machine.ask(&mut self.outbox, self.now);
    }

    fn announce(&mut self, via: NodeId, node: NodeId, seq: u64) {
        self.machine.handle_announced(via, node, Version { epoch: 1, seq }, &mut self.outbox, self.now);
        self.ask();
    }

    fn answer(&mut self, peer: NodeId, answer: Answer) {
        self.machine.handle_answered(peer, answer, &mut self.outbox, self.now);
        self.ask();
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.machine.handle_timeout(&mut self.outbox, self.now);
        self.ask();
    }

    fn strikes(&mut self) -> Vec<(NodeId, Strike)> {
        while self.outbox.pop().is_some() {}
        self.outbox.take_strikes()
    }
}

#[test]
fn who_announces_a_node_and_cannot_show_it_when_asked_twice_is_struck() {
    let (peer, made_up) = (some_node(), some_node());
    let mut rig = Rig::new(&[peer]);
    rig.announce(peer, made_up, 1);
    rig.answer(peer, Answer::default());
    assert_eq!(rig.strikes(), [], "the record may have been lost in between");
    rig.advance(S);
    rig.answer(peer, Answer::default());
    assert_eq!(rig.strikes(), [(peer, Strike::EmptyPromise)]);
}

#[test]
fn who_brings_the_record_late_or_one_that_is_refused_here_is_not() {
    let (peer, node) = (some_node(), some_node());
    let mut rig = Rig::new(&[peer]);
    rig.announce(peer, node, 1);
    rig.answer(peer, Answer::default());
    rig.advance(S);
    rig.answer(peer, Answer::of(vec![record(node, 1)]));
    // A version of a node that is known: the peer may still be asking for it.
    rig.announce(peer, node, 2);
    for _ in 0..20 {
        rig.answer(peer, Answer::default());
        rig.advance(S);
    }
    let other = some_node();
    rig.announce(peer, other, 1);
    rig.answer(peer, Answer { refused: vec![other], ..Answer::default() });
    rig.advance(S);
    rig.answer(peer, Answer { refused: vec![other], ..Answer::default() });
    assert_eq!(rig.strikes(), []);
}

#[test]
fn a_peer_that_cannot_show_its_own_version_is_struck() {
    let peer = some_node();
    let mut rig = Rig::new(&[peer]);
    rig.announce(peer, peer, 7);
    for _ in 0..6 {
        rig.answer(peer, Answer::of(vec![record(peer, 1)]));
        rig.advance(S);
    }
    assert_eq!(rig.strikes(), [(peer, Strike::EmptyPromise)]);
}

#[test]
fn who_always_has_more_is_struck_and_who_fills_an_answer_is_not() {
    let (peer, node) = (some_node(), some_node());
    let mut rig = Rig::new(&[peer]);
    rig.answer(peer, Answer { more: true, bytes: 4 << 20, ..Answer::of(vec![record(node, 1)]) });
    assert_eq!(rig.strikes(), []);
    rig.answer(peer, Answer { more: true, ..Answer::of(vec![record(node, 2)]) });
    assert_eq!(rig.strikes(), [(peer, Strike::EmptyPromise)]);
}

#[test]
fn who_changes_all_the_time_is_struck_but_not_who_tells_of_it() {
    let (peer, restless) = (some_node(), some_node());
    let mut rig = Rig::new(&[peer, restless]);
    for seq in 2..100 {
        rig.announce(peer, restless, seq);
        rig.announce(restless, restless, seq);
        rig.answer(peer, Answer::of(vec![record(restless, seq)]));
        rig.advance(Duration::from_millis(100));
    }
    let strikes = rig.strikes();
    assert!(strikes.len() > 10, "{} strikes", strikes.len());
    assert!(strikes.iter().all(|strike| *strike == (restless, Strike::Restless)));
}

#[test]
fn who_changes_as_fast_as_a_node_may_is_not_struck() {
    let peer = some_node();
    let mut rig = Rig::new(&[peer]);
    for seq in 2..100 {
        rig.announce(peer, peer, seq);
        rig.answer(peer, Answer::of(vec![record(peer, seq)]));
        rig.advance(Duration::from_millis(600));
    }
    assert_eq!(rig.strikes(), []);
}

#[test]
fn who_asks_on_without_an_answer_is_struck() {
    let peer = some_node();
    let mut rig = Rig::new(&[peer]);
    let mut ask = |times: u64| {
        for query in 0..times {
            let wanted = Query::All { known: Vec::new() };
            rig.machine.handle_queried(peer, (QueryId(query), wanted, 0), &mut rig.outbox, rig.now);
        }
        rig.strikes().len()
    };
    assert_eq!(ask(16 + 50), 0);
    assert_eq!(ask(10), 10);
}
