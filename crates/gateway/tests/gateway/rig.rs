//! A gateway, a core in the test's hands, and SDKs that send and read raw frames.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use nuncio_channel_protocol::{AmopBody, Frame, FrameCodec, FrameKind, FrameSeq, ResultCode};
use nuncio_gateway::{Clients, Config, NodeFacts, NodeInfo, Renewal};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_pki::tls::{ChannelPaths, channel_client_config, channel_server_config};
use nuncio_protocol::{
    Account, Priority, Topic,
    amop::{self, ClientId, ClientInput, ClientOutput, ClientPort, DeliveryId, Kind, PublishSeq, TenantId},
};
use nuncio_testkit::TestAuthority;
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpSocket, TcpStream},
    sync::mpsc::{self, error::TryRecvError},
    task::JoinHandle,
    time::{Interval, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::{codec::Decoder as _, sync::CancellationToken};
use tracing::subscriber::DefaultGuard;

/// What every wait ends with: far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) authority: TestAuthority,
    pub(crate) clients: Arc<Clients>,
    pub(crate) inputs: mpsc::Receiver<ClientInput>,
    /// To whom clients belong.
    pub(crate) tenants: BTreeMap<ClientId, TenantId>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) running: JoinHandle<()>,
    pub(crate) renewal: Renewal,
    pub(crate) directory: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::knowing(Arc::new(Facts), configure).await
    }

    /// The same of a node that says this of itself.
    pub(crate) async fn knowing(info: Arc<dyn NodeInfo>, configure: impl FnOnce(&mut Config)) -> Self {
        let authority = TestAuthority::new();
        let directory = tempfile::tempdir().unwrap();
        authority.write_node_directory(&directory.path().join("node"), "node0");
        authority.write_sdk_directory(&directory.path().join("sdk"), false);
        let tls = channel_server_config(&ChannelPaths::in_directory(directory.path().join("node"))).unwrap();
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), tls);
        configure(&mut config);
        let clients = Arc::new(Clients::new());
        let (sender, inputs) = mpsc::channel(1024);
        let bound = nuncio_gateway::bind(config, Arc::clone(&clients), sender, info).await.unwrap();
        let (address, renewal, shutdown) = (bound.local_address(), bound.renewal(), CancellationToken::new());
        let running = tokio::spawn(bound.run(shutdown.clone()));
        Self { address, authority, clients, inputs, tenants: BTreeMap::new(), shutdown, running, renewal, directory }
    }

    /// Issues one more SDK certificate, into the directory of this name.
    pub(crate) fn add_sdk(&self, name: &str) {
        self.authority.write_client_directory(&self.directory.path().join(name), name, false);
    }

    /// Connects an SDK and waits until the core knows it.
    pub(crate) async fn connect(&mut self) -> (Sdk, ClientId) {
        self.connect_as("sdk").await
    }

    /// The same with the certificate of this directory.
    pub(crate) async fn connect_as(&mut self, directory: &str) -> (Sdk, ClientId) {
        let sdk = Sdk::connect(self.address, &self.directory.path().join(directory)).await.unwrap();
        match self.input().await {
            ClientInput::Connected { client, .. } => (sdk, client),
            other => panic!("a client connects, not {other:?}"),
        }
    }

    /// Connects an SDK whose system keeps few bytes for it.
    pub(crate) async fn connect_narrow(&mut self, receive_buffer: u32) -> (Sdk, ClientId) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(receive_buffer).unwrap();
        let socket = socket.connect(self.address).await.unwrap();
        let sdk = Sdk::over(socket, &self.directory.path().join("sdk")).await.unwrap();
        match self.input().await {
            ClientInput::Connected { client, .. } => (sdk, client),
            other => panic!("a client connects, not {other:?}"),
        }
    }

    /// Connects an SDK, or not.
    pub(crate) async fn try_sdk(&self) -> std::io::Result<Sdk> {
        Sdk::connect(self.address, &self.directory.path().join("sdk")).await
    }

    pub(crate) async fn input(&mut self) -> ClientInput {
        let input = timeout(PATIENCE, self.inputs.recv()).await.expect("an input comes").expect("the gateway runs");
        if let ClientInput::Connected { client, tenant: Some(tenant) } = input {
            self.tenants.insert(client, tenant);
        }
        input
    }

    /// Waits for the next publish.
    pub(crate) async fn publish(&mut self) -> (PublishSeq, Kind, Topic, Bytes) {
        match self.input().await {
            ClientInput::Publish { seq, kind, topic, data, .. } => (seq, kind, topic, data),
            other => panic!("a publish, not {other:?}"),
        }
    }

    pub(crate) fn has_no_input(&mut self) -> bool {
        matches!(self.inputs.try_recv(), Err(TryRecvError::Empty))
    }

    pub(crate) fn deliver(
        &self,
        client: ClientId,
        kind: Kind,
        topic: &str,
        data: Bytes,
        number: u64,
    ) -> Result<(), Box<ClientOutput>> {
        self.deliver_of((Account::Own, Priority::Normal), client, kind, (topic, data), number)
    }

    /// The same of a message that is on this account, and so urgent.
    pub(crate) fn deliver_of(
        &self,
        (account, priority): (Account, Priority),
        client: ClientId,
        kind: Kind,
        (topic, data): (&str, Bytes),
        number: u64,
    ) -> Result<(), Box<ClientOutput>> {
        let (delivery, topic) = (DeliveryId(number), Topic::new(topic).unwrap());
        let output = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
        self.clients.handle_output(output).map_err(Box::new)
    }

    pub(crate) fn reply(&self, client: ClientId, seq: PublishSeq, code: i32, topic: &str, data: &'static [u8]) {
        let (code, topic, data) = (amop::ResultCode(code), Topic::new(topic).unwrap(), Bytes::from_static(data));
        self.clients.handle_output(ClientOutput::Reply { client, seq, code, topic, data }).unwrap();
    }

    /// Waits for a session's end.
    pub(crate) async fn disconnected(&mut self) -> ClientId {
        loop {
            if let ClientInput::Disconnected { client } = self.input().await {
                return client;
            }
        }
    }
}

