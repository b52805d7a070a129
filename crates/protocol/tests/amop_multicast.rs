//! AMOP multicast: the publisher is answered at once, every subscriber gets the message once.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};
use nuncio_protocol::{
    BridgeInput, MAX_BODY, Output, Topic,
    amop::{
        ClientId, ClientInput, ClientOutput, Content, Destination, Kind, Message, Multicast, Post, PublishSeq,
        ResultCode, SealedPost,
    },
};
use nuncio_testkit::simulator::{Lone, header, node_id, record};

const SEQ: PublishSeq = PublishSeq([9; 32]);
const PUBLISHER: ClientId = ClientId(1);

fn publish(a: &mut Lone, topic: &str) -> Vec<Output> {
    let topic = Topic::new(topic).expect("a valid topic");
    let (client, seq, kind, data) = (PUBLISHER, SEQ, Kind::Multicast, Bytes::from_static(b"hi"));
    a.client(ClientInput::Publish { priority: Default::default(), client, seq, kind, topic, data })
}

fn legs(outputs: &[Output]) -> Vec<(NodeId, Vec<NodeId>, Multicast)> {
    let leg = |output: &Output| match output {
        Output::SendMulticast { to, multicast, .. } => {
            let nodes = multicast.destinations.iter().map(|destination| destination.node).collect();
            Some((*to, nodes, multicast.clone()))
        }
        _ => None,
    };
    outputs.iter().filter_map(leg).collect()
}

/// As it arrives where it may be passed on.
fn sealed(multicast: Multicast) -> Multicast {
    let signature = Signature::from_bytes(&[0; Signature::LENGTH]).expect("as long as one");
    Multicast { sealed: Some(SealedPost { bytes: Bytes::new(), tenant: Bytes::new(), signature }), ..multicast }
}

fn receivers(outputs: &[Output]) -> Vec<ClientId> {
    let client = |output: &Output| match output {
        Output::Client(ClientOutput::Deliver { client, kind: Kind::Multicast, .. }) => Some(*client),
        _ => None,
    };
    outputs.iter().filter_map(client).collect()
}

fn is_acknowledged(outputs: &[Output]) -> bool {
    outputs.iter().any(|output| {
        matches!(output, Output::Client(ClientOutput::Reply { code: ResultCode::OK, data, .. }) if &data[..] == b"hi")
    })
}

#[test]
fn the_publisher_is_answered_with_an_echo_even_without_subscribers() {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &[]);
    let outputs = publish(&mut a, "t");
    assert!(is_acknowledged(&outputs));
    assert_eq!(outputs.len(), 1);
}

#[test]
fn one_message_leaves_per_next_hop_and_names_its_destinations() {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &[]);
    a.link(1, &[0, 3, 4], &[("t", 1)]);
    a.link(2, &[0], &[("t", 2)]);
    a.answered(1, vec![record(3, 1, &[1], &[("t", 1)]), record(4, 1, &[1], &[("other", 1)])]);
    let outputs = publish(&mut a, "t");
    let legs: BTreeSet<_> = legs(&outputs)
        .into_iter()
        .map(|(to, mut destinations, _)| {
            destinations.sort_unstable();
            (to, destinations)
        })
        .collect();
    let mut behind_1 = vec![node_id(1), node_id(3)];
    behind_1.sort_unstable();
    assert_eq!(legs, BTreeSet::from([(node_id(1), behind_1), (node_id(2), vec![node_id(2)])]));
}

#[test]
fn a_relay_delivers_and_splits_what_is_left() {
    let mut origin = Lone::passive(0);
    origin.subscriber(PUBLISHER.0, &[]);
    origin.link(1, &[0, 2, 3], &[("t", 1)]);
    origin.answered(1, vec![record(2, 1, &[1], &[("t", 1)]), record(3, 1, &[1], &[("t", 1)])]);
    let (to, destinations, multicast) = legs(&publish(&mut origin, "t")).remove(0);
    assert_eq!((to, destinations.len()), (node_id(1), 3));

    let mut relay = Lone::passive(1);
    relay.link(0, &[1], &[]);
    relay.link(2, &[1], &[]);
    relay.link(3, &[1], &[]);
    let client = relay.subscriber(5, &["t"]);
    let outputs = relay.input(BridgeInput::MulticastReceived { from: node_id(0), multicast: sealed(multicast) });
    assert_eq!(receivers(&outputs), [client]);
    let passed: BTreeSet<_> =
        legs(&outputs).into_iter().map(|(to, leg, multicast)| (to, leg, multicast.hops_left)).collect();
    let expected = [2, 3].map(|n| (node_id(n), vec![node_id(n)], 14));
    assert_eq!(passed, BTreeSet::from(expected));
}

#[test]
fn every_session_gets_the_same_seq_once_through_however_many_nodes_it_comes() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[]);
    a.link(2, &[0], &[]);
    let clients = [a.subscriber(5, &["t"]), a.subscriber(6, &["t"])];
    let mut receive = |from: usize, number: u64| {
        let post = Post { seq: SEQ, topic: Topic::new("t").expect("a valid topic"), tenant: None, data: "hi".into() };
        let multicast = Multicast {
            source: node_id(from),
            epoch: 1,
            number,
            sent: Duration::ZERO,
            lifetime: Duration::from_secs(30),
            hops_left: 15,
            destinations: vec![Destination { node: node_id(0), key: Bytes::new() }],
            priority: Default::default(),
            post: Some(post),
            sealed: None,
        };
        receivers(&a.input(BridgeInput::MulticastReceived { from: node_id(from), multicast }))
    };
    assert_eq!(receive(1, 256), clients);
    assert!(receive(2, 256).is_empty() && receive(1, 512).is_empty());
    a.advance(Duration::from_secs(61));
    a.subscriber(PUBLISHER.0, &[]);
    assert_eq!(receivers(&publish(&mut a, "t")), clients, "after a minute the seq is forgotten");
}

