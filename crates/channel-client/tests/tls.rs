//! The client over real TLS, against a gateway stub that serves one session at a time by itself.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use nuncio_channel_client::{Client, ConnectError, Kind, NodeError, PublishError, Stage};
use nuncio_channel_protocol::{
    AmopBody, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest, ResultCode, Subscription,
    heartbeat,
};
use nuncio_pki::tls::{ChannelPaths, channel_server_config};
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;

/// A gateway's directory and a client's, both RSA or both secp256k1.
struct Directories {
    root: TempDir,
}

impl Directories {
    fn new(authority: &TestAuthority, rsa: bool) -> Self {
        let directories = Self { root: tempfile::tempdir().unwrap() };
        if rsa {
            authority.write_channel_directory(&directories.gateway());
        } else {
            authority.write_node_directory(&directories.gateway(), "node");
        }
        authority.write_sdk_directory(&directories.sdk(), rsa);
        directories
    }

    fn gateway(&self) -> PathBuf {
        self.root.path().join("gateway")
    }

    fn sdk(&self) -> PathBuf {
        self.root.path().join("sdk")
    }

    /// Replaces one file of `sdk`, or all, by those of another directory.
    fn replace_sdk(&self, names: &[&str], other: &Path) {
        for name in names {
            std::fs::copy(other.join(name), self.sdk().join(name)).unwrap();
        }
    }
}

/// Starts a stub with the certificates of `directory`.
async fn gateway(directory: &Path) -> SocketAddr {
    let tls = channel_server_config(&ChannelPaths::in_directory(directory)).unwrap();
    let acceptor = TlsAcceptor::from(tls.handshake(false).unwrap().config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(tcp).await {
                session(Framed::new(stream, FrameCodec::default())).await;
            }
        }
    });
    address
}

/// Serves one client: what it publishes to its own topics is delivered to it.
async fn session<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(mut frames: Framed<S, FrameCodec>) {
    let (mut topics, mut publishers, mut deliveries) = (Vec::new(), HashMap::new(), 0);
    let mut version = None;
    while let Some(Ok(frame)) = frames.next().await {
        let answer = match frame.kind {
            FrameKind::Handshake => {
                let protocol = HandshakeRequest::decode(&frame.body).unwrap().negotiate().unwrap();
                version = Some(protocol);
                let body = HandshakeAnswer { node_version: "2.9.1".into(), protocol, priorities: false }.encode();
                frame.answer(FrameKind::Handshake, ResultCode::OK, body)
            }
            FrameKind::Heartbeat => {
                let body = heartbeat::answer(version.unwrap(), &frame.body).unwrap();
                frame.answer(FrameKind::Heartbeat, ResultCode::OK, body)
            }
            FrameKind::Subscribe => {
                topics = Subscription::decode(&frame.body, 512).unwrap().topics;
                continue;
            }
            FrameKind::Unicast | FrameKind::Multicast => {
                let body = AmopBody::unpack(frame.body.clone()).unwrap();
                let known = topics.iter().any(|topic| topic == body.topic());
                deliveries += 1;
                let delivery = Frame { seq: FrameSeq::from_number(deliveries), ..frame.clone() };
                if frame.kind == FrameKind::Multicast {
                    if known {
                        frames.send(delivery).await.unwrap();
                    }
                    frame.answer(FrameKind::Answer, ResultCode::OK, frame.body.clone())
                } else if known {
                    publishers.insert(delivery.seq, frame);
                    delivery
                } else {
                    frame.answer(FrameKind::Answer, ResultCode::NO_SUBSCRIBER, Bytes::new())
                }
            }
            FrameKind::Answer => match publishers.remove(&frame.seq) {
                Some(publish) => publish.answer(FrameKind::Answer, frame.result, frame.body),
                None => continue,
            },
            other => panic!("the client sent {other}"),
        };
        if frames.send(answer).await.is_err() {
            return;
        }
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), work).await.expect("it happens in time")
}

async fn connect(address: SocketAddr, sdk: &Path) -> Result<Client, ConnectError> {
    soon(Client::builder().node(address.to_string()).certificates(sdk).connect()).await
}

