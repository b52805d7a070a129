//! Subscriptions and what comes in through them.

use super::*;
use crate::{BlockNotification, Delivery, Kind, RespondError, SubscribeError, Subscription};

/// A client subscribed to `t`.
async fn subscribed(builder: Builder) -> (Subscription, Node) {
    let (client, mut node, _) = pair(builder).await;
    let subscription = subscribe(&client, &mut node, &["t"], &["t"]).await;
    (subscription, node)
}

/// Subscribes `topics` while the node serves and checks that it is told `all`.
async fn subscribe(client: &Client, node: &mut Node, topics: &[&str], all: &[&str]) -> Subscription {
    let subscribing = client.subscribe(topics);
    tokio::pin!(subscribing);
    tokio::select! {
        biased;
        _ = &mut subscribing => panic!("subscribed before the node was told"),
        () = node.expect_topics(all) => {}
    }
    serve(node, subscribing).await.expect("the node confirms")
}

/// Lets the node answer heartbeats while `work` goes on.
async fn serve<T>(node: &mut Node, work: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = soon(work) => outcome,
        frame = node.next() => panic!("an unexpected frame or end: {frame:?}"),
    }
}

async fn next(subscription: &mut Subscription) -> Delivery {
    soon(subscription.next()).await.expect("the client lives")
}

