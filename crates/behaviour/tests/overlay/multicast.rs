//! Multicast reaches the topic's subscribers, broadcast reaches all, each at most once.

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_identity::NodeId;
use nuncio_protocol::Topic;
use nuncio_testkit::TestAuthority;

use crate::network::{Node, line};

async fn received(node: &mut Node) -> (NodeId, Option<Topic>, Bytes) {
    node.wait("a multicast", |event| match event {
        Event::Multicast { origin, topic, data, .. } => Some((origin, topic, data)),
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
        Event::Multicast { data, .. } if data.len() > 1000 => Some(data),
        _ => None,
    });
    assert!(arrived.await == largest);
    let more = Bytes::from(vec![3; nuncio_protocol::MAX_BODY + 1]);
    nodes[0].behaviour(move |behaviour| behaviour.publish(None, more)).await.expect_err("too large");
    // The link has not gone deaf: gossip goes on.
    publish_until(&nodes[0], None, &mut last, 0).await;
}
