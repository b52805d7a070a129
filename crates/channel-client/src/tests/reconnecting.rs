//! Losing a node, finding the next, and the end.

use tokio::io::AsyncWriteExt;

use super::*;
use crate::{PublishError, RespondError, Status, SubscribeError};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn topics_are_told_to_the_next_node() {
    let net = Net::default();
    let (mut first, mut second) = (net.listen("a:1"), net.listen("b:1"));
    let connecting = net.connect(Client::builder().node("a:1").node("b:1"));
    let (client, mut node) = tokio::join!(connecting, first.accept());
    let (subscription, ()) = tokio::join!(client.subscribe(["t", "u"]), async {
        node.expect_topics(&["t", "u"]).await;
        let beat = node.frames.next().await.unwrap().unwrap();
        node.send(beat.answer(FrameKind::Heartbeat, ResultCode::OK, Bytes::new())).await;
    });
    let mut subscription = subscription.unwrap();
    let mut status = client.status();
    status.mark_unchanged();

    drop(node);
    soon(status.changed()).await.unwrap();
    let lost = status.borrow_and_update().clone();
    assert_eq!(lost, Status::Reconnecting { reason: "a:1: the node hung up".into() });
    let mut node = second.accept().await;
    node.expect_topics(&["t", "u"]).await;
    assert!(matches!(&*status.borrow(), Status::Connected { node, .. } if node == "b:1"));
    node.send(message(FrameKind::Unicast, 1, "u", "still here")).await;
    assert_eq!(soon(subscription.next()).await.unwrap().data, "still here");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_is_found_and_pauses_grow() {
    let (client, node, net) = pair(Client::builder().backoff(seconds(1), seconds(8))).await;
    let begin = Instant::now();
    drop(node);
    net.nodes.lock().unwrap().clear();
    let mut status = client.status();
    // The loss itself, then rounds after at most 1, 2, 4, 8, 8 s and at least half of that.
    for (least, most) in [(0.0, 0.1), (0.5, 1.1), (1.5, 3.1), (3.5, 7.1), (7.5, 15.1), (11.5, 23.1)] {
        soon(status.changed()).await.unwrap();
        let elapsed = begin.elapsed().as_secs_f64();
        assert!((least..=most).contains(&elapsed), "a round after {elapsed} s, not {least} to {most} s");
        assert!(matches!(&*status.borrow_and_update(), Status::Reconnecting { .. }));
    }
    let mut listener = net.listen("a:1");
    let _node = listener.accept().await;
    soon(status.wait_for(Status::is_connected)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_every_ten_seconds() {
    let (_client, mut node, _) = pair(Client::builder()).await;
    let _ = timeout(seconds(65), node.next()).await;
    let beats: Vec<u64> = node.heartbeats.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs()).collect();
    assert_eq!(beats, [10; 6]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_given_up() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let (client, mut node) = tokio::join!(net.connect(Client::builder().node("a:1")), listener.accept());
    node.alive = false;
    let begin = Instant::now();
    node.until_closed().await;
    assert_eq!(begin.elapsed().as_secs(), 30);
    let Status::Reconnecting { reason } = client.status().borrow().clone() else { panic!("still connected") };
    assert_eq!(reason, "a:1: no byte from the node for 30s");
    listener.accept().await;
}

/// A long frame that comes slowly is a sign of life with each of its bytes.
#[tokio::test(start_paused = true)]
async fn a_slow_node_is_not_given_up() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let wire = message(FrameKind::Multicast, 1, "t", "slow").to_bytes();
    for byte in &wire {
        tokio::time::advance(seconds(20)).await;
        node.frames.get_mut().write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(client.status().borrow().is_connected());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_takes_nothing_is_given_up() {
    let (client, node, _) = pair(Client::builder()).await;
    let outcome = client.publish("t", vec![0; 1 << 20]).await;
    assert_eq!(outcome, Err(PublishError::NoAnswer { after: seconds(5) }));
    let mut status = client.status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    drop(node);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_frames_end_the_connection() {
    let (client, mut node, _) = pair(Client::builder()).await;
    node.frames.get_mut().write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let mut status = client.status();
    let lost = soon(status.wait_for(|status| !status.is_connected())).await.unwrap().clone();
    assert!(lost.to_string().contains("over the limit"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_sent_fails_with_the_connection() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (outcome, ()) = tokio::join!(client.publish("t", "x"), async {
        node.expect(FrameKind::Unicast).await;
        drop(node);
    });
    let error = outcome.unwrap_err();
    assert_eq!(error, PublishError::Disconnected { sent: true });
    assert!(error.may_have_arrived());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_next_connection() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let (client, node) = tokio::join!(net.connect(Client::builder().node("a:1")), listener.accept());
    drop(node);
    let mut status = client.status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    let (outcome, _node) = tokio::join!(client.publish("t", "x"), async {
        let mut node = listener.accept().await;
        let frame = node.expect(FrameKind::Unicast).await;
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
        node
    });
    assert_eq!(outcome.unwrap(), "x");
}

/// Writing fails at once when a node hangs up; the answer it sent before is taken all the same.
#[tokio::test(start_paused = true)]
async fn an_answer_before_the_end_counts() {
    let builder = Client::builder().heartbeat(Duration::from_millis(1), seconds(30));
    let (client, mut node, _) = pair(builder).await;
    let (outcome, ()) = tokio::join!(client.publish("t", "x"), async {
        let frame = node.expect(FrameKind::Unicast).await;
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
        drop(node);
    });
    assert_eq!(outcome.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_connection_is_given_up_and_never_sent() {
    let (client, node, net) = pair(Client::builder()).await;
    drop(node);
    net.nodes.lock().unwrap().clear();
    let mut status = client.status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    let error = client.publish("t", "stale").await.unwrap_err();
    assert_eq!(error, PublishError::Disconnected { sent: false });
    assert!(!error.may_have_arrived());

    let mut node = net.listen("a:1").accept().await;
    let (outcome, ()) = tokio::join!(client.publish("t", "fresh"), async {
        let frame = node.expect(FrameKind::Unicast).await;
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
    });
    assert_eq!(outcome.unwrap(), "fresh");
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_a_lost_connection_says_so() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (subscription, ()) = tokio::join!(client.subscribe(["t"]), async {
        node.expect_topics(&["t"]).await;
        let beat = node.frames.next().await.unwrap().unwrap();
        node.send(beat.answer(FrameKind::Heartbeat, ResultCode::OK, Bytes::new())).await;
    });
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    let delivery = soon(subscription.unwrap().next()).await.unwrap();
    drop(node);
    let mut status = client.status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    assert_eq!(delivery.respond("late"), Err(RespondError::Disconnected));
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_was_answered() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (subscription, ()) = tokio::join!(client.subscribe(["t"]), async {
        node.expect_topics(&["t"]).await;
        let beat = node.frames.next().await.unwrap().unwrap();
        node.send(beat.answer(FrameKind::Heartbeat, ResultCode::OK, Bytes::new())).await;
    });
    let mut subscription = subscription.unwrap();
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    soon(subscription.next()).await.unwrap().respond("last word").unwrap();
    soon(client.close()).await;
    node.expect_answer(1, ResultCode::OK, b"\x02tlast word").await;
    assert!(soon(node.next()).await.is_none());

    assert_eq!(*client.status().borrow(), Status::Closed);
    assert!(soon(subscription.next()).await.is_none());
    assert_eq!(client.publish("t", "x").await, Err(PublishError::Closed));
    assert_eq!(client.subscribe(["u"]).await.unwrap_err(), SubscribeError::Closed);
    soon(client.close()).await;
}

#[tokio::test(start_paused = true)]
async fn closing_ends_requests_and_reconnecting() {
    let (client, mut node, net) = pair(Client::builder()).await;
    let (outcome, ()) = tokio::join!(client.publish("t", "x"), async {
        node.expect(FrameKind::Unicast).await;
        client.close().await;
    });
    assert_eq!(outcome, Err(PublishError::Closed));

    let (client, node, _) = pair(Client::builder()).await;
    net.nodes.lock().unwrap().clear();
    drop(node);
    let mut status = client.status();
    soon(status.wait_for(|status| !status.is_connected())).await.unwrap();
    soon(client.close()).await;
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_a_stuck_node() {
    let (client, _node, _) = pair(Client::builder()).await;
    let begin = Instant::now();
    let (outcome, ()) = tokio::join!(client.publish("t", vec![0; 1 << 20]), async {
        tokio::time::advance(seconds(1)).await;
        client.close().await;
    });
    assert_eq!(outcome, Err(PublishError::Closed));
    assert!(begin.elapsed() <= seconds(3), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_connection_closes_with_the_last_handle() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (subscription, ()) = tokio::join!(client.subscribe(["t"]), async {
        node.expect_topics(&["t"]).await;
        let beat = node.frames.next().await.unwrap().unwrap();
        node.send(beat.answer(FrameKind::Heartbeat, ResultCode::OK, Bytes::new())).await;
    });
    let mut subscription = subscription.unwrap();
    drop(client.clone());
    drop(client);
    node.send(message(FrameKind::Unicast, 1, "t", "")).await;
    soon(subscription.next()).await.unwrap().respond("open").unwrap();
    node.expect_answer(1, ResultCode::OK, b"\x02topen").await;
    drop(subscription);
    node.until_closed().await;
}