#[tokio::test(start_paused = true)]
async fn the_whole_list_is_told_at_each_change() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let first = subscribe(&client, &mut node, &["b", "a", "b"], &["a", "b"]).await;
    assert_eq!(first.topics().collect::<Vec<_>>(), ["a", "b"]);
    let second = subscribe(&client, &mut node, &["c"], &["a", "b", "c"]).await;
    let same = subscribe(&client, &mut node, &["a"], &["a", "b", "c"]).await;

    let unsubscribing = first.unsubscribe();
    tokio::pin!(unsubscribing);
    tokio::select! {
        biased;
        outcome = &mut unsubscribing => panic!("unsubscribed before the node was told: {outcome:?}"),
        () = node.expect_topics(&["a", "c"]) => {}
    }
    serve(&mut node, unsubscribing).await.unwrap();
    drop(second);
    node.expect_topics(&["a"]).await;
    drop(same);
    node.expect_topics(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn topics_are_checked() {
    let (client, _node, _) = pair(Client::builder()).await;
    let long = "t".repeat(255);
    assert_eq!(client.subscribe([""]).await.unwrap_err(), SubscribeError::Topic { bytes: 0 });
    assert_eq!(client.subscribe([&long]).await.unwrap_err(), SubscribeError::Topic { bytes: 255 });
    let many = (0..513).map(|number| number.to_string());
    assert_eq!(client.subscribe(many).await.unwrap_err(), SubscribeError::TooManyTopics);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_confirm() {
    let (client, mut node, _) = pair(Client::builder()).await;
    node.alive = false;
    let (outcome, ()) = tokio::join!(client.subscribe(["t"]), async {
        node.expect_topics(&["t"]).await;
        // It gave up, so its topics are withdrawn.
        node.expect_topics(&[]).await;
    });
    assert_eq!(outcome.unwrap_err(), SubscribeError::TimedOut { after: Duration::from_secs(5) });
}

#[tokio::test(start_paused = true)]
async fn a_unicast_is_answered() {
    let (mut subscription, mut node) = subscribed(Client::builder()).await;
    node.send(message(FrameKind::Unicast, 7, "t", "hello")).await;
    let delivery = next(&mut subscription).await;
    assert_eq!((&*delivery.topic, &delivery.data[..], delivery.kind), ("t", &b"hello"[..], Kind::Unicast));
    delivery.respond("yes").unwrap();
    node.expect_answer(7, ResultCode::OK, b"\x02tyes").await;
}

#[tokio::test(start_paused = true)]
async fn answers_go_out_in_the_order_they_are_given() {
    let (mut subscription, mut node) = subscribed(Client::builder()).await;
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    node.send(message(FrameKind::Unicast, 2, "t", "")).await;
    let (first, second) = (next(&mut subscription).await, next(&mut subscription).await);
    second.respond("second").unwrap();
    node.expect_answer(2, ResultCode::OK, b"\x02tsecond").await;
    first.respond("first").unwrap();
    node.expect_answer(1, ResultCode::OK, b"\x02tfirst").await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_is_an_empty_success_and_a_declined_one_is_not() {
    let (mut subscription, mut node) = subscribed(Client::builder()).await;
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    drop(next(&mut subscription).await);
    node.expect_answer(1, ResultCode::OK, b"\x02t").await;
    node.send(message(FrameKind::Unicast, 2, "t", "")).await;
    next(&mut subscription).await.decline();
    node.expect_answer(2, ResultCode::SUBSCRIBER_GONE, b"").await;
    node.send(message(FrameKind::Unicast, 3, "t", "")).await;
    let bytes = nuncio_channel_protocol::MAX_BODY + 1;
    let outcome = next(&mut subscription).await.respond(vec![0; bytes]);
    assert_eq!(outcome, Err(RespondError::TooLarge { bytes }));
    node.expect_answer(3, ResultCode::SUBSCRIBER_GONE, b"").await;
}

#[tokio::test(start_paused = true)]
async fn a_unicast_nobody_subscribes_is_declined() {
    let (_subscription, mut node) = subscribed(Client::builder()).await;
    node.send(message(FrameKind::Unicast, 1, "T", "")).await;
    node.expect_answer(1, ResultCode::SUBSCRIBER_GONE, b"").await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_took_is_declined() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let subscription = subscribe(&client, &mut node, &["t"], &["t"]).await;
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    // An answered call shows that the unicast is in the queue.
    let (_, ()) = tokio::join!(client.call("m", [0].into_iter().collect()), async {
        let call = node.expect(FrameKind::Rpc).await;
        node.send(call.answer(FrameKind::Rpc, ResultCode::OK, r#"{"result":0}"#.into())).await;
    });
    drop(subscription);
    let (mut answers, mut lists) = (Vec::new(), 0);
    for _ in 0..2 {
        let frame = soon(node.next()).await.unwrap();
        match frame.kind {
            FrameKind::Answer => answers.push((frame.seq, frame.result)),
            FrameKind::Subscribe => lists += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((answers, lists), (vec![(FrameSeq::from_number(1), ResultCode::SUBSCRIBER_GONE)], 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_declines_unicasts_and_counts_multicasts() {
    let (mut subscription, mut node) = subscribed(Client::builder().queue(2, 0)).await;
    for seq in 1..=3 {
        node.send(message(FrameKind::Unicast, seq, "t", "x")).await;
        node.send(message(FrameKind::Multicast, 10 + seq, "t", "y")).await;
    }
    // One unicast and one multicast found room.
    node.expect_answer(2, ResultCode::SUBSCRIBER_GONE, b"").await;
    node.expect_answer(3, ResultCode::SUBSCRIBER_GONE, b"").await;
    let first = next(&mut subscription).await;
    assert_eq!(first.kind, Kind::Unicast);
    assert_eq!(next(&mut subscription).await.kind, Kind::Multicast);
    first.respond("1").unwrap();
    node.expect_answer(1, ResultCode::OK, b"\x02t1").await;
    assert_eq!(subscription.missed(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_bounded_in_bytes_too() {
    let (mut subscription, mut node) = subscribed(Client::builder().queue(100, 0)).await;
    let body = AmopBody::new("t", vec![1; 6 << 20].into()).unwrap().pack();
    for seq in 1..=2 {
        node.send(Frame::request(FrameKind::Unicast, FrameSeq::from_number(seq), body.clone())).await;
    }
    node.expect_answer(2, ResultCode::SUBSCRIBER_GONE, b"").await;
    assert_eq!(next(&mut subscription).await.data.len(), 6 << 20);
    node.expect_answer(1, ResultCode::OK, b"\x02t").await;
    node.send(Frame::request(FrameKind::Unicast, FrameSeq::from_number(3), body)).await;
    assert_eq!(next(&mut subscription).await.data.len(), 6 << 20, "taking a message makes room");
}

#[tokio::test(start_paused = true)]
async fn unanswered_unicasts_are_bounded() {
    let (mut subscription, mut node) = subscribed(Client::builder()).await;
    let mut held = Vec::new();
    for seq in 0..1024 {
        node.send(message(FrameKind::Unicast, seq, "t", "")).await;
        held.push(next(&mut subscription).await);
    }
    node.send(message(FrameKind::Unicast, 5000, "t", "")).await;
    node.expect_answer(5000, ResultCode::SUBSCRIBER_GONE, b"").await;
    held.remove(3).respond("x").unwrap();
    node.expect_answer(3, ResultCode::OK, b"\x02tx").await;
    node.send(message(FrameKind::Unicast, 5001, "t", "")).await;
    next(&mut subscription).await.respond("y").unwrap();
    node.expect_answer(5001, ResultCode::OK, b"\x02ty").await;
}

#[tokio::test(start_paused = true)]
async fn a_multicast_is_not_answered() {
    let (mut subscription, mut node) = subscribed(Client::builder()).await;
    node.send(message(FrameKind::Multicast, 1, "t", "all")).await;
    let delivery = next(&mut subscription).await;
    assert_eq!((&delivery.data[..], delivery.kind), (&b"all"[..], Kind::Multicast));
    assert_eq!(delivery.respond("no"), Err(RespondError::NotUnicast));
    node.send(message(FrameKind::Unicast, 2, "t", "")).await;
    drop(next(&mut subscription).await);
    node.expect_answer(2, ResultCode::OK, b"\x02t").await;
}

#[tokio::test(start_paused = true)]
async fn subscriptions_of_one_topic_take_unicasts_in_turn_and_all_multicasts() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let mut first = subscribe(&client, &mut node, &["t"], &["t"]).await;
    let mut second = subscribe(&client, &mut node, &["t"], &["t"]).await;
    node.send(message(FrameKind::Multicast, 1, "t", "m")).await;
    assert_eq!(next(&mut first).await.data, "m");
    assert_eq!(next(&mut second).await.data, "m");
    for seq in 1..=4 {
        node.send(message(FrameKind::Unicast, seq, "t", "u")).await;
    }
    for subscription in [&mut first, &mut second] {
        for _ in 0..2 {
            assert_eq!(next(subscription).await.data, "u");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn block_notifications_and_unknown_frames() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let news = BlockNotification { group: 1, number: 9 };
    let mut subscription = subscribe(&client, &mut node, &[&news.topic()], &["_block_notify_1"]).await;
    for kind in [0x1002, 0x37, 0x99, 0x14] {
        node.send(Frame::request(FrameKind::from_code(kind), FrameSeq::PUSH, "?".into())).await;
    }
    for kind in [FrameKind::Unicast, FrameKind::Multicast, FrameKind::Answer] {
        node.send(Frame::request(kind, FrameSeq::PUSH, Bytes::new())).await;
    }
    let body = news.encode(ProtocolVersion::V3);
    node.send(Frame::request(FrameKind::BlockNotification, FrameSeq::PUSH, body)).await;
    let delivery = next(&mut subscription).await;
    assert_eq!(
        (delivery.kind, &delivery.data[..]),
        (Kind::BlockNotification, &b"{\"blockNumber\":9,\"groupID\":1}\n"[..])
    );
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_a_stream() {
    let (subscription, mut node) = subscribed(Client::builder()).await;
    for seq in 1..=3 {
        node.send(message(FrameKind::Multicast, seq, "t", "m")).await;
    }
    assert_eq!(soon(subscription.take(3).count()).await, 3);
}
