//! Priorities: answers have that of their request, and no node gains by naming everything urgent.

use std::time::Duration;

use bytes::Bytes;
use nuncio_protocol::{
    Header, Output, Priority, UnicastInput,
    unicast::{Content, ExchangeId, InboundId, Message},
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const S: Duration = Duration::from_secs(1);

/// Each message's cost beside its body.
const OVERHEAD: usize = 256;

fn asked(source: usize, target: usize, number: u64, body: usize, priority: Priority) -> Message {
    let header = Header { priority, ..header(source, target, number) };
    Message { header, content: Content::Request { body: Bytes::from(vec![0; body]) } }
}

fn received(node: &mut Lone, from: usize, message: Message) -> Vec<Output> {
    node.input(UnicastInput::Received { from: node_id(from), message })
}

/// What leaves for other nodes, and what the application gets.
fn priorities(outputs: &[Output]) -> Vec<Priority> {
    let priority = |output: &Output| match output {
        Output::SendUnicast { message, .. } => Some(message.header.priority),
        Output::Request { priority, .. } => Some(*priority),
        _ => None,
    };
    outputs.iter().filter_map(priority).collect()
}

fn neighbours() -> Lone {
    let mut node = Lone::passive(0);
    node.link(1, &[0], &[]);
    node.link(2, &[0], &[]);
    node
}

#[test]
fn a_request_and_its_answer_are_as_urgent_as_the_application_says_on_every_hop() {
    for priority in Priority::ALL {
        let mut source = neighbours();
        let (exchange, target, body) = (ExchangeId(1), node_id(1), Bytes::from("ping"));
        let sent = source.input(UnicastInput::Request {
            exchange,
            target,
            body,
            timeout: S,
            trace: Default::default(),
            priority,
        });
        assert_eq!(priorities(&sent), [priority]);
        let mut relay = neighbours();
        assert_eq!(priorities(&received(&mut relay, 1, asked(1, 2, 1, 4, priority))), [priority]);
        let mut target = neighbours();
        assert_eq!(priorities(&received(&mut target, 1, asked(1, 0, 1, 4, priority))), [priority]);
        let answered = target.input(UnicastInput::Respond { inbound: InboundId(0), body: Bytes::from("pong") });
        assert_eq!(priorities(&answered), [priority]);
    }
}

#[test]
fn a_member_that_names_everything_control_has_its_budget_at_relay_and_target_and_takes_nothing_of_others() {
    const BODY: usize = 10_000;
    for target in [0, 2] {
        let mut node = neighbours();
        let granted = |node: &mut Lone, numbers: std::ops::Range<u64>| {
            let control = |number| priorities(&received(node, 1, asked(1, target, number, BODY, Priority::Control)));
            let all: Vec<_> = numbers.map(control).collect();
            assert!(all.iter().all(|one| one.len() == 1), "what is not urgent comes, too");
            all.iter().filter(|one| **one == [Priority::Control]).count()
        };
        let budget = (1 << 20) / (BODY + OVERHEAD);
        assert_eq!(granted(&mut node, 1..1001), budget);
        if target == 0 {
            let other = received(&mut node, 2, asked(2, 0, 1, BODY, Priority::Control));
            assert_eq!(priorities(&other), [Priority::Control], "another has its own");
        }
        node.advance(S / 2);
        let later = granted(&mut node, 2001..2101);
        assert!((budget / 2 - 1..=budget / 2 + 1).contains(&later), "{later}");
    }
}

#[test]
fn a_neighbour_that_names_another_as_the_source_of_urgent_messages_uses_up_nothing_of_its_own() {
    let mut relay = neighbours();
    relay.link(3, &[0], &[]);
    let brought = |relay: &mut Lone, from, number| {
        priorities(&received(relay, from, asked(1, 3, number, 10_000, Priority::Control)))
    };
    let forged: Vec<_> = (1..1001).map(|number| brought(&mut relay, 2, number)).collect();
    assert!(forged.contains(&vec![Priority::Normal]), "the neighbour has a budget");
    assert_eq!(
        brought(&mut relay, 1, 5000),
        [Priority::Control],
        "what the source itself brings is as urgent as before"
    );
}

#[test]
fn what_this_nodes_applications_name_control_is_bounded_too_and_so_is_what_they_answer() {
    let mut node = neighbours();
    let mut ask = |exchange| {
        let (exchange, target, body) = (ExchangeId(exchange), node_id(1), Bytes::from(vec![0; 10_000]));
        let (trace, priority) = (Default::default(), Priority::Control);
        priorities(&node.input(UnicastInput::Request { exchange, target, body, timeout: S, trace, priority }))
    };
    let control = (0..1000).filter(|exchange| ask(*exchange) == [Priority::Control]).count();
    assert_eq!(control, (256 << 10) / (10_000 + OVERHEAD));
    // One byte asked for as much as can be answered.
    let mut answered = 0;
    for number in 1..1000_u64 {
        received(&mut node, 2, asked(2, 0, number, 1, Priority::Control));
        let inbound = InboundId(number - 1);
        let sent = priorities(&node.input(UnicastInput::Respond { inbound, body: Bytes::from(vec![0; 60_000]) }));
        answered += usize::from(sent == [Priority::Control]);
    }
    assert!((10..=(1 << 20) / 60_000).contains(&answered), "{answered} answers on account of who asked");
}

#[test]
fn a_neighbour_that_names_many_sources_gains_little_and_takes_nothing_of_what_others_bring() {
    const SOURCES: usize = 1_200;
    let mut relay = neighbours();
    relay.link(3, &[0], &[]);
    let invented = |neighbour: usize| (10..10 + SOURCES).map(move |n| record(n, 1, &[neighbour], &[]));
    relay.answered(2, invented(2).collect());
    let mut brought = |from, source, body| {
        let message = asked(source, 3, 1, body, Priority::Control);
        priorities(&received(&mut relay, from, message)) == [Priority::Control]
    };
    let granted = (10..10 + SOURCES).filter(|source| brought(2, *source, 60_000)).count();
    assert!(
        (4_usize << 20).abs_diff(granted * (60_000 + OVERHEAD)) < 100_000,
        "{granted}: four times what one may send"
    );
    assert!(brought(1, 1, 1_000), "its own");
    assert!(brought(1, 10, 1_000), "and what another brings, be it of the same sources");
}
