//! Whom a node asks for what it heard of, and what it answers others.

use std::{sync::Arc, time::Duration};

use nuncio_protocol::{
    Header, Output, PeeringInput, StatusInput, UnicastInput,
    gossip::Judgement,
    peering::Direction,
    status_sync::{Answer, Query, QueryId, Record},
    unicast::{Content, Message},
};
use nuncio_testkit::simulator::{Lone, announced, header, node_id, queried, record};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

#[test]
fn one_query_is_open_per_peer_and_wanted_nodes_collect() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 5, 1))), [(1, vec![5])]);
    assert!(queried(&a.input(announced(1, 6, 1))).is_empty() && a.input(announced(1, 7, 1)).is_empty());
    let outputs = a.answered(1, vec![record(5, 1, &[1], &[])]);
    let mut next = queried(&outputs);
    next[0].1.sort_unstable();
    assert_eq!(next, [(1, vec![6, 7])]);
}

/// What becomes of announcements.
fn judged(outputs: &[Output]) -> Vec<Judgement> {
    let judgement = |output: &Output| match output {
        Output::Judged { judgement, .. } => Some(*judgement),
        _ => None,
    };
    outputs.iter().filter_map(judgement).collect()
}

#[test]
fn news_is_passed_on_with_its_record_or_after_a_moment_and_what_is_old_is_not() {
    let mut a = Lone::ring();
    assert_eq!(judged(&a.input(announced(1, 3, 1))), [Judgement::Fresh], "its record is here");
    assert_eq!(judged(&a.input(announced(1, 3, 2))), []);
    assert_eq!(judged(&a.answered(1, vec![record(3, 2, &[1, 2], &[])])), [Judgement::Fresh]);
    assert_eq!(judged(&a.input(announced(2, 3, 1))), [Judgement::Dropped], "a newer one is under way");
    assert_eq!(judged(&a.input(announced(1, 3, 3))), []);
    assert_eq!(judged(&a.advance(740 * MS)), []);
    assert_eq!(judged(&a.advance(20 * MS)), [Judgement::Fresh], "others may have the record");
}

/// T14: a peer announces newer and newer versions that it never shows.
#[test]
fn news_that_waits_for_its_record_is_bounded_for_each_source() {
    let mut a = Lone::ring();
    let passed: usize = (2..=200).map(|seq| judged(&a.input(announced(1, 3, seq))).len()).sum();
    assert_eq!(passed, 199 - 64, "what finds no room is passed on at once");
}

#[test]
fn when_a_peer_does_not_answer_another_one_is_asked() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 5, 1))), [(1, vec![5])]);
    assert!(queried(&a.input(announced(2, 5, 1))).is_empty(), "asked already");
    assert_eq!(queried(&a.input(StatusInput::QueryFailed { peer: node_id(1) })), [(2, vec![5])]);
    a.input(StatusInput::QueryFailed { peer: node_id(2) });
    assert!(queried(&a.input(announced(1, 2, 2))).is_empty(), "a peer that did not answer has a short rest");
    assert_eq!(queried(&a.advance(250 * MS)), [(1, vec![2])]);
    assert_eq!(
        queried(&a.input(StatusInput::QueryFailed { peer: node_id(1) })),
        [(2, vec![2])],
        "the node itself is linked"
    );
}

#[test]
fn what_only_a_peer_that_answers_nothing_announced_is_asked_of_another() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.link(2, &[0, 5], &[]);
    a.answered(2, vec![record(5, 1, &[1, 2], &[])]);
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    let outputs = a.input(StatusInput::QueryFailed { peer: node_id(1) });
    assert_eq!(queried(&[outputs, a.advance(250 * MS)].concat()), [(2, vec![5])]);
}

/// Gossip brings each announcement once: without this, a change is not heard of until its node announces it again.
#[test]
fn what_only_a_peer_announced_that_has_gone_is_asked_of_another_however_busy() {
    let mut a = Lone::passive(0);
    let gone = a.link(1, &[0, 5], &[]);
    a.link(2, &[0, 5], &[]);
    a.answered(2, vec![record(5, 1, &[1, 2], &[])]);
    assert_eq!(queried(&a.input(announced(2, 1, 2))), [(2, vec![1])], "the only other one is busy");
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    assert_eq!(queried(&a.input(announced(1, 6, 1))), [], "nothing is known of it");
    let reason = "reset".into();
    assert_eq!(queried(&a.input(PeeringInput::ConnectionClosed { connection: gone, reason })), []);
    assert_eq!(queried(&a.answered(2, vec![record(1, 2, &[0, 5], &[])])), [(2, vec![5])]);
}

