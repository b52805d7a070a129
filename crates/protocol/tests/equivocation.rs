//! Two signed records of one version prove that their node tells different things to different nodes: it is expelled, and
//! the proof spreads.

use std::{sync::Arc, time::Duration};

use nuncio_protocol::{
    AccessInput, MAX_EXPELLED, Output, StatusInput,
    status_sync::{Answer, Equivocation, Query, QueryId, Record},
};
use nuncio_testkit::simulator::{Lone, node_id, record, sign};

const S: Duration = Duration::from_secs(1);

fn proof(n: usize) -> Equivocation {
    Equivocation::of(record(n, 7, &[1], &[]), record(n, 7, &[2], &[])).expect("they contradict each other")
}

fn told(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Equivocation { .. })).count()
}

fn holding(n: usize, seq: u64, proofs: u32) -> Arc<Record> {
    let mut status = record(n, seq, &[0], &[]).status.clone();
    status.proofs = proofs;
    sign(status)
}

#[test]
fn a_node_that_signs_two_statuses_of_one_version_is_expelled() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 2], &[]);
    a.link(2, &[0, 1], &[]);
    a.answered(1, vec![record(1, 2, &[0, 2], &[("t", 1)])]);
    let outputs = a.answered(2, vec![record(1, 2, &[0], &[]), record(1, 3, &[0, 2], &[])]);
    assert_eq!(told(&outputs), 1);
    assert!(a.overlay.is_expelled(&node_id(1)) && a.overlay.record(&node_id(1)).is_none());
    assert_eq!(a.overlay.route(&node_id(1)), None);
    let view = a.overlay.nodes().into_iter().find(|view| view.node == node_id(1)).expect("operators see it");
    assert!(view.equivocates && !view.reachable);
    assert_eq!(told(&a.answered(2, vec![record(1, 2, &[0], &[]), record(1, 2, &[5], &[])])), 0, "told once");
}

#[test]
fn a_node_that_is_proven_to_equivocate_is_let_in_again_by_nothing_that_it_shows() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    a.input(proofs([5]));
    a.input(AccessInput::Readmitted { node: node_id(5) });
    a.answered(2, vec![record(5, 9, &[0], &[])]);
    assert!(a.overlay.is_expelled(&node_id(5)) && a.overlay.record(&node_id(5)).is_none());
}

#[test]
fn another_signature_or_chain_of_the_same_status_proves_nothing() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let mut again = (*record(1, 1, &[0], &[])).clone();
    again.bytes = b"the same, signed with another nonce, behind a renewed chain".as_slice().into();
    assert_eq!(told(&a.answered(1, vec![again.into()])), 0);
    assert!(!a.overlay.is_expelled(&node_id(1)));
    let twin = |epoch| {
        let mut status = record(1, 1, &[epoch as usize], &[]).status.clone();
        status.version.epoch = epoch;
        sign(status)
    };
    assert_eq!(told(&a.answered(1, vec![twin(2), twin(3)])), 0, "a second host with the same key is told of elsewhere");
}

#[test]
fn a_peer_that_holds_more_proofs_is_asked_for_them_and_they_expel() {
    let mut a = Lone::passive(0);
    a.link(1, &[0, 5], &[]);
    a.answered(1, vec![record(5, 1, &[1], &[])]);
    let outputs = a.answered(1, vec![holding(1, 2, 1)]);
    let asks =
        |output: &Output| matches!(output, Output::Query { wanted: Query::Proofs { held }, .. } if held.is_empty());
    assert!(outputs.iter().any(asks));
    let answer = Answer { proofs: vec![proof(5)], ..Answer::default() };
    assert_eq!(told(&a.input(StatusInput::Answered { peer: node_id(1), answer })), 1);
    assert!(a.overlay.is_expelled(&node_id(5)));
    a.advance(S);
    let own = a.overlay.record(&node_id(0)).expect("signed");
    assert_eq!(own.status.proofs, 1, "others are told that there is one to ask for");
    let queried = |a: &mut Lone, held| {
        let wanted = Query::Proofs { held };
        match &a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(1), wanted })[..] {
            [Output::Answer { proofs, .. }] => proofs.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((queried(&mut a, vec![]), queried(&mut a, vec![node_id(5)])), (1, 0));
}

#[test]
fn a_query_for_proofs_that_failed_is_put_again() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.answered(1, vec![holding(1, 2, 1)]);
    a.input(StatusInput::QueryFailed { peer: node_id(1) });
    let outputs = a.advance(3 * S);
    assert!(outputs.iter().any(|output| matches!(output, Output::Query { wanted: Query::Proofs { .. }, .. })));
}

#[test]
fn a_proof_against_this_node_itself_is_told_and_does_not_turn_it_out() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let answer = Answer { proofs: vec![proof(0)], ..Answer::default() };
    assert_eq!(told(&a.input(StatusInput::Answered { peer: node_id(1), answer })), 1);
    assert!(!a.overlay.is_expelled(&node_id(0)));
}

fn proofs(nodes: impl IntoIterator<Item = usize>) -> StatusInput {
    let answer = Answer { proofs: nodes.into_iter().map(proof).collect(), ..Answer::default() };
    StatusInput::Answered { peer: node_id(1), answer }
}

fn kept(a: &mut Lone) -> Option<u32> {
    a.advance(S);
    a.overlay.record(&node_id(0)).map(|record| record.status.proofs)
}

