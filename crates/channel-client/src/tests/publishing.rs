//! Requests and their outcomes.

use nuncio_channel_protocol::{MAX_BODY, RECORD_LENGTH};
use serde_json::json;

use super::*;
use crate::{CallError, Priority, PublishError, Status};

/// Publishes `x` to `t` and lets the node answer with a result and a body.
async fn publish(result: i32, body: Bytes) -> Result<Bytes, PublishError> {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (outcome, ()) = tokio::join!(client.publish("t", "x"), async {
        let frame = node.expect(FrameKind::Unicast).await;
        assert_eq!((frame.result, &frame.body[..]), (ResultCode::OK, &b"\x02tx"[..]));
        node.send(frame.answer(FrameKind::Answer, ResultCode(result), body)).await;
    });
    outcome
}

#[tokio::test(start_paused = true)]
async fn answers() {
    assert_eq!(publish(0, packed("t", "yes")).await.unwrap(), "yes");
    assert_eq!(publish(0, packed("t", "")).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn refusals() {
    let topic = || "t".to_owned();
    let cases = [
        (100, PublishError::NoSubscriber { topic: topic() }, false),
        (102, PublishError::Timeout { topic: topic() }, true),
        (103, PublishError::OverLimit, false),
        (104, PublishError::SubscriberGone { topic: topic() }, true),
        (-40012, PublishError::Denied { topic: topic() }, false),
        (-7, PublishError::Refused { code: ResultCode(-7) }, true),
    ];
    for (code, expected, may_have_arrived) in cases {
        for body in [Bytes::new(), packed("t", "x")] {
            let error = publish(code, body).await.unwrap_err();
            assert_eq!(error, expected);
            assert_eq!(error.code(), Some(ResultCode(code)));
            assert_eq!(error.may_have_arrived(), may_have_arrived);
            assert!(!error.hint().is_empty());
        }
    }
    assert!(matches!(publish(0, Bytes::new()).await, Err(PublishError::Unreadable(_))));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_not() {
    let (client, _node, net) = pair(Client::builder()).await;
    let bytes = MAX_BODY + 1;
    assert_eq!(client.publish("t", vec![0; bytes]).await, Err(PublishError::TooLarge { bytes }));
    assert_eq!(client.broadcast("t", vec![0; bytes]).await, Err(PublishError::TooLarge { bytes }));
    assert_eq!(client.publish("", "x").await, Err(PublishError::Topic { bytes: 0 }));
    assert_eq!(client.publish(&"t".repeat(255), "x").await, Err(PublishError::Topic { bytes: 255 }));
    assert!(net.writes.lock().unwrap().iter().all(|length| *length < 200), "only the handshake and heartbeats");
}

#[tokio::test(start_paused = true)]
async fn the_longest_message_passes() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let topic = "t".repeat(254);
    let (outcome, ()) = tokio::join!(client.publish(&topic, vec![7; MAX_BODY]), async {
        let frame = node.expect(FrameKind::Unicast).await;
        assert_eq!(frame.length(), nuncio_channel_protocol::MAX_FRAME);
        let echo = frame.body.clone();
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, echo)).await;
    });
    assert_eq!(outcome.unwrap().len(), MAX_BODY);
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_in_any_order() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let script = async {
        let mut frames = vec![node.expect(FrameKind::Unicast).await, node.expect(FrameKind::Unicast).await];
        frames.push(node.expect(FrameKind::Unicast).await);
        for frame in frames.iter().rev() {
            node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
        }
        assert!(frames.iter().all(|frame| frame.seq.as_bytes().iter().all(u8::is_ascii_hexdigit)));
    };
    let (a, b, c, ()) =
        tokio::join!(client.publish("t", "a"), client.publish("t", "b"), client.publish("t", "c"), script);
    assert_eq!((a.unwrap(), b.unwrap(), c.unwrap()), ("a".into(), "b".into(), "c".into()));
}

