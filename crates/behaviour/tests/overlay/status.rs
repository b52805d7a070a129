//! Status: a change of seq is announced, queried for, and applied, also over relays.

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_protocol::{
    Topic,
    amop::{ClientId, ClientInput},
};
use nuncio_testkit::TestAuthority;

use crate::network::{DEADLINE, Node, SecondThought, line};

#[tokio::test]
async fn a_change_is_seen_by_every_node_with_a_higher_seq() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let owner = nodes[0].id;
    let before = nodes[2].behaviour(move |it| it.overlay().record(&owner).map(|record| record.status.version)).await;
    nodes[0].behaviour(|behaviour| behaviour.set_application_field(Bytes::from("height 7"))).await;
    let seen = nodes[2].wait("the new status", |event| match event {
        Event::NodeChanged { record } if record.status.node == owner && record.status.application == "height 7" => {
            Some(record.status.version)
        }
        _ => None,
    });
    assert!(Some(seen.await) > before);
}

#[tokio::test]
async fn a_record_carries_name_agency_and_neighbours_of_its_node() {
    let nodes = line(&TestAuthority::named("chain", "agencyA"), 3).await;
    let (first, middle) = (nodes[0].id, nodes[1].id);
    let record = nodes[2].behaviour(move |it| it.overlay().record(&first).cloned()).await.expect("a record");
    assert_eq!((record.status.name.as_str(), record.status.agency.as_str()), ("n0", "agencyA"));
    assert!(record.status.neighbours.contains(&middle));
}

#[tokio::test]
async fn many_topics_travel_on_pages_and_a_change_of_one_follows() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let (owner, client) = (nodes[0].id, ClientId(1));
    nodes[0].behaviour(move |it| it.client(ClientInput::Connected { client, tenant: None })).await;
    for count in [500, 501] {
        let topics = (0..count).map(|n| Topic::new(&format!("topic {n}")).unwrap()).collect();
        nodes[0].behaviour(move |it| it.client(ClientInput::Subscribe { client, topics })).await;
        let pages = nodes[2].wait("all topics", |event| match event {
            Event::NodeChanged { record } if record.status.node == owner && record.status.topics.len() == count => {
                Some(record.pages.len())
            }
            _ => None,
        });
        assert!(pages.await > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_being_proved_when_the_rules_changed_is_proved_by_the_new_ones() {
    let authority = TestAuthority::new();
    let (second, mut judged, go_on) = SecondThought::new();
    let (mut a, b) = (Node::start_judged(&authority, "a", &second), Node::start(&authority, "b"));
    b.dial(&a).await;
    tokio::time::timeout(DEADLINE, judged.recv()).await.expect("its record was asked for").expect("a verdict");
    second.refuse_from_now();
    assert!(a.behaviour(|behaviour| behaviour.refused_records()).await.is_empty(), "it is not here yet");
    go_on.send(()).expect("it waits");
    let other = b.id;
    let taken = a.wait("the record", |event| match event {
        Event::NodeChanged { record } if record.status.node == other => Some(()),
        _ => None,
    });
    tokio::select! {
        () = taken => panic!("the record was taken by rules of the past"),
        _ = judged.recv() => {}
    }
}
