//! The way to a node that serves, and why it may fail.

use nuncio_channel_protocol::HEADER_LENGTH;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::{ConnectError, Stage, Status};

/// Connects to one node that does what `script` says, and fails.
async fn failing<F: Future<Output = ()>>(script: impl FnOnce(Node) -> F) -> NodeError {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let connecting = Client::builder().node("a:1").connect_with(Box::new(net));
    let (outcome, ()) = tokio::join!(connecting, async { script(listener.accept_raw().await).await });
    match outcome.expect_err("no node serves") {
        ConnectError::NoNodeUsable { mut attempts } => attempts.pop().unwrap().error,
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn handshake_then_heartbeat() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let script = async {
        let mut node = listener.accept_raw().await;
        let frame = node.frames.next().await.unwrap().unwrap();
        let said = r#"{"minimumSupport":1,"maximumSupport":3,"clientType":"tester","priorities":true}"#;
        assert_eq!(frame.body, said);
        let body =
            HandshakeAnswer { node_version: "2.9.1".into(), protocol: ProtocolVersion::V2, priorities: true }.encode();
        node.send(frame.answer(FrameKind::Handshake, ResultCode::OK, body)).await;
        let first = node.frames.next().await.unwrap().unwrap();
        assert_eq!((first.kind, &first.body[..]), (FrameKind::Heartbeat, &br#"{"heartBeat":0}"#[..]));
        node
    };
    let (client, _node) = tokio::join!(net.connect(Client::builder().node("a:1").client_type("tester")), script);
    let status = client.status().borrow().clone();
    let expected = Status::Connected {
        node: "a:1".into(),
        node_version: "2.9.1".into(),
        protocol: ProtocolVersion::V2,
        priorities: true,
    };
    assert_eq!(status, expected);
}

#[tokio::test(start_paused = true)]
async fn version_1_has_its_own_heartbeat() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let connecting = net.connect(Client::builder().node("a:1"));
    let (client, mut node) = tokio::join!(connecting, listener.accept_with(ProtocolVersion::V1));
    // A subscription is confirmed by the answer to a heartbeat, which a version 1 node gives to a body of 0 only.
    let script = async {
        node.expect_topics(&["t"]).await;
        node.next().await
    };
    tokio::select! {
        subscription = soon(client.subscribe(["t"])) => drop(subscription.unwrap()),
        frame = script => panic!("an unexpected frame or end: {frame:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_node_that_serves_is_taken() {
    let net = Net::default();
    let mut listener = net.listen("b:1");
    let connecting = net.connect(Client::builder().node("a:1").node("b:1").node("c:1"));
    let (client, _node) = tokio::join!(connecting, listener.accept());
    assert!(matches!(&*client.status().borrow(), Status::Connected { node, .. } if node == "b:1"));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_named() {
    let builder = Client::builder().node("a:1").node("[::1]:2");
    let error = builder.connect_with(Box::new(Net::default())).await.expect_err("nobody listens");
    let text = error.to_string();
    assert!(text.contains("a:1: cannot connect") && text.contains("[::1]:2: cannot connect"), "{text}");
    assert!(error.hint().contains("channel port (20200"), "{}", error.hint());
}

#[tokio::test(start_paused = true)]
async fn settings_are_checked() {
    let missing = Client::builder().certificates("/").connect_with(Box::new(Net::default())).await;
    assert!(matches!(missing, Err(ConnectError::NoNode)));
    for node in ["a", "a:", ":1", "a:b", "a:70000", "::1:20200", ""] {
        let outcome = Client::builder().node(node).connect_with(Box::new(Net::default())).await;
        assert!(matches!(outcome, Err(ConnectError::Address { .. })), "{node:?}");
    }
    assert!(matches!(Client::builder().node("a:1").connect().await, Err(ConnectError::NoCertificates)));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_up() {
    let error = failing(async |node| drop(node)).await;
    assert!(matches!(error, NodeError::HungUp { stage: Stage::Channel }), "{error:?}");
    assert!(error.hint().contains("sdk.crt"), "{}", error.hint());
}

#[tokio::test(start_paused = true)]
async fn a_node_that_says_nothing() {
    let error = failing(async |mut node| while node.next().await.is_some() {}).await;
    assert!(matches!(error, NodeError::TimedOut { stage: Stage::Channel, .. }), "{error:?}");
    assert_eq!(error.to_string(), "no end of the channel handshake within 10s");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_speaks_something_else() {
    let error = failing(async |mut node| {
        let stream = node.frames.get_mut();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\nand more than a header").await.unwrap();
    })
    .await;
    assert!(matches!(error, NodeError::Frame(_)), "{error:?}");
    let error = failing(async |mut node| node.frames.get_mut().write_all(&[0; HEADER_LENGTH]).await.unwrap()).await;
    assert!(matches!(error, NodeError::Frame(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_node_with_an_unusable_answer() {
    for body in ["{}", "what", r#"{"nodeVersion":"9","protocol":7}"#] {
        let error = failing(async |mut node| {
            let frame = node.frames.next().await.unwrap().unwrap();
            node.send(frame.answer(FrameKind::Handshake, ResultCode::OK, body.into())).await;
        })
        .await;
        assert!(matches!(error, NodeError::Handshake(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_before_the_handshake_answer_are_passed_over() {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let script = async {
        let mut node = listener.accept_raw().await;
        let frame = node.frames.next().await.unwrap().unwrap();
        node.send(message(FrameKind::BlockNotification, 0, "_block_notify_1", "1,1")).await;
        let body =
            HandshakeAnswer { node_version: "2.9.1".into(), protocol: ProtocolVersion::V3, priorities: false }.encode();
        node.send(Frame::request(FrameKind::Handshake, FrameSeq::PUSH, "{}".into())).await;
        node.send(frame.answer(FrameKind::Handshake, ResultCode::OK, body)).await;
        node
    };
    let (client, _node) = tokio::join!(net.connect(Client::builder().node("a:1")), script);
    assert!(client.status().borrow().is_connected());
}