#[tokio::test(start_paused = true)]
async fn a_publish_says_its_priority_where_results_stand_to_a_node_that_knows_them_and_to_others_nothing() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    for knows in [true, false] {
        let connecting = net.connect(Client::builder().node("a:1"));
        let (client, mut node) = tokio::join!(connecting, listener.accept_saying(ProtocolVersion::V3, knows));
        assert!(matches!(*client.status().borrow(), Status::Connected { priorities, .. } if priorities == knows));
        for (priority, number) in [None].into_iter().chain(Priority::ALL.map(Some)).zip(0..) {
            let client = priority.map_or_else(|| client.clone(), |priority| client.with_priority(priority));
            let (outcome, frame) = tokio::join!(client.broadcast("t", "x"), async {
                let frame = node.expect(FrameKind::Multicast).await;
                node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
                frame
            });
            let result = ResultCode(if knows { number } else { 0 });
            assert_eq!((outcome, frame.result, &frame.body[..]), (Ok(()), result, &b"\x02tx"[..]));
        }
    }
}

/// A node may hand a client its own message under its own seq: that is no answer.
#[tokio::test(start_paused = true)]
async fn a_message_is_never_taken_for_its_answer() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let (subscription, ()) = tokio::join!(client.subscribe(["t"]), async {
        node.expect_topics(&["t"]).await;
        let beat = node.frames.next().await.unwrap().unwrap();
        node.send(beat.answer(FrameKind::Heartbeat, ResultCode::OK, Bytes::new())).await;
    });
    let mut subscription = subscription.unwrap();
    let (outcome, (), ()) = tokio::join!(
        client.publish("t", "x"),
        async { soon(subscription.next()).await.unwrap().respond("real").unwrap() },
        async {
            let frame = node.expect(FrameKind::Unicast).await;
            node.send(frame.clone()).await;
            let answer = node.expect(FrameKind::Answer).await;
            node.send(frame.answer(FrameKind::Answer, ResultCode::OK, answer.body)).await;
        }
    );
    assert_eq!(outcome.unwrap(), "real");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_answers() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let begin = Instant::now();
    let (outcome, frame) = tokio::join!(client.publish("t", "x"), node.expect(FrameKind::Unicast));
    let after = Duration::from_secs(5);
    assert_eq!(outcome, Err(PublishError::NoAnswer { after }));
    assert_eq!(begin.elapsed().as_secs(), 5);
    // Its answer, too late, hurts nobody.
    node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
    let (outcome, ()) = tokio::join!(client.publish("t", "y"), async {
        let frame = node.expect(FrameKind::Unicast).await;
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())).await;
    });
    assert_eq!(outcome.unwrap(), "y");
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_bounded() {
    let (client, mut node, _) = pair(Client::builder().max_in_flight(1)).await;
    let script = async {
        let first = node.expect(FrameKind::Unicast).await;
        let early = timeout(Duration::from_secs(1), node.next()).await;
        assert!(early.is_err(), "a second request before the first was answered: {early:?}");
        node.send(first.answer(FrameKind::Answer, ResultCode::OK, first.body.clone())).await;
        let second = node.expect(FrameKind::Unicast).await;
        node.send(second.answer(FrameKind::Answer, ResultCode::OK, second.body.clone())).await;
    };
    let (first, second, ()) = tokio::join!(client.publish("t", "1"), client.publish("t", "2"), script);
    assert_eq!((first.unwrap(), second.unwrap()), ("1".into(), "2".into()));
}