/// Why the only node could not be used, and the whole error.
async fn refusal(address: SocketAddr, sdk: &Path) -> (NodeError, String) {
    let error = connect(address, sdk).await.expect_err("the connection is refused");
    let text = format!("{error}\n{}", error.hint());
    match error {
        ConnectError::NoNodeUsable { mut attempts } => (attempts.remove(0).error, text),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_flow_with_both_kinds_of_certificates() {
    let authority = TestAuthority::new();
    for rsa in [false, true] {
        let directories = Directories::new(&authority, rsa);
        let client = connect(gateway(&directories.gateway()).await, &directories.sdk()).await.unwrap();
        let mut subscription = soon(client.subscribe(["t"])).await.unwrap();

        let long: Bytes = (0..1_000_000_u32).map(|byte| (byte % 251) as u8).collect();
        for data in [Bytes::from_static(b"hello"), Bytes::new(), long] {
            let (answer, ()) = tokio::join!(soon(client.publish("t", data.clone())), async {
                let delivery = soon(subscription.next()).await.unwrap();
                assert_eq!((&delivery.data, delivery.kind), (&data, Kind::Unicast));
                let mut answer = delivery.data.to_vec();
                answer.reverse();
                delivery.respond(answer).unwrap();
            });
            assert_eq!(answer.unwrap(), data.iter().rev().copied().collect::<Bytes>());
        }

        soon(client.broadcast("t", "all")).await.unwrap();
        let delivery = soon(subscription.next()).await.unwrap();
        assert_eq!((&delivery.data[..], delivery.kind), (&b"all"[..], Kind::Multicast));

        let outcome = soon(client.publish("nobody", "x")).await;
        assert_eq!(outcome, Err(PublishError::NoSubscriber { topic: "nobody".into() }));
        soon(client.close()).await;
        assert!(soon(subscription.next()).await.is_none());
    }
}

/// Between client and gateway: every frame of up to 16 KiB is one TLS record, and no record holds two.
#[tokio::test]
async fn one_record_per_frame() {
    let directories = Directories::new(&TestAuthority::new(), false);
    let target = gateway(&directories.gateway()).await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = proxy.local_addr().unwrap();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&sent);
    tokio::spawn(async move {
        let (client, _) = proxy.accept().await.unwrap();
        let (mut client_input, mut client_output) = client.into_split();
        let (mut input, mut output) = TcpStream::connect(target).await.unwrap().into_split();
        tokio::spawn(async move { tokio::io::copy(&mut input, &mut client_output).await });
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = client_input.read(&mut buffer).await {
            tapped.lock().unwrap().extend_from_slice(&buffer[..length]);
            output.write_all(&buffer[..length]).await.unwrap();
        }
    });
    let client = connect(address, &directories.sdk()).await.unwrap();
    let publishes: Vec<_> = (0..40_usize).map(|number| client.publish("nobody", vec![0; number * 400])).collect();
    for outcome in soon(futures::future::join_all(publishes)).await {
        assert!(matches!(outcome, Err(PublishError::NoSubscriber { .. })));
    }
    soon(client.close()).await;

    // TLS 1.2 with AES-GCM or ChaCha20 adds 16 to 24 bytes to a record; the heartbeats' and handshake's frames are short.
    let lengths = data_records(&sent.lock().unwrap());
    for number in 0..40 {
        let frame = 42 + 7 + number * 400;
        let fitting = lengths.iter().filter(|length| (frame + 16..=frame + 24).contains(*length)).count();
        assert_eq!(fitting, 1, "records for the frame of {frame} bytes among {lengths:?}");
    }
}

/// Lengths of the application data records in a TLS 1.2 stream.
fn data_records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == 23 {
            lengths.push(length);
        }
        bytes = &rest[length.min(rest.len())..];
    }
    lengths
}

#[tokio::test]
async fn a_node_of_another_authority_is_refused_here() {
    for rsa in [false, true] {
        let directories = Directories::new(&TestAuthority::new(), rsa);
        let foreign = Directories::new(&TestAuthority::new(), rsa);
        directories.replace_sdk(&["ca.crt"], &foreign.sdk());
        let (error, text) = refusal(gateway(&directories.gateway()).await, &directories.sdk()).await;
        assert!(matches!(error, NodeError::NodeNotTrusted { .. }), "{error:?}");
        assert!(text.contains("this side refused the node's certificate") && text.contains("ca.crt"), "{text}");
    }
}

#[tokio::test]
async fn a_client_of_another_authority_is_refused_there() {
    for rsa in [false, true] {
        let directories = Directories::new(&TestAuthority::new(), rsa);
        let foreign = Directories::new(&TestAuthority::new(), rsa);
        directories.replace_sdk(&["sdk.crt", "sdk.key"], &foreign.sdk());
        let (error, text) = refusal(gateway(&directories.gateway()).await, &directories.sdk()).await;
        // In TLS 1.3 the node judges after the client is done, and hanging up may overtake its alert.
        let late = rsa && matches!(error, NodeError::HungUp { stage: Stage::Channel });
        assert!(late || matches!(error, NodeError::Refused { .. }), "{error:?}");
        assert!(text.contains("sdk.crt") && text.contains("node"), "{text}");
    }
}

#[tokio::test]
async fn an_expired_client_is_told_so() {
    let authority = TestAuthority::new();
    let directories = Directories::new(&authority, false);
    let expired = directories.root.path().join("expired");
    authority.write_expired_sdk_directory(&expired);
    let (error, text) = refusal(gateway(&directories.gateway()).await, &expired).await;
    assert!(matches!(error, NodeError::Refused { .. }), "{error:?}");
    assert!(text.contains("expired"), "{text}");
}

#[tokio::test]
async fn something_else_listens_there() {
    let directories = Directories::new(&TestAuthority::new(), false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = tcp.read(&mut [0; 1024]).await;
    });
    let (error, text) = refusal(address, &directories.sdk()).await;
    assert!(matches!(error, NodeError::Tls { .. } | NodeError::HungUp { .. }), "{error:?}");
    assert!(text.contains("node's log"), "{text}");
}

#[tokio::test]
async fn nothing_listens_there() {
    let directories = Directories::new(&TestAuthority::new(), false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (error, text) = refusal(address, &directories.sdk()).await;
    assert!(matches!(error, NodeError::Unreachable { .. }), "{error:?}");
    assert!(text.contains(&address.to_string()) && text.contains("20200"), "{text}");
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let error = connect("127.0.0.1:1".parse().unwrap(), Path::new("no/such/directory")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Certificates(_)), "{error:?}");
    assert!(error.to_string().contains("no/such/directory"), "{error}");
    assert!(!error.hint().is_empty());
}