#[test]
fn proofs_that_are_kept_are_bounded_and_those_that_are_not_are_told_once_all_the_same() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    assert_eq!(told(&a.input(proofs(100..200))), 100);
    assert!((100..200).all(|n| a.overlay.is_expelled(&node_id(n))), "all are expelled");
    for _ in 0..3 {
        assert_eq!(told(&a.input(proofs(100..200))), 0);
    }
    assert_eq!(kept(&mut a), Some(32));
}

#[test]
fn who_issues_certificates_for_any_number_of_nodes_leaves_room_for_proofs_against_others() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(proofs(100..200));
    // Agencies below it, by which its nodes are as many as it likes, are its own.
    let of = |n: usize, agency: &str| {
        let of = |neighbour| {
            Arc::new(Record { agency_path: Some(agency.into()), ..(*record(n, 7, &[neighbour], &[])).clone() })
        };
        Equivocation::of(of(1), of(2)).expect("they contradict each other")
    };
    let mut bring = |proof| {
        a.input(StatusInput::Answered {
            peer: node_id(1),
            answer: Answer { proofs: vec![proof], ..Answer::default() },
        });
        kept(&mut a)
    };
    assert_eq!(bring(of(200, "agency/below")), Some(32));
    assert_eq!(bring(of(201, "another/below")), Some(33));
}

/// However many an agency mints for that, each of those it has last is refused, and nobody else is let in for it.
#[test]
fn any_number_of_equivocators_of_one_agency_keeps_no_place_from_those_of_others() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    let of = |n: usize, agency: &str| {
        let of = |neighbour| {
            Arc::new(Record { agency_path: Some(agency.into()), ..(*record(n, 7, &[neighbour], &[])).clone() })
        };
        Equivocation::of(of(1), of(2)).expect("they contradict each other")
    };
    let mut bring = |proofs| {
        let answer = Answer { proofs, ..Answer::default() };
        a.input(StatusInput::Answered { peer: node_id(1), answer });
    };
    bring((100..300).map(|n| of(n, "another/below")).collect());
    for first in (1000..3000).step_by(50) {
        bring((first..first + 50).map(|n| of(n, "minting/below")).collect());
    }
    assert!((100..300).all(|n| a.overlay.is_expelled(&node_id(n))), "those of others");
    assert!((2500..3000).all(|n| a.overlay.is_expelled(&node_id(n))), "the last ones");
    a.answered(1, vec![record(2999, 9, &[1], &[])]);
    assert!(a.overlay.record(&node_id(2999)).is_none());
    a.input(AccessInput::Expelled { node: node_id(5) });
    assert!(a.overlay.is_expelled(&node_id(5)), "who is denied finds room");
    let expelled = (1..3000).filter(|n| a.overlay.is_expelled(&node_id(*n))).count();
    assert_eq!(expelled, MAX_EXPELLED + 1, "no more are known than before");
}

#[test]
fn a_peer_is_asked_for_proofs_once_for_each_number_of_them() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(proofs(100..200));
    let mut asked = 0;
    for (seq, told) in (2..).zip([64, 64, 64, 63, 64]) {
        let outputs = a.answered(1, vec![holding(1, seq, told)]);
        let is_query = |output: &&Output| matches!(output, Output::Query { wanted: Query::Proofs { held }, .. } if held.len() == 64);
        asked += outputs.iter().filter(is_query).count();
        a.input(proofs(100..164));
        a.advance(S);
    }
    assert_eq!(asked, 3, "for 64, 63 and 64");
}

#[test]
fn of_two_that_hold_as_many_proofs_each_is_asked_for_those_that_the_other_has_not() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.input(proofs([5]));
    let asks = |outputs: Vec<Output>| {
        let of = |output: &Output| match output {
            Output::Query { wanted: Query::Proofs { held }, .. } => Some(held.clone()),
            _ => None,
        };
        outputs.iter().find_map(of)
    };
    assert_eq!(asks(a.answered(1, vec![holding(1, 2, 1)])), Some(vec![node_id(5)]));
    assert_eq!(told(&a.input(proofs([6]))), 1);
    a.advance(S);
    let asked: Vec<_> = (3..6).filter_map(|seq| asks(a.answered(1, vec![holding(1, seq, 1)]))).collect();
    assert_eq!(asked.len(), 1, "once, since there is one more here");
}

#[test]
fn a_proof_passes_from_node_to_node() {
    let (mut a, mut b) = (Lone::passive(1), Lone::passive(0));
    a.link(2, &[1], &[]);
    a.link(0, &[1], &[]);
    a.answered(2, vec![record(5, 7, &[1], &[]), record(5, 7, &[2], &[])]);
    a.advance(S);
    b.link(1, &[0], &[]);
    let said = a.overlay.record(&node_id(1)).expect("signed").clone();
    let outputs = b.answered(1, vec![said]);
    let asked = outputs.into_iter().find_map(|output| match output {
        Output::Query { wanted: wanted @ Query::Proofs { .. }, .. } => Some(wanted),
        _ => None,
    });
    let wanted = asked.expect("b asks a for the proof");
    let outputs = a.input(StatusInput::Queried { pages: 0, query: QueryId(1), peer: node_id(0), wanted });
    let [Output::Answer { proofs, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    let answer = Answer { proofs: proofs.clone(), ..Answer::default() };
    b.input(StatusInput::Answered { peer: node_id(1), answer });
    assert!(b.overlay.is_expelled(&node_id(5)));
}