/// An SDK without opinions: it sends and reads frames.
pub(crate) struct Sdk {
    stream: TlsStream<Tap>,
    received: BytesMut,
}

impl Sdk {
    pub(crate) async fn connect(address: SocketAddr, directory: &Path) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, directory).await
    }

    async fn over(socket: TcpStream, directory: &Path) -> std::io::Result<Self> {
        let config = channel_client_config(directory).unwrap();
        let name = ServerName::IpAddress(socket.peer_addr()?.ip().into());
        // What is sent is there at once: "the gateway has not read it" means what it says.
        socket.set_nodelay(true)?;
        let socket = Tap { socket, raw: Arc::default() };
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        Ok(Self { stream, received: BytesMut::new() })
    }

    pub(crate) async fn send(&mut self, frame: &Frame) {
        self.send_bytes(&frame.to_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends a frame to a gateway that may have hung up.
    pub(crate) async fn try_send(&mut self, frame: &Frame) -> std::io::Result<()> {
        self.stream.write_all(&frame.to_bytes()).await?;
        self.stream.flush().await
    }

    /// Sends a frame given as hexadecimal digits and blanks.
    pub(crate) async fn send_hex(&mut self, hex: &str) {
        self.send_bytes(&bytes_of(hex)).await;
    }

    /// The next frame; `None` when the gateway has closed the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let mut codec = FrameCodec::default();
        loop {
            if let Some(frame) = codec.decode(&mut self.received).unwrap() {
                return Some(frame);
            }
            match timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await.expect("a frame or the end comes") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// All that comes until the gateway closes the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the end comes").expect("a clean end");
        rest
    }

    /// The next frame, read in pieces of so many bytes, one at each tick.
    pub(crate) async fn frame_at_pace(&mut self, pace: &mut Interval, piece: usize) -> Option<Frame> {
        let mut codec = FrameCodec::default();
        let mut taken = vec![0; piece];
        loop {
            if let Some(frame) = codec.decode(&mut self.received).unwrap() {
                return Some(frame);
            }
            pace.tick().await;
            match timeout(PATIENCE, self.stream.read(&mut taken)).await.expect("a frame or the end comes") {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.received.extend_from_slice(&taken[..read]),
            }
        }
    }

    pub(crate) async fn expect_frame(&mut self) -> Frame {
        self.frame().await.expect("the connection is open")
    }

    pub(crate) async fn expect_closed(&mut self) {
        assert_eq!(self.frame().await, None);
    }

    /// Proves that the session is alive and that nothing else was on its way: in version 1.
    pub(crate) async fn expect_silence(&mut self) {
        let seq = FrameSeq::from_number(0x5e11);
        self.send(&Frame::request(FrameKind::Heartbeat, seq, Bytes::from_static(b"0"))).await;
        let answer = self.expect_frame().await;
        assert_eq!((answer.kind, answer.seq, &answer.body[..]), (FrameKind::Heartbeat, seq, &b"1"[..]));
    }

    /// All TLS bytes received so far.
    pub(crate) fn raw(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.stream.get_ref().0.raw)
    }

    pub(crate) fn record_overhead(&self) -> usize {
        let suite = self.stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
        if format!("{suite:?}").contains("CHACHA20") { 16 } else { 8 + 16 }
    }
}

