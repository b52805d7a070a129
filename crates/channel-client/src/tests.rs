//! The client against scripted nodes in memory, in virtual time.

mod connecting;
mod delivering;
mod files;
mod hub;
mod pool;
mod private;
mod publishing;
mod reconnecting;

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{SinkExt, StreamExt, future::BoxFuture};
use nuncio_channel_protocol::{
    AmopBody, Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest, ProtocolVersion, ResultCode,
    Subscription as TopicList, heartbeat,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::codec::Framed;

use crate::{Builder, Client, NodeError, dial, options::Options};

/// Names of nodes and where their connections come in.
#[derive(Clone, Default)]
struct Net {
    nodes: Arc<Mutex<HashMap<String, mpsc::Sender<DuplexStream>>>>,
    /// Lengths of the client's writes.
    writes: Arc<Mutex<Vec<usize>>>,
    /// How often it flushed them.
    flushes: Arc<AtomicUsize>,
}

/// A listening node; refuses connections once it is dropped.
struct Listener {
    streams: mpsc::Receiver<DuplexStream>,
}

/// A node's end of one connection.
struct Node {
    frames: Framed<DuplexStream, FrameCodec>,
    version: ProtocolVersion,
    /// When the client's heartbeats came.
    heartbeats: Vec<Instant>,
    /// Answers heartbeats.
    alive: bool,
}

impl Net {
    fn listen(&self, node: &str) -> Listener {
        let (sender, streams) = mpsc::channel(8);
        self.nodes.lock().unwrap().insert(node.into(), sender);
        Listener { streams }
    }

    async fn connect(&self, builder: Builder) -> Client {
        builder.connect_with(Box::new(self.clone())).await.expect("the scripted node serves")
    }
}

impl dial::Dial for Net {
    fn dial<'a>(
        &'a self,
        node: &'a str,
        _: Instant,
        _: &'a Options,
    ) -> BoxFuture<'a, Result<Box<dyn dial::Stream>, NodeError>> {
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            let sender = self.nodes.lock().unwrap().get(node).cloned();
            let refused = || NodeError::Unreachable { source: io::ErrorKind::ConnectionRefused.into() };
            sender.ok_or_else(refused)?.send(theirs).await.map_err(|_| refused())?;
            let (writes, flushes) = (Arc::clone(&self.writes), Arc::clone(&self.flushes));
            Ok(Box::new(Recorder { stream: ours, writes, flushes }) as Box<dyn dial::Stream>)
        })
    }
}

impl Listener {
    /// The next connection, before the handshake.
    async fn accept_raw(&mut self) -> Node {
        let stream = soon(self.streams.recv()).await.expect("the net lives");
        let frames = Framed::new(stream, FrameCodec::default());
        Node { frames, version: ProtocolVersion::V3, heartbeats: Vec::new(), alive: true }
    }

    /// The next connection, after a handshake for `version`.
    async fn accept_with(&mut self, version: ProtocolVersion) -> Node {
        self.accept_saying(version, false).await
    }

    /// The same by a node that says whether it knows priorities.
    async fn accept_saying(&mut self, version: ProtocolVersion, priorities: bool) -> Node {
        let mut node = self.accept_raw().await;
        let frame = node.frames.next().await.expect("a frame").expect("well-formed");
        assert_eq!(frame.kind, FrameKind::Handshake);
        let request = HandshakeRequest::decode(&frame.body).unwrap();
        assert_eq!((request.minimum, request.maximum, request.priorities), (1, 3, true));
        node.version = version;
        let body = HandshakeAnswer { node_version: "2.9.1".into(), protocol: version, priorities }.encode();
        node.send(frame.answer(FrameKind::Handshake, ResultCode::OK, body)).await;
        node
    }

    async fn accept(&mut self) -> Node {
        self.accept_with(ProtocolVersion::V3).await
    }
}

impl Node {
    async fn send(&mut self, frame: Frame) {
        self.frames.send(frame).await.expect("the client reads");
    }

    /// The next frame that is no heartbeat; `None` when the client hung up. Answers heartbeats if it is alive.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.frames.next().await?.expect("well-formed");
            if frame.kind != FrameKind::Heartbeat {
                return Some(frame);
            }
            self.heartbeats.push(Instant::now());
            let body = heartbeat::answer(self.version, &frame.body).expect("a heartbeat of the session's version");
            if self.alive {
                // The client may have hung up.
                let _ = self.frames.send(frame.answer(FrameKind::Heartbeat, ResultCode::OK, body)).await;
            }
        }
    }

    async fn expect(&mut self, kind: FrameKind) -> Frame {
        let frame = soon(self.next()).await.expect("the client is there");
        assert_eq!(frame.kind, kind);
        frame
    }

    async fn expect_topics(&mut self, topics: &[&str]) {
        let frame = self.expect(FrameKind::Subscribe).await;
        assert_eq!(TopicList::decode(&frame.body, 512).unwrap().topics, topics);
    }

    async fn expect_answer(&mut self, seq: u128, result: ResultCode, body: &[u8]) {
        let frame = self.expect(FrameKind::Answer).await;
        assert_eq!((frame.seq, frame.result, &frame.body[..]), (FrameSeq::from_number(seq), result, body));
    }

    /// Reads, and answers heartbeats, until the client hangs up.
    async fn until_closed(&mut self) {
        while soon(self.next()).await.is_some() {}
    }
}

/// A stream that notes how much each write took, and each flush.
struct Recorder {
    stream: DuplexStream,
    writes: Arc<Mutex<Vec<usize>>>,
    flushes: Arc<AtomicUsize>,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.lock().unwrap().push(bytes.len());
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A deadline, in virtual time, for what must happen.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(120), work).await.expect("it happens in time")
}

/// A client connected to the node `a:1`.
async fn pair(builder: Builder) -> (Client, Node, Net) {
    let net = Net::default();
    let mut listener = net.listen("a:1");
    let (client, node) = tokio::join!(net.connect(builder.node("a:1")), listener.accept());
    (client, node, net)
}

fn message(kind: FrameKind, seq: u128, topic: &str, data: &'static str) -> Frame {
    Frame::request(kind, FrameSeq::from_number(seq), packed(topic, data))
}

fn packed(topic: &str, data: &'static str) -> Bytes {
    AmopBody::new(topic, Bytes::from_static(data.as_bytes())).unwrap().pack()
}
