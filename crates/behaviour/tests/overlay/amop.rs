//! The bridge: AMOP messages between clients of different nodes.

use std::collections::BTreeSet;

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_protocol::{
    Topic,
    amop::{ClientId, ClientInput, ClientOutput, DeliveryId, Kind, PublishSeq, ResultCode},
};
use nuncio_testkit::TestAuthority;

use crate::network::{Node, line};

pub(crate) const CLIENT: ClientId = ClientId(1);

pub(crate) async fn subscribe(node: &Node, topic: &Topic) {
    let topics = BTreeSet::from([topic.clone()]);
    node.behaviour(move |behaviour| {
        behaviour.client(ClientInput::Connected { client: CLIENT, tenant: None });
        behaviour.client(ClientInput::Subscribe { client: CLIENT, topics });
    })
    .await;
}

async fn publish(node: &Node, kind: Kind, topic: &Topic, data: Bytes) {
    let input = ClientInput::Publish {
        priority: Default::default(),
        client: CLIENT,
        seq: PublishSeq([9; 32]),
        kind,
        topic: topic.clone(),
        data,
    };
    node.behaviour(move |behaviour| {
        behaviour.client(ClientInput::Connected { client: CLIENT, tenant: None });
        behaviour.client(input);
    })
    .await;
}

async fn delivered(node: &mut Node) -> (DeliveryId, Kind, Bytes) {
    node.wait("a delivery", |event| match event {
        Event::Client(ClientOutput::Deliver { delivery, kind, data, .. }) => Some((delivery, kind, data)),
        _ => None,
    })
    .await
}

async fn replied(node: &mut Node) -> (PublishSeq, ResultCode, Bytes) {
    node.wait("a reply", |event| match event {
        Event::Client(ClientOutput::Reply { seq, code, data, .. }) => Some((seq, code, data)),
        _ => None,
    })
    .await
}

pub(crate) async fn knows_topic(node: &mut Node, topic: &Topic) {
    node.wait("the topic", |event| match event {
        Event::NodeChanged { record } if record.status.topics.contains_key(topic) => Some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn a_unicast_reaches_a_subscriber_behind_a_relay_and_its_answer_comes_back() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let topic = Topic::new("topic1").unwrap();
    let (mut last, mut first) = (nodes.pop().unwrap(), nodes.remove(0));
    subscribe(&last, &topic).await;
    knows_topic(&mut first, &topic).await;
    publish(&first, Kind::Unicast, &topic, Bytes::from("hello")).await;
    let (delivery, kind, data) = delivered(&mut last).await;
    assert_eq!((kind, data), (Kind::Unicast, Bytes::from("hello")));
    let (client, code, data) = (CLIENT, ResultCode::OK, Bytes::from("Yes"));
    last.behaviour(move |it| it.client(ClientInput::Acknowledge { client, delivery, code, data })).await;
    assert_eq!(replied(&mut first).await, (PublishSeq([9; 32]), ResultCode::OK, Bytes::from("Yes")));
}

#[tokio::test]
async fn without_a_subscriber_the_code_is_100() {
    let nodes = line(&TestAuthority::new(), 2).await;
    let mut first = nodes.into_iter().next().unwrap();
    publish(&first, Kind::Unicast, &Topic::new("nobody").unwrap(), Bytes::from("hello")).await;
    assert_eq!(replied(&mut first).await.1, ResultCode::NO_SUBSCRIBER);
}

#[tokio::test]
async fn a_multicast_reaches_every_subscriber_and_is_acknowledged_with_its_data() {
    let mut nodes = line(&TestAuthority::new(), 3).await;
    let topic = Topic::new("topic1").unwrap();
    let mut first = nodes.remove(0);
    for node in &nodes {
        subscribe(node, &topic).await;
    }
    for _ in &nodes {
        knows_topic(&mut first, &topic).await;
    }
    publish(&first, Kind::Multicast, &topic, Bytes::from("hey all")).await;
    assert_eq!(replied(&mut first).await, (PublishSeq([9; 32]), ResultCode::OK, Bytes::from("hey all")));
    for node in &mut nodes {
        let (_, kind, data) = delivered(node).await;
        assert_eq!((kind, data), (Kind::Multicast, Bytes::from("hey all")));
    }
}
