//! Two hosts with one key, hosts that come back, and goodbyes.

use std::time::Duration;

use nuncio_protocol::{
    Config, Output, PeeringInput,
    peering::{ConnectionId, Direction, LinkDownReason, Parting},
};
use nuncio_testkit::simulator::{Lone, node_id, record};

fn lone() -> Lone {
    Lone::new(0, Config::default())
}

fn down(outputs: &[Output]) -> Option<&LinkDownReason> {
    outputs.iter().find_map(|output| match output {
        Output::LinkDown { reason, .. } => Some(reason),
        _ => None,
    })
}

#[test]
fn the_first_of_two_hosts_keeps_its_link_and_the_second_is_sent_away() {
    let mut a = lone();
    let (first, _) = a.connect(1, Direction::Inbound);
    let second = ConnectionId(100);
    let outputs = a.open(second, 1, Direction::Inbound, 2);
    assert!(outputs.contains(&Output::Probe { connection: first }), "{outputs:?}");
    a.advance(Duration::from_secs(2));

    let outputs = a.input(PeeringInput::Alive { connection: first });
    let sent_away = Output::Close { connection: second, reason: LinkDownReason::DuplicateIdentity };
    assert!(outputs.contains(&sent_away), "{outputs:?}");
    let told = |output: &Output| matches!(output, Output::DuplicateIdentity { node, epoch: 2, address: Some(_) } if *node == node_id(1));
    assert!(outputs.iter().any(told), "{outputs:?}");
    let links = a.overlay.links();
    assert_eq!((links.len(), links[0].connection), (1, first));
    assert_eq!(down(&a.advance(Duration::from_secs(20))), None);
}

#[test]
fn a_host_without_a_sign_of_life_is_replaced_and_the_link_is_down_before_it_is_up() {
    let mut a = lone();
    let (first, _) = a.connect(1, Direction::Inbound);
    let second = ConnectionId(100);
    a.open(second, 1, Direction::Inbound, 2);
    let outputs = a.advance(Duration::from_millis(3100));
    let place = |wanted: &dyn Fn(&Output) -> bool| outputs.iter().position(wanted);
    let down = place(&|output| matches!(output, Output::LinkDown { .. })).expect("the old link ends");
    let up = place(&|output| matches!(output, Output::LinkUp { connection, .. } if *connection == second));
    assert!(up.expect("the new link begins") > down);
    assert!(outputs.iter().any(|output| matches!(output, Output::Close { connection, .. } if *connection == first)));
    assert!(!outputs.iter().any(|output| matches!(output, Output::DuplicateIdentity { .. })));
}

#[test]
fn a_restarted_host_takes_over_as_soon_as_its_old_connection_ends() {
    let mut a = lone();
    let (first, _) = a.connect(1, Direction::Inbound);
    let second = ConnectionId(100);
    a.open(second, 1, Direction::Inbound, 2);
    let outputs = a.input(PeeringInput::ConnectionClosed { connection: first, reason: "reset".into() });
    assert!(down(&outputs).is_some());
    assert!(outputs.iter().any(|output| matches!(output, Output::LinkUp { connection, .. } if *connection == second)));
    assert_eq!(down(&a.advance(Duration::from_secs(20))), None, "the contest is over");
}

#[test]
fn who_does_not_introduce_itself_is_closed() {
    let mut a = lone();
    let connection = ConnectionId(7);
    let (peer, direction) = (node_id(1), Direction::Inbound);
    let address = nuncio_testkit::simulator::address(1);
    a.input(PeeringInput::ConnectionOpened { connection, peer, direction, address });
    assert!(down(&a.advance(Duration::from_millis(9900))).is_none());
    assert!(down(&a.advance(Duration::from_millis(200))).is_some());
}

#[test]
fn a_goodbye_ends_the_link_at_once_and_says_why() {
    let mut a = lone();
    let (connection, _) = a.connect(1, Direction::Inbound);
    let outputs = a.input(PeeringInput::Farewell { connection, parting: Parting::Leaving });
    assert_eq!(down(&outputs), Some(&LinkDownReason::Parted(Parting::Leaving)));
    assert!(a.overlay.links().is_empty());
}

#[test]
fn a_node_that_leaves_closes_every_link_and_dials_no_more() {
    let mut a = lone();
    a.input(PeeringInput::PeerAdded { address: nuncio_testkit::simulator::address(9) });
    for n in 1..4 {
        a.connect(n, Direction::Inbound);
    }
    let outputs = a.input(PeeringInput::Leave);
    let goodbyes = |output: &&Output| matches!(output, Output::Close { reason: LinkDownReason::Leaving, .. });
    assert_eq!(outputs.iter().filter(goodbyes).count(), 3);
    let later = a.advance(Duration::from_secs(60));
    assert!(!later.iter().any(|output| matches!(output, Output::Dial { .. })), "{later:?}");
}

#[test]
fn another_host_with_our_own_key_is_told_of_once() {
    let mut a = lone();
    a.link(1, &[0], &[]);
    let mut ours = (*record(0, 1, &[], &[])).clone();
    ours.status.version.epoch = 9;
    let ours = nuncio_testkit::simulator::sign(ours.status);
    let told = |outputs: &[Output]| {
        outputs.iter().filter(|output| matches!(output, Output::DuplicateIdentity { epoch: 9, .. })).count()
    };
    a.advance(Duration::from_secs(31));
    assert_eq!(told(&a.answered(1, vec![ours.clone()])), 1);
    assert_eq!(told(&a.answered(1, vec![ours])), 0);
}

#[test]
fn a_node_that_lost_its_data_and_whose_clock_is_behind_goes_on_above_what_is_remembered_of_it() {
    let mut a = lone();
    a.link(1, &[0], &[]);
    let mut remembered = record(0, 7, &[], &[]).status.clone();
    remembered.version.epoch = 9;
    let remembered = nuncio_testkit::simulator::sign(remembered);
    let outputs = a.answered(1, vec![remembered.clone()]);
    assert!(outputs.contains(&Output::EpochOutrun { seen: 9 }), "{outputs:?}");
    assert!(!a.answered(1, vec![remembered]).contains(&Output::EpochOutrun { seen: 9 }), "once");

    let now = a.now;
    a.overlay.begin_epoch(10, now);
    let outputs = [a.outputs(), a.advance(Duration::from_secs(3))].concat();
    let ended = |output: &Output| matches!(output, Output::LinkDown { reason: LinkDownReason::Leaving, .. });
    assert!(outputs.iter().any(ended), "links begin anew: {outputs:?}");
    assert_eq!(a.overlay.version().epoch, 10);
    assert_eq!(a.overlay.record(&node_id(0)).map(|own| own.status.version.epoch), Some(10));
}
