//! Multicast reaches the topic's subscribers, broadcast reaches all, each at most once.

use std::collections::BTreeSet;

use bytes::Bytes;
use nuncio_behaviour::{Behaviour, Event};
use nuncio_identity::NodeId;
use nuncio_metrics::Metrics;
use nuncio_protocol::Topic;
use nuncio_testkit::TestAuthority;

use crate::network::{Node, line, links_in_a_row};

async fn received(node: &mut Node) -> (NodeId, Option<Topic>, Bytes) {
    node.wait("a multicast", |event| match event {
        Event::Multicast { origin, topic, bodies, .. } => Some((origin, topic, bodies[0].clone())),
        _ => None,
    })
    .await
}

/// Gossipsub needs a moment to learn of subscriptions: publish until the receiver has it. So many bytes follow the text.
pub(crate) async fn publish_until(
    publisher: &Node,
    topic: Option<&Topic>,
    receiver: &mut Node,
    padding: usize,
) -> (NodeId, Option<Topic>, Bytes) {
    let mut number = 0_u32;
    loop {
        number += 1;
        let (topic, data) = (topic.cloned(), Bytes::from(format!("message {number}{}", " ".repeat(padding))));
        publisher.behaviour(move |behaviour| behaviour.publish(topic.as_ref(), data)).await.expect("published");
        let arrival = tokio::time::timeout(std::time::Duration::from_millis(200), received(receiver));
        if let Ok(found) = arrival.await {
            return found;
        }
        assert!(number < 100, "nothing arrives");
    }
}

#[tokio::test]
async fn a_broadcast_crosses_the_network_and_names_its_origin() {
    let mut nodes = line(&TestAuthority::new(), 4).await;
    let mut last = nodes.pop().unwrap();
    let (origin, topic, data) = publish_until(&nodes[0], None, &mut last, 0).await;
    assert_eq!((origin, topic), (nodes[0].id, None));
    assert!(data.starts_with(b"message "));
}

#[tokio::test]
async fn a_multicast_reaches_only_those_who_subscribe_its_topic() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let topic = Topic::new("prices").unwrap();
    let subscribed = topic.clone();
    nodes[1].behaviour(move |behaviour| behaviour.subscribe(&subscribed)).await;
    let publisher = nodes.remove(0);
    let (origin, got, _) = publish_until(&publisher, Some(&topic), &mut nodes[0], 0).await;
    assert_eq!((origin, got), (publisher.id, Some(topic)));
    let others = nodes[1].passed();
    assert!(!others.iter().any(|event| matches!(event, Event::Multicast { .. })), "{others:?}");
}

#[tokio::test]
async fn a_message_of_ten_mebibytes_is_gossiped_and_more_is_refused() {
    let mut nodes = line(&TestAuthority::new(), 2).await;
    let mut last = nodes.pop().unwrap();
    publish_until(&nodes[0], None, &mut last, 0).await;
    let largest = Bytes::from(vec![3; nuncio_protocol::MAX_BODY]);
    let data = largest.clone();
    nodes[0].behaviour(move |behaviour| behaviour.publish(None, data)).await.expect("published");
    let arrived = last.wait("the large one", |event| match event {
        // With those before it in one event, where these were late.
        Event::Multicast { bodies, .. } => bodies.into_iter().find(|body| body.len() > 1000),
        _ => None,
    });
    assert!(arrived.await == largest);
    let more = Bytes::from(vec![3; nuncio_protocol::MAX_BODY + 1]);
    nodes[0].behaviour(move |behaviour| behaviour.publish(None, more)).await.expect_err("too large");
    // The link has not gone deaf: gossip goes on.
    publish_until(&nodes[0], None, &mut last, 0).await;
}

/// The numbers of the next messages of a topic.
async fn numbers(node: &mut Node, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        numbers.extend(
            node.wait("a multicast", |event| match event {
                Event::Multicast { first, bodies, .. } => Some((first..).take(bodies.len())),
                Event::Gap { from, to, .. } => panic!("{from} to {to} are missing"),
                _ => None,
            })
            .await,
        );
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_over_two_relays_come_once_and_in_order() {
    let mut nodes = line(&TestAuthority::new(), 4).await;
    let mut last = nodes.pop().unwrap();
    publish_until(&nodes[0], None, &mut last, 0).await;
    let published = nodes[0].behaviour(|behaviour| {
        let publish = |number: u32| behaviour.publish(None, Bytes::copy_from_slice(&number.to_be_bytes()));
        (0..1000).map(publish).map(|id| id.unwrap().1).collect::<Vec<_>>()
    });
    let published = published.await;
    let mut heard = numbers(&mut last, published.len()).await;
    // What the search for it had left behind.
    while heard.last() != published.last() {
        heard.extend(numbers(&mut last, 1).await);
    }
    assert!(heard.is_sorted_by(|a, b| a + 1 == *b), "{heard:?}");
    assert_eq!(heard[heard.len() - published.len()..], published);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_takes_no_batches_is_reached_by_gossip_and_passes_it_on_and_nobody_hears_anything_twice() {
    let authority = TestAuthority::new();
    let nodes = [Node::start(&authority, "new"), Node::start_old(&authority, "old"), Node::start(&authority, "behind")];
    let [publisher, mut old, mut behind] = links_in_a_row(nodes).await;
    publish_until(&publisher, None, &mut old, 0).await;
    publish_until(&publisher, None, &mut behind, 0).await;
    let published = publisher.behaviour(|behaviour| {
        (0..20).map(|_| behaviour.publish(None, Bytes::from_static(b"all")).unwrap().1).collect::<Vec<_>>()
    });
    let published = published.await;
    for node in [&mut old, &mut behind] {
        let mut heard = BTreeSet::new();
        while !published.iter().all(|number| heard.contains(number)) {
            let number = numbers(node, 1).await[0];
            assert!(heard.insert(number), "{number} came twice");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gossip_does_not_carry_to_a_release_that_takes_no_batches_is_counted() {
    let (authority, metrics) = (TestAuthority::new(), Metrics::new());
    let publisher = Node::start_counted(&authority, "publisher", &metrics);
    let nodes = [Node::start(&authority, "near"), publisher, Node::start_old(&authority, "old")];
    let [mut near, publisher, mut old] = links_in_a_row(nodes).await;
    publish_until(&publisher, None, &mut near, 0).await;
    publish_until(&publisher, None, &mut old, 0).await;
    assert_eq!(metrics.gossip.missed.read(), 0);
    let publish = |behaviour: &mut Behaviour| behaviour.publish(None, Bytes::from_static(b"all")).is_ok();
    let taken = publisher.behaviour(move |behaviour| (0..1000).filter(|_| publish(behaviour)).count()).await;
    let missed = metrics.gossip.missed.read();
    assert!(taken == 1000 && (500..1000).contains(&missed), "{missed} of {taken}");
}
