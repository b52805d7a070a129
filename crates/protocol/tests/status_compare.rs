//! Neighbours compare what they know, so that nobody depends on each announcement's coming through.

use std::time::Duration;

use nuncio_protocol::{
    Output, StatusInput,
    status_sync::{Answer, Query, QueryId, TableDigest},
};
use nuncio_testkit::simulator::{Lone, node_id, record};

const MINUTE: Duration = Duration::from_secs(60);

/// A node with two peers, which have answered all that it asked at first.
fn settled() -> Lone {
    let mut a = Lone::passive(0);
    a.peers_agree = false;
    for peer in [1, 2] {
        a.link(peer, &[0, 1, 2], &[]);
    }
    a.answered(1, vec![record(3, 1, &[1], &[])]);
    a.answered(1, vec![record(1, 2, &[0, 2, 3], &[])]);
    a.advance(Duration::from_secs(5));
    a
}

/// The comparisons and the queries for all in this time; each is answered: whether the peer knows something else, and with nothing.
fn asked(a: &mut Lone, differs: bool, during: Duration) -> (Vec<usize>, usize) {
    let (mut compared, mut all) = (Vec::new(), 0);
    for _ in 0..during.as_secs() {
        let mut outputs = a.advance(Duration::from_secs(1));
        while !outputs.is_empty() {
            let mut next = Vec::new();
            for output in outputs {
                let Output::Query { peer, wanted } = output else { continue };
                let more = match wanted {
                    Query::Same { .. } => {
                        compared.push((1..=2).find(|n| node_id(*n) == peer).expect("a peer"));
                        differs
                    }
                    Query::All { .. } => {
                        all += 1;
                        false
                    }
                    _ => false,
                };
                next.extend(a.input(StatusInput::Answered { peer, answer: Answer { more, ..Answer::of(Vec::new()) } }));
            }
            outputs = next;
        }
    }
    (compared, all)
}

fn is_told_of_more(a: &mut Lone, digest: TableDigest) -> bool {
    let outputs =
        a.input(StatusInput::Queried { pages: 0, query: QueryId(7), peer: node_id(1), wanted: Query::Same { digest } });
    match &outputs[..] {
        [Output::Answer { records, more, .. }] if records.is_empty() => *more,
        other => panic!("{other:?}"),
    }
}

/// What a node compares next.
fn digest(a: &mut Lone) -> TableDigest {
    let outputs = a.advance(2 * MINUTE);
    let compared = outputs.into_iter().find_map(|output| match output {
        Output::Query { peer, wanted: Query::Same { digest } } => Some((peer, digest)),
        _ => None,
    });
    let (peer, digest) = compared.expect("it compares within two minutes");
    a.input(StatusInput::Answered { peer, answer: Answer::of(Vec::new()) });
    digest
}

#[test]
fn each_minute_one_neighbour_is_asked_whether_it_knows_the_same_in_turn() {
    let mut a = settled();
    let (compared, all) = asked(&mut a, false, 20 * MINUTE);
    assert!((18..=22).contains(&compared.len()), "{compared:?}");
    assert!(compared.windows(2).all(|two| two[0] != two[1]), "{compared:?}");
    assert_eq!(all, 0, "who knows the same is asked for nothing");
}

#[test]
fn who_knows_something_else_is_told_so_and_whom_nobody_reaches_does_not_count() {
    let mut a = settled();
    let before = digest(&mut a);
    assert!(!is_told_of_more(&mut a, before));
    a.answered(2, vec![record(9, 1, &[8], &[])]);
    a.advance(Duration::from_secs(1));
    assert!(!is_told_of_more(&mut a, before), "to 9 there is no way, so nobody is told of it");
    a.answered(2, vec![record(3, 2, &[1], &[("t", 1)])]);
    a.advance(Duration::from_secs(1));
    assert!(is_told_of_more(&mut a, before), "3 has changed");
    let after = digest(&mut a);
    assert!(after != before && !is_told_of_more(&mut a, after));
    a.answered(2, vec![record(1, 3, &[0, 2], &[])]);
    a.advance(Duration::from_secs(1));
    assert!(is_told_of_more(&mut a, after), "3 is reached no more, and 1 has changed");
}

#[test]
fn of_a_neighbour_that_knows_more_all_is_asked_for_and_learnt() {
    let mut a = settled();
    let (peer, _) = loop {
        let outputs = a.advance(Duration::from_secs(1));
        if let Some(Output::Query { peer, wanted: Query::Same { digest } }) = outputs.into_iter().next() {
            break (peer, digest);
        }
    };
    let outputs = a.input(StatusInput::Answered { peer, answer: Answer { more: true, ..Answer::of(Vec::new()) } });
    let [Output::Query { peer: asked, wanted: Query::All { known } }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((*asked, known.len()), (peer, 4));
    a.input(StatusInput::Answered { peer, answer: Answer::of(vec![record(3, 5, &[1], &[("missed", 1)])]) });
    assert_eq!(a.overlay.record(&node_id(3)).map(|record| record.status.version.seq), Some(5));
    assert!(a.overlay.strikes().is_empty(), "{:?}", a.overlay.strikes());
}

#[test]
fn neighbours_that_always_say_they_know_more_and_show_nothing_are_asked_ever_more_seldom() {
    let mut a = settled();
    let (compared, all) = asked(&mut a, true, 24 * 60 * MINUTE);
    assert!((20..=32).contains(&compared.len()), "{compared:?}");
    assert_eq!(all, compared.len());
    assert!(a.overlay.strikes().is_empty(), "two authorities that trust different nodes are no offence");
    let (compared, _) = asked(&mut a, false, 4 * 60 * MINUTE);
    assert!(compared.len() > 100, "once a neighbour agrees, each minute again: {compared:?}");
}

#[test]
fn neighbours_that_always_say_they_know_more_do_not_delay_what_others_know() {
    let mut a = Lone::passive(0);
    a.peers_agree = false;
    let peers: Vec<_> = (0..9).collect();
    for peer in 1..9 {
        a.link(peer, &peers, &[]);
    }
    a.advance(Duration::from_secs(5));
    let (mut with_honest, mut with_liars, mut all) = (0, 0, 0);
    for _ in 0..3600 {
        let mut outputs = a.advance(Duration::from_secs(1));
        while let Some(output) = outputs.pop() {
            let Output::Query { peer, wanted } = output else { continue };
            let is_honest = peer == node_id(8);
            let compares = matches!(wanted, Query::Same { .. });
            with_honest += usize::from(compares && is_honest);
            with_liars += usize::from(compares && !is_honest);
            all += usize::from(matches!(wanted, Query::All { .. }));
            let answer = Answer { more: compares && !is_honest, ..Answer::of(Vec::new()) };
            outputs.extend(a.input(StatusInput::Answered { peer, answer }));
        }
    }
    assert!(with_honest >= 30, "{with_honest} in an hour, when every minute somebody is asked");
    assert!(with_liars <= 25 && all <= with_liars, "{with_liars}, {all}");
}