#[tokio::test(start_paused = true)]
async fn broadcasts_wait_for_the_echo() {
    let (client, mut node, _) = pair(Client::builder()).await;
    for (result, expected) in [(0, Ok(())), (103, Err(PublishError::OverLimit))] {
        let (outcome, ()) = tokio::join!(client.broadcast("t", "all"), async {
            let frame = node.expect(FrameKind::Multicast).await;
            assert_eq!(frame.body, "\x02tall");
            node.send(frame.answer(FrameKind::Answer, ResultCode(result), frame.body.clone())).await;
        });
        assert_eq!(outcome, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn calls() {
    let (client, mut node, _) = pair(Client::builder()).await;
    let mut outcomes = Vec::new();
    let answers = [
        (0, "{\"id\":1,\"jsonrpc\":\"2.0\",\"result\":{\"Chain Id\":\"1\"}}\n"),
        (0, r#"{"id":1,"error":null,"result":null}"#),
        (0, r#"{"id":1,"error":{"code":-32601,"message":"no such method"}}"#),
        (0, r#"{"id":1}"#),
        (0, "what"),
        (1, ""),
    ];
    for (result, body) in answers {
        let (outcome, ()) = tokio::join!(client.call("getClientVersion", json!([])), async {
            let frame = node.expect(FrameKind::Rpc).await;
            let request: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
            assert_eq!(request, json!({"jsonrpc": "2.0", "id": 1, "method": "getClientVersion", "params": []}));
            node.send(frame.answer(FrameKind::Rpc, ResultCode(result), body.into())).await;
        });
        outcomes.push(outcome);
    }
    assert_eq!(outcomes[0].as_ref().unwrap(), &json!({"Chain Id": "1"}));
    assert_eq!(outcomes[1].as_ref().unwrap(), &json!(null));
    assert!(matches!(&outcomes[2], Err(CallError::Rpc { code: -32601, message, .. }) if message == "no such method"));
    assert!(matches!(&outcomes[3], Err(CallError::Unreadable { source: None, .. })));
    assert!(matches!(&outcomes[4], Err(CallError::Unreadable { source: Some(_), .. })));
    assert!(matches!(&outcomes[5], Err(CallError::Refused { code: ResultCode(1), .. })));
}

/// A frame of up to 16 KiB is one write, so that TLS makes one record of it; a longer one begins with a full record.
#[tokio::test(start_paused = true)]
async fn one_write_per_frame() {
    let (client, mut node, net) =
        pair(Client::builder().heartbeat(Duration::from_secs(60), Duration::from_secs(99))).await;
    net.writes.lock().unwrap().clear();
    let lengths = [0, 1, 100, RECORD_LENGTH - 44, RECORD_LENGTH - 43, 40_000];
    for length in lengths {
        let (outcome, ()) = tokio::join!(client.publish("t", vec![1; length]), async {
            let frame = node.expect(FrameKind::Unicast).await;
            node.send(frame.answer(FrameKind::Answer, ResultCode::OK, packed("t", ""))).await;
        });
        outcome.unwrap();
    }
    let writes: Vec<usize> = net.writes.lock().unwrap().iter().copied().filter(|length| *length != 57).collect();
    assert_eq!(writes, [44, 45, 144, RECORD_LENGTH, RECORD_LENGTH, 1, RECORD_LENGTH, 40_044 - RECORD_LENGTH]);
}

/// The first of several callers that are woken together wakes the connection's task, which runs before the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_callers_ask_for_who_were_answered_together_leaves_together() {
    const CALLERS: usize = 32;
    let (client, mut node, net) = pair(Client::builder()).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { (client.publish("t", "x").await, client.publish("t", "y").await) })
        })
        .collect();
    for _ in 0..CALLERS {
        let frame = node.expect(FrameKind::Unicast).await;
        node.frames.feed(frame.answer(FrameKind::Answer, ResultCode::OK, packed("t", ""))).await.unwrap();
    }
    let before = net.flushes.load(Ordering::Relaxed);
    SinkExt::<Frame>::flush(&mut node.frames).await.unwrap();
    let mut asked = Vec::new();
    for _ in 0..CALLERS {
        asked.push(node.expect(FrameKind::Unicast).await);
    }
    let flushes = net.flushes.load(Ordering::Relaxed) - before;
    assert!(flushes <= CALLERS / 4, "{flushes}");
    for frame in asked {
        node.send(frame.answer(FrameKind::Answer, ResultCode::OK, packed("t", ""))).await;
    }
    for caller in callers {
        assert!(matches!(caller.await, Ok((Ok(_), Ok(_)))));
    }
}