/// Keeps what it reads.
pub(crate) struct Tap {
    socket: TcpStream,
    raw: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.raw.lock().unwrap().extend_from_slice(&buf.filled()[before..]);
        poll
    }
}

impl AsyncWrite for Tap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// What this thread's tasks have logged from warnings up, until it is dropped.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::WARN)
            .with_writer(move || writer.clone())
            .finish();
        (log, nuncio_testkit::log::hear(subscriber))
    }

    /// How many lines say this.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.text().lines().filter(|line| line.contains(what)).count()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Facts;

impl NodeInfo for Facts {
    fn own(&self) -> NodeFacts {
        facts(1, "node0", &["prices"])
    }

    fn peers(&self) -> Vec<NodeFacts> {
        vec![facts(2, "node1", &[])]
    }

    fn reachable(&self) -> Vec<NodeFacts> {
        vec![facts(2, "node1", &[]), facts(3, "node2", &[])]
    }
}

pub(crate) fn facts(number: u8, name: &str, topics: &[&str]) -> NodeFacts {
    NodeFacts {
        node_id: node_id(number),
        address: format!("127.0.0.1:3030{number}"),
        agency: "agencyA".into(),
        agency_path: "agencyA".into(),
        name: name.into(),
        topics: topics.iter().map(|topic| (*topic).into()).collect(),
    }
}

/// The node ID of node `number`, one to three.
pub(crate) fn node_id(number: u8) -> NodeId {
    static IDS: OnceLock<[NodeId; 3]> = OnceLock::new();
    IDS.get_or_init(|| [(); 3].map(|()| NodeKey::generate().node_id()))[usize::from(number) - 1]
}

/// Waits until something that is on its way has come true.
pub(crate) async fn eventually(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it comes true");
}

pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    hex::decode(hex.split_whitespace().collect::<String>()).unwrap()
}

pub(crate) fn topics(names: &[&str]) -> BTreeSet<Topic> {
    names.iter().map(|name| Topic::new(name).unwrap()).collect()
}

pub(crate) fn amop_frame(kind: FrameKind, number: u128, topic: &str, data: Bytes) -> Frame {
    Frame::request(kind, FrameSeq::from_number(number), AmopBody::new(topic, data).unwrap().pack())
}

pub(crate) fn seq(number: u128) -> PublishSeq {
    PublishSeq(FrameSeq::from_number(number).into_bytes())
}

pub(crate) fn failure(number: u128, code: i32) -> Frame {
    let seq = FrameSeq::from_number(number);
    Frame { kind: FrameKind::Answer, seq, result: ResultCode(code), body: Bytes::new() }
}