/// An announcement is passed on after a moment without its record: its bearer may never get it.
#[test]
fn what_a_peer_announced_and_does_not_get_itself_is_asked_of_another() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.link(2, &[0, 5], &[]);
    a.answered(2, vec![record(5, 1, &[1, 2], &[])]);
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    assert_eq!(queried(&a.answered(1, vec![])), []);
    assert_eq!(queried(&a.advance(300 * MS)), [(1, vec![5])]);
    assert_eq!(queried(&a.answered(1, vec![])), []);
    assert_eq!(queried(&a.advance(300 * MS)), [(2, vec![5])]);
    assert_eq!(queried(&a.answered(2, vec![record(5, 2, &[1, 2], &[])])), []);
    assert_eq!(queried(&a.advance(5 * S)), [], "it is here");
}

/// The second may wait for the same silent peer as this node.
#[test]
fn beside_a_silent_peer_others_are_asked_in_turns() {
    let mut a = Lone::passive(0);
    for n in [1, 2, 3] {
        a.link(n, &[0, 5], &[]);
    }
    a.answered(2, vec![record(5, 1, &[1, 2, 3], &[])]);
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    let asked = queried(&a.advance(301 * MS));
    let [(second, _)] = asked[..] else { panic!("one more is asked, not {asked:?}") };
    let third = 5 - second;
    for _ in 0..2 {
        a.answered(second, vec![]);
        let next = queried(&a.advance(300 * MS));
        if next == [(third, vec![5])] {
            return;
        }
        assert_eq!(next, [(second, vec![5])]);
    }
    panic!("the third is never asked");
}

#[test]
fn what_only_a_silent_peer_announced_is_asked_of_others_after_a_moment_and_of_two_at_the_most() {
    let mut a = Lone::passive(0);
    for peer in 1..=4 {
        a.link(peer, &[0, 5], &[]);
    }
    a.answered(2, vec![record(5, 1, &[1, 2, 3, 4], &[]), record(6, 1, &[1], &[])]);
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    assert!(queried(&a.advance(299 * MS)).is_empty(), "it may be far away");
    assert_eq!(queried(&a.advance(MS)), [(2, vec![5])]);
    // What it announces meanwhile waits for its answer to the first query, but not for ever.
    assert!(queried(&a.input(announced(1, 6, 2))).is_empty(), "a query is open");
    assert_eq!(queried(&a.advance(300 * MS)), [(3, vec![6, 5])]);
    assert_eq!(queried(&a.advance(S)), [(4, vec![6])], "three peers were asked for 5, that is enough");
    a.answered(2, vec![record(5, 2, &[1, 2, 3, 4], &[])]);
    assert!(queried(&a.advance(10 * S)).iter().all(|(_, nodes)| nodes == &[6]), "it is here");
}

/// Whoever announces itself and answers nothing has its neighbours ask each other at leisure.
#[test]
fn for_a_silent_peer_that_announces_itself_others_are_asked_now_and_then() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 1, 2))), [(1, vec![1])]);
    let mut asked = 0;
    for _ in 0..50 {
        let mut outputs = a.advance(100 * MS);
        // It has not got the record either, and says so at once.
        while queried(&outputs).iter().any(|(peer, _)| *peer == 2) && asked < 1000 {
            asked += 1;
            outputs = a.answered(2, Vec::new());
        }
    }
    assert!((1..=17).contains(&asked), "asked {asked} times in five seconds");
}

/// T10: who invents nodes and says nothing does not have others asked for them.
#[test]
fn a_node_that_nothing_is_known_of_is_asked_of_whoever_announced_it() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 500, 1))), [(1, vec![500])]);
    assert!(queried(&a.advance(4 * S)).is_empty());
}