#[test]
fn block_notifications_are_acknowledged_and_go_nowhere() {
    let mut a = Lone::passive(0);
    a.link(1, &[0], &[("_block_notify_1", 1)]);
    a.subscriber(PUBLISHER.0, &["_block_notify_1"]);
    let outputs = publish(&mut a, "_block_notify_1");
    assert!(is_acknowledged(&outputs));
    assert_eq!(outputs.len(), 1);
}

#[test]
fn a_publisher_that_subscribes_gets_its_own_message() {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &["t"]);
    assert_eq!(receivers(&publish(&mut a, "t")), [PUBLISHER]);
}

/// Node 0 with a publisher; subscribers at node 3, behind nodes 1 and 2, and at node 1 itself.
fn two_paths() -> Lone {
    let mut a = Lone::passive(0);
    a.subscriber(PUBLISHER.0, &[]);
    a.link(1, &[0, 3], &[("t", 1)]);
    a.link(2, &[0, 3], &[]);
    a.answered(1, vec![record(3, 1, &[1, 2], &[("t", 1)])]);
    a
}

fn acknowledgement(from: usize, source: usize, number: u64) -> BridgeInput {
    let message = Message { header: header(source, 0, number), content: Content::Received };
    BridgeInput::Received { from: node_id(from), message }
}

#[test]
fn what_a_silent_hop_swallows_goes_over_another_one_under_the_same_number() {
    let (mut a, mut b) = (two_paths(), Lone::passive(3));
    let first = legs(&publish(&mut a, "t"));
    let (hole, _, multicast) = first.iter().find(|(_, nodes, _)| nodes.contains(&node_id(3))).expect("a leg").clone();
    let again = legs(&a.advance(Duration::from_secs(1)));
    assert_eq!(again.len(), 1, "a linked node is not waited for");
    let (way, nodes, second) = again[0].clone();
    assert_ne!(hole, way);
    assert_eq!((nodes, second.number), (vec![node_id(3)], multicast.number));

    b.link(1, &[3], &[]);
    b.link(2, &[3], &[]);
    b.answered(1, vec![record(0, 1, &[1, 2], &[])]);
    let client = b.subscriber(5, &["t"]);
    let outputs = b.input(BridgeInput::MulticastReceived { from: way, multicast: sealed(second) });
    assert_eq!(receivers(&outputs), [client]);
    let (to, message) = outputs
        .iter()
        .find_map(|output| match output {
            Output::SendBridge { to, message, .. } => Some((*to, message.clone())),
            _ => None,
        })
        .expect("an acknowledgement");
    assert_eq!((to, &message.content), (way, &Content::Received));
    assert!(
        receivers(&b.input(BridgeInput::MulticastReceived { from: hole, multicast: sealed(multicast) })).is_empty()
    );
    a.input(BridgeInput::Received { from: way, message });
    assert!(legs(&a.advance(Duration::from_secs(10))).is_empty());
    // The hole is remembered.
    let next = legs(&publish(&mut a, "t"));
    assert!(next.iter().any(|(to, nodes, _)| *to == way && nodes.contains(&node_id(3))));
}

#[test]
fn what_is_acknowledged_is_not_sent_again_and_nothing_is_sent_for_ever() {
    let mut a = two_paths();
    let number = legs(&publish(&mut a, "t"))[0].2.number;
    let via = if legs(&publish(&mut a, "t")).iter().any(|(to, nodes, _)| *to == node_id(1) && nodes.len() == 2) {
        1
    } else {
        2
    };
    a.input(acknowledgement(via, 3, number));
    a.input(acknowledgement(via, 3, number + 1));
    assert!(legs(&a.advance(Duration::from_secs(20))).is_empty());
    publish(&mut a, "t");
    assert!(legs(&a.advance(Duration::from_secs(60))).len() <= 2);
    // Nor for a publisher that is gone.
    publish(&mut a, "t");
    a.client(ClientInput::Disconnected { client: PUBLISHER });
    assert!(legs(&a.advance(Duration::from_secs(60))).is_empty());
}

#[test]
fn what_waits_for_acknowledgements_is_bounded_in_bytes() {
    let mut a = two_paths();
    let data = Bytes::from(vec![0; MAX_BODY]);
    for n in 0..20 {
        let (client, kind, topic) = (PUBLISHER, Kind::Multicast, Topic::new("t").expect("a valid topic"));
        a.client(ClientInput::Publish {
            priority: Default::default(),
            client,
            seq: PublishSeq([n; 32]),
            kind,
            topic,
            data: data.clone(),
        });
    }
    let again = legs(&a.advance(Duration::from_secs(7)));
    assert_eq!(again.len(), 1, "of one client's 200 MiB a quarter of the 64 MiB is kept");
    assert_eq!(again[0].2.post.as_ref().map(|post| post.seq), Some(PublishSeq([19; 32])), "the newest");
}
