//! Several nodes at once.

use super::*;
use crate::{ConnectError, Pool, PublishError};

/// A pool of the nodes `a:1` and `b:1`, both serving.
async fn pool() -> (Pool, Net, (Listener, Node), (Listener, Node)) {
    let net = Net::default();
    let (mut a, mut b) = (net.listen("a:1"), net.listen("b:1"));
    let builder = Client::builder().node("a:1").node("b:1");
    let dial = net.clone();
    let (pool, first, second) =
        tokio::join!(builder.connect_all_with(move || Box::new(dial.clone())), a.accept(), b.accept());
    (pool.unwrap(), net, (a, first), (b, second))
}

/// Answers the next publish.
async fn answer(node: &mut Node, words: &'static str) {
    let frame = node.expect(FrameKind::Unicast).await;
    node.send(frame.answer(FrameKind::Answer, ResultCode::OK, packed("t", words))).await;
}

#[tokio::test(start_paused = true)]
async fn messages_leave_through_the_nodes_in_turn() {
    let (pool, _net, (_a, mut first), (_b, mut second)) = pool().await;
    assert_eq!((pool.connected(), pool.clients().len()), (2, 2));
    let (one, two, (), ()) =
        tokio::join!(pool.publish("t", "1"), pool.publish("t", "2"), answer(&mut first, "a"), answer(&mut second, "b"));
    let mut answers = [one.unwrap(), two.unwrap()];
    answers.sort();
    assert_eq!(answers, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_node_is_passed_by_and_taken_back() {
    let (pool, _net, (mut a, first), (_b, mut second)) = pool().await;
    drop(first);
    let mut status = pool.clients()[0].status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    for _ in 0..3 {
        let (outcome, ()) = tokio::join!(pool.publish("t", "x"), answer(&mut second, "b"));
        assert_eq!(outcome.unwrap(), "b");
    }
    let _again = a.accept().await;
    soon(status.wait_for(crate::Status::is_connected)).await.unwrap();
    assert_eq!(pool.connected(), 2);
}

/// Serves a node until it is told topics.
async fn told(node: &mut Node, topics: &[&str]) {
    node.expect_topics(topics).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_lives_at_one_node_and_moves_with_all_its_topics() {
    let (pool, _net, (_a, mut first), (_b, mut second)) = pool().await;
    let subscribing = pool.subscribe(["t", "u"]);
    tokio::pin!(subscribing);
    tokio::select! {
        biased;
        _ = &mut subscribing => panic!("subscribed before the node was told"),
        () = told(&mut first, &["t", "u"]) => {}
    }
    let mut subscription = tokio::select! {
        subscription = subscribing => subscription.unwrap(),
        frame = first.next() => panic!("{frame:?}"),
    };
    first.send(message(FrameKind::Multicast, 1, "t", "one")).await;
    assert_eq!(soon(subscription.next()).await.unwrap().data, "one");
    drop(first);
    let moved = async {
        told(&mut second, &["t", "u"]).await;
        // The heartbeat behind the topics is answered while the message is on its way.
        second.send(message(FrameKind::Multicast, 2, "u", "two")).await;
        tokio::select! {
            frame = second.next() => panic!("{frame:?}"),
            () = std::future::pending() => {}
        }
    };
    let delivery = tokio::select! {
        delivery = soon(subscription.next()) => delivery.unwrap(),
        () = moved => unreachable!("it never ends"),
    };
    assert_eq!((&*delivery.topic, &delivery.data[..]), ("u", &b"two"[..]));
}

#[tokio::test(start_paused = true)]
async fn one_node_that_serves_is_enough() {
    let net = Net::default();
    let mut a = net.listen("a:1");
    let dial = net.clone();
    let builder = Client::builder().node("a:1").node("b:1");
    let (pool, _node) = tokio::join!(builder.connect_all_with(move || Box::new(dial.clone())), a.accept());
    let pool = pool.unwrap();
    assert_eq!(pool.connected(), 1);
    let mut b = net.listen("b:1");
    let _late = b.accept().await;
    let mut status = pool.clients()[1].status();
    soon(status.wait_for(crate::Status::is_connected)).await.unwrap();
    pool.close().await;
    assert!(matches!(pool.publish("t", "x").await, Err(PublishError::Disconnected { sent: false })));

    let dial = Net::default();
    let outcome = Client::builder().node("a:1").node("b:1").connect_all_with(move || Box::new(dial.clone())).await;
    assert!(matches!(outcome, Err(ConnectError::NoNodeUsable { attempts }) if attempts.len() == 2));
}