#[test]
fn a_silent_peer_holds_nobodys_changes_back_for_long() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    a.answered(2, vec![record(5, 1, &[2], &[])]);
    assert_eq!(queried(&a.input(announced(1, 5, 2))), [(1, vec![5])]);
    assert!(queried(&a.input(announced(2, 5, 2))).is_empty(), "it is left to the first one for a moment");
    assert!(queried(&a.advance(299 * MS)).is_empty());
    assert_eq!(queried(&a.advance(MS)), [(2, vec![5])]);
    a.answered(2, vec![record(5, 2, &[2], &[])]);
    assert!(queried(&a.answered(1, vec![record(5, 2, &[2], &[])])).is_empty(), "what came late changes nothing");
}

/// T10.
#[test]
fn an_announcement_of_a_node_that_nobody_can_show_costs_two_queries() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let mut asked = queried(&a.input(announced(1, 500, 1)));
    for seq in 0..100 {
        asked.extend(queried(&a.answered(1, vec![])));
        if seq < 5 {
            a.input(announced(1, 500, seq));
        }
        asked.extend(queried(&a.advance(S / 10)));
    }
    assert_eq!(asked, [(1, vec![500]), (1, vec![500])]);
}

#[test]
fn a_peer_offers_few_nodes_that_nothing_is_known_of_at_a_time() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    let mut asked = 0;
    for n in 100..600 {
        let outputs = a.input(announced(1, n, 1));
        asked += queried(&outputs).iter().map(|(_, nodes)| nodes.len()).sum::<usize>();
    }
    let outputs = a.answered(1, vec![]);
    asked += queried(&outputs).iter().map(|(_, nodes)| nodes.len()).sum::<usize>();
    assert_eq!(asked, 64);
    assert_eq!(queried(&a.input(announced(2, 700, 1))), [(2, vec![700])], "others are not hindered");
    assert_eq!(queried(&a.input(announced(2, 1, 2))), [] as [(usize, Vec<usize>); 0], "a query is open");
    assert_eq!(
        queried(&a.answered(2, vec![record(700, 1, &[2], &[])])),
        [(2, vec![1])],
        "nor are nodes that are known"
    );
}

#[test]
fn a_record_that_this_node_refuses_is_no_lie_of_whoever_brought_it() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 5, 1))), [(1, vec![5])]);
    let answer = Answer { refused: vec![node_id(5)], bytes: 900, ..Answer::default() };
    a.input(StatusInput::Answered { peer: node_id(1), answer });
    assert!(queried(&a.advance(5 * S)).is_empty(), "it is not asked for once more");
}

/// With so many records of 440 KiB no byte is left for one more of these: all of them reached, over node 1, which is linked as
/// node 2 is.
fn full() -> Lone {
    let mut a = Lone::passive(0);
    a.link(1, &[&[0], &(10..700).collect::<Vec<_>>()[..]].concat(), &[]);
    a.link(2, &[0], &[]);
    a.answered(1, (10..700).map(|n| of_bytes(record(n, 1, &[1], &[]), 440 << 10)).collect());
    a.advance(5 * S);
    assert!((500..650).contains(&a.overlay.nodes().iter().filter(|view| view.reachable).count()));
    a
}

fn of_bytes(record: Arc<Record>, bytes: usize) -> Arc<Record> {
    Arc::new(Record { bytes: vec![5; bytes].into(), ..Record::clone(&record) })
}

#[test]
fn whoever_shows_records_for_which_there_is_no_room_is_not_to_blame() {
    let mut a = full();
    let mut asked = 0;
    for n in 1000..1040 {
        let message = Message {
            header: Header { hops: 2, ..header(n, 0, 1) },
            content: Content::Request { body: Default::default() },
        };
        let mut outputs = a.input(announced(1, n, 1));
        outputs.extend(a.input(UnicastInput::Received { from: node_id(1), message }));
        for _ in 0..8 {
            let is_asked = !queried(&outputs).is_empty();
            asked += usize::from(is_asked);
            outputs = if is_asked { a.answered(1, vec![of_bytes(record(n, 1, &[1], &[]), 440 << 10)]) } else { vec![] };
            outputs.extend(a.advance(S));
        }
        assert!(a.overlay.record(&node_id(n)).is_none(), "there is no room for it");
    }
    assert_eq!(asked, 40, "each once");
    assert!(a.overlay.strikes().is_empty(), "{:?}", a.overlay.strikes());
}

#[test]
fn a_peer_that_shows_its_own_record_for_which_there_is_no_room_is_not_to_blame() {
    let mut a = full();
    for seq in 2..22 {
        let mut outputs = a.input(announced(2, 2, seq));
        for _ in 0..10 {
            let is_asked = !queried(&outputs).is_empty();
            outputs =
                if is_asked { a.answered(2, vec![of_bytes(record(2, seq, &[0], &[]), 444 << 10)]) } else { vec![] };
            outputs.extend(a.advance(S));
        }
    }
    assert_eq!(a.overlay.record(&node_id(2)).map(|record| record.status.version.seq), Some(1), "the old one stays");
    assert!(a.overlay.is_linked(&node_id(2)) && a.overlay.strikes().is_empty(), "{:?}", a.overlay.strikes());
}

fn is_banned(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Ban { .. }))
}

/// A newcomer is sent whole networks, and messages of nodes that it will hear of in a moment.
#[test]
fn a_peer_is_not_blamed_for_nodes_that_it_was_not_asked_for_since_its_line_is_slow() {
    let mut a = Lone::passive(0);
    a.connect(1, Direction::Outbound);
    a.advance(S / 2);
    let mut outputs: Vec<_> = (100..164).flat_map(|n| a.input(announced(1, n, 1))).collect();
    outputs.extend(a.advance(5 * S / 2));
    let page = |n| Answer { more: true, bytes: 4 << 20, ..Answer::of(vec![record(n, 1, &[1], &[])]) };
    for n in 200..206 {
        outputs.extend(a.input(StatusInput::Answered { peer: node_id(1), answer: page(n) }));
        outputs.extend(a.advance(3 * S));
    }
    assert!(!is_banned(&outputs) && a.overlay.strikes().is_empty(), "{:?}", a.overlay.strikes());
    outputs = a.answered(1, (100..164).map(|n| record(n, 1, &[1], &[])).collect());
    outputs.extend(a.advance(60 * S));
    assert!(!is_banned(&outputs) && a.overlay.strikes().is_empty(), "{:?}", a.overlay.strikes());
}

#[test]
fn what_waits_longer_for_its_sources_record_stays_before_what_came_later() {
    let mut a = Lone::passive(0);
    a.connect(1, Direction::Outbound);
    for number in [1, 2] {
        let body = number.to_string().into();
        let message =
            Message { header: Header { hops: 2, ..header(100, 0, number) }, content: Content::Request { body } };
        a.input(UnicastInput::Received { from: node_id(1), message });
        a.advance(3 * S);
    }
    let outputs = a.answered(1, vec![record(100, 1, &[1], &[])]);
    let body = |output: &Output| match output {
        Output::Request { body, .. } => Some(body.clone()),
        _ => None,
    };
    assert_eq!(outputs.iter().filter_map(body).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn a_peer_that_says_nothing_for_five_seconds_is_blamed_for_what_it_was_asked_for() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert_eq!(queried(&a.input(announced(1, 5, 1))), [(1, vec![5])]);
    a.advance(4 * S);
    assert!(a.overlay.strikes().is_empty());
    a.advance(2 * S);
    assert_eq!(a.overlay.strikes().get(&nuncio_protocol::Strike::Uncertified), Some(&1));
}

#[test]
fn a_peer_that_answers_nothing_is_blamed_for_what_it_was_asked_for_and_asked_for_few_nodes_at_once() {
    let mut a = Lone::passive(0);
    a.connect(1, Direction::Outbound);
    let mut outputs: Vec<_> = (100..164).flat_map(|n| a.input(announced(1, n, 1))).collect();
    let mut asked = Vec::new();
    for _ in 0..3 {
        outputs.extend(a.advance(5 * S));
        outputs.extend(a.input(StatusInput::QueryFailed { peer: node_id(1) }));
        let next = a.advance(S / 4);
        asked.extend(queried(&next).into_iter().map(|(_, nodes)| nodes.len()));
        outputs.extend(next);
    }
    assert!(is_banned(&outputs), "{:?}", a.overlay.strikes());
    assert_eq!(asked, [16]);
}

#[test]
fn an_answer_that_has_more_although_it_is_short_is_not_believed() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let asks_on = |outputs: Vec<Output>| {
        outputs.iter().any(|output| matches!(output, Output::Query { wanted: Query::All { .. }, .. }))
    };
    let answer = |n| Answer { more: true, ..Answer::of(vec![record(n, 1, &[1], &[])]) };
    assert!(!asks_on(a.input(StatusInput::Answered { peer: node_id(1), answer: answer(5) })));
    let long = Answer { bytes: 4 << 20, ..answer(6) };
    assert!(asks_on(a.input(StatusInput::Answered { peer: node_id(1), answer: long })));
}

#[test]
fn a_query_for_all_that_failed_is_put_again() {
    let mut a = Lone::passive(0);
    let outputs = a.connect(1, nuncio_protocol::peering::Direction::Outbound).1;
    let asks_all = |outputs: &[Output]| {
        outputs.iter().filter(|output| matches!(output, Output::Query { wanted: Query::All { .. }, .. })).count()
    };
    assert_eq!(asks_all(&outputs), 1);
    a.input(StatusInput::QueryFailed { peer: node_id(1) });
    assert_eq!(asks_all(&a.advance(3 * S)), 1);
}

#[test]
fn a_node_that_changes_all_the_time_is_asked_for_twice_a_second_and_the_newest_version_wins() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.answered(1, vec![record(5, 1, &[1], &[])]);
    let mut asked = 0;
    let mut newest = 1;
    for _ in 0..1000 {
        newest += 1;
        let mut outputs = a.input(announced(1, 5, newest));
        outputs.extend(a.advance(10 * MS));
        if !queried(&outputs).is_empty() {
            asked += 1;
            a.answered(1, vec![record(5, newest, &[1], &[])]);
        }
    }
    assert!((30..=42).contains(&asked), "{asked} in 10 s: 20 at once, then 2 a second");
    let outputs = a.advance(S);
    assert_eq!(queried(&outputs).len(), 1);
    a.answered(1, vec![record(5, newest, &[1], &[])]);
    assert_eq!(a.overlay.record(&node_id(5)).map(|record| record.status.version.seq), Some(newest));
}

#[test]
fn who_asks_too_much_gets_no_answer_for_a_while_and_others_do() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    let answered = |a: &mut Lone, peer: usize| {
        let wanted = Query::All { known: Vec::new() };
        let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(peer), wanted });
        match &outputs[..] {
            [Output::Answer { .. }] => true,
            [Output::Ignore { query: QueryId(1) }] => false,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((0..40).filter(|_| answered(&mut a, 1)).count(), 16);
    assert!(answered(&mut a, 2));
    a.advance(10 * S);
    assert_eq!((0..20).filter(|_| answered(&mut a, 1)).count(), 2, "one in five seconds");
}

/// How often a peer is answered that asks four hundred times at once.
fn answered(a: &mut Lone, wanted: &Query) -> usize {
    answered_with(a, wanted, 0)
}

/// The same of queries that name so many pages.
fn answered_with(a: &mut Lone, wanted: &Query, pages: usize) -> usize {
    let mut is_answered = || {
        let asked = StatusInput::Queried { pages, query: QueryId(1), peer: node_id(1), wanted: wanted.clone() };
        matches!(a.input(asked)[..], [Output::Answer { .. } | Output::AnswerRevocations { .. }])
    };
    (0..700).filter(|_| is_answered()).count()
}

fn long(n: usize, neighbour: usize) -> Arc<Record> {
    Arc::new(Record { bytes: vec![5; 256 << 10].into(), ..(*record(n, 1, &[neighbour], &[])).clone() })
}

#[test]
fn answers_to_one_peer_are_bounded_in_bytes() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.answered(1, vec![long(5, 1)]);
    assert_eq!(answered(&mut a, &Query::Nodes(vec![(node_id(5), None)])), 509, "128 MiB of 256 KiB and a little each");
}

#[test]
fn proofs_and_lists_for_one_peer_are_bounded_too() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.answered(1, vec![long(5, 1), long(5, 2)]);
    assert_eq!(answered(&mut a, &Query::Proofs { held: vec![] }), 255, "128 MiB of 512 KiB and a little each");
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    assert_eq!(answered(&mut a, &Query::Revocations { held: Default::default() }), 32, "each may bring four mebibytes");
}

#[test]
fn pages_that_a_peer_names_are_paid_for_like_what_it_is_sent() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert_eq!(answered_with(&mut a, &Query::Nodes(vec![]), 16 << 10), 240, "128 MiB of 544 KiB and a little each");
}
