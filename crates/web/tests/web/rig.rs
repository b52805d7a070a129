//! A gateway with a web door, a core in the test's hands, and web clients.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use nuncio_gateway::{Clients, NodeFacts, NodeInfo, Renewal};
use nuncio_identity::NodeKey;
use nuncio_pki::{
    Certificate,
    tls::{ChannelPaths, channel_client_config, channel_server_config, operator_client_config},
};
use nuncio_protocol::{
    Account, Priority, Topic,
    amop::{self, ClientId, ClientInput, ClientOutput, ClientPort, DeliveryId, Kind, PublishSeq},
};
use nuncio_testkit::TestAuthority;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self, Message,
        client::IntoClientRequest as _,
        http::{HeaderValue, header},
        protocol::frame::coding::CloseCode,
    },
};
use tokio_util::sync::CancellationToken;

/// What every wait ends with: far more than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) authority: TestAuthority,
    pub(crate) clients: Arc<Clients>,
    pub(crate) inputs: mpsc::Receiver<ClientInput>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) renewal: Renewal,
    pub(crate) directory: TempDir,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with(configure: impl FnOnce(&mut nuncio_gateway::Config, &mut nuncio_web::Config)) -> Self {
        let authority = TestAuthority::new();
        let directory = tempfile::tempdir().unwrap();
        authority.write_node_directory(&directory.path().join("node"), "node0");
        authority.write_sdk_directory(&directory.path().join("sdk"), false);
        let tls = channel_server_config(&ChannelPaths::in_directory(directory.path().join("node"))).unwrap();
        let mut gateway = nuncio_gateway::Config::new("127.0.0.1:0".parse().unwrap(), tls);
        let mut web = nuncio_web::Config::new("127.0.0.1:0".parse().unwrap());
        configure(&mut gateway, &mut web);
        let clients = Arc::new(Clients::new());
        let (sender, inputs) = mpsc::channel(1024);
        let gateway = nuncio_gateway::bind(gateway, Arc::clone(&clients), sender, Arc::new(Nothing)).await.unwrap();
        let bound = nuncio_web::bind(web, gateway.entrance()).unwrap();
        let (address, renewal, shutdown) = (bound.local_address(), gateway.renewal(), CancellationToken::new());
        tokio::spawn(bound.run(shutdown.clone()));
        Self { address, authority, clients, inputs, shutdown, renewal, directory }
    }

    /// Connects a client and waits until the core knows it.
    pub(crate) async fn connect(&mut self) -> (Web, ClientId) {
        self.connect_as("sdk").await
    }

    /// The same with the certificate of this directory.
    pub(crate) async fn connect_as(&mut self, directory: &str) -> (Web, ClientId) {
        let web = Web::connect(self.address, &self.directory.path().join(directory), None).await.unwrap();
        match self.input().await {
            ClientInput::Connected { client, .. } => (web, client),
            other => panic!("a client connects, not {other:?}"),
        }
    }

    /// Connects a client whose system keeps few bytes for it.
    pub(crate) async fn connect_narrow(&mut self) -> (Web, ClientId) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 << 10).unwrap();
        let socket = socket.connect(self.address).await.unwrap();
        let web = Web::over(socket, &self.directory.path().join("sdk"), None).await.unwrap();
        match self.input().await {
            ClientInput::Connected { client, .. } => (web, client),
            other => panic!("a client connects, not {other:?}"),
        }
    }

    pub(crate) async fn try_connect(&self, origin: Option<&str>) -> tungstenite::Result<Web> {
        Web::connect(self.address, &self.directory.path().join("sdk"), origin).await
    }

    pub(crate) async fn try_connect_as(&self, directory: &str) -> tungstenite::Result<Web> {
        Web::connect(self.address, &self.directory.path().join(directory), None).await
    }

    /// A connection with the SDK's certificate, on which nothing was said.
    pub(crate) async fn certified(&self) -> TlsStream<TcpStream> {
        self.certified_as("sdk").await
    }

    /// The same with the certificate of this directory.
    pub(crate) async fn certified_as(&self, directory: &str) -> TlsStream<TcpStream> {
        self.tls(channel_client_config(&self.directory.path().join(directory)).unwrap()).await
    }

    /// The same without a certificate.
    pub(crate) async fn stranger(&self) -> TlsStream<TcpStream> {
        let ca = self.authority.root_certificate().clone();
        self.tls(operator_client_config(&self.guests(&ca)).unwrap()).await
    }

    async fn tls(&self, config: ClientConfig) -> TlsStream<TcpStream> {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::IpAddress(socket.peer_addr().unwrap().ip().into());
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap()
    }

    /// Connects somebody without a certificate, who shows this token in his request's head, or none.
    pub(crate) async fn guest(&self, token: Option<&str>) -> tungstenite::Result<Web> {
        let ca = self.authority.root_certificate().clone();
        let config = operator_client_config(&self.guests(&ca)).unwrap();
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(socket.peer_addr()?.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        client_async(request(token)?, stream).await.map(|(socket, _)| Web { socket })
    }

    /// The same without TLS.
    pub(crate) async fn plain(&self, token: &str) -> tungstenite::Result<WebSocketStream<TcpStream>> {
        let socket = TcpStream::connect(self.address).await?;
        client_async(request(Some(token))?, socket).await.map(|(socket, _)| socket)
    }

    /// A directory with `ca.crt` alone.
    fn guests(&self, ca: &Certificate) -> PathBuf {
        let directory = self.directory.path().join("guests");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("ca.crt"), ca.to_pem()).unwrap();
        directory
    }

    pub(crate) async fn input(&mut self) -> ClientInput {
        timeout(PATIENCE, self.inputs.recv()).await.expect("an input comes").expect("the gateway runs")
    }

    pub(crate) fn has_no_input(&mut self) -> bool {
        self.inputs.try_recv().is_err()
    }

    /// Waits for the next publish.
    pub(crate) async fn publish(&mut self) -> (PublishSeq, Kind, Topic, Bytes) {
        match self.input().await {
            ClientInput::Publish { seq, kind, topic, data, .. } => (seq, kind, topic, data),
            other => panic!("a publish, not {other:?}"),
        }
    }

    /// Waits for the next list of topics.
    pub(crate) async fn topics(&mut self) -> BTreeSet<String> {
        match self.input().await {
            ClientInput::Subscribe { topics, .. } => topics.iter().map(ToString::to_string).collect(),
            other => panic!("a subscription, not {other:?}"),
        }
    }

    /// Waits for a session's end.
    pub(crate) async fn disconnected(&mut self) -> ClientId {
        loop {
            if let ClientInput::Disconnected { client } = self.input().await {
                return client;
            }
        }
    }

    pub(crate) fn deliver(&self, client: ClientId, kind: Kind, data: impl Into<Bytes>, number: u64) -> bool {
        let (delivery, topic, data) = (DeliveryId(number), Topic::new("t").unwrap(), data.into());
        let account = Account::Own;
        let priority = Priority::Normal;
        let output = ClientOutput::Deliver { client, account, delivery, kind, priority, topic, data };
        self.clients.handle_output(output).is_ok()
    }

    pub(crate) fn reply(&self, client: ClientId, seq: PublishSeq, code: i32, data: &'static [u8]) {
        let (code, topic, data) = (amop::ResultCode(code), Topic::new("t").unwrap(), Bytes::from_static(data));
        self.clients.handle_output(ClientOutput::Reply { client, seq, code, topic, data }).unwrap();
    }
}

/// A web client without opinions.
pub(crate) struct Web {
    pub(crate) socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Web {
    async fn connect(address: SocketAddr, directory: &Path, origin: Option<&str>) -> tungstenite::Result<Self> {
        Self::over(TcpStream::connect(address).await?, directory, origin).await
    }

    async fn over(socket: TcpStream, directory: &Path, origin: Option<&str>) -> tungstenite::Result<Self> {
        socket.set_nodelay(true)?;
        let config = channel_client_config(directory).unwrap();
        let name = ServerName::IpAddress(socket.peer_addr()?.ip().into());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        let mut request = "wss://127.0.0.1/v1/socket".into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        client_async(request, stream).await.map(|(socket, _)| Self { socket })
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn say_binary(&mut self, frame: Vec<u8>) {
        self.socket.send(Message::binary(frame)).await.unwrap();
    }

    /// Sends bytes that need not be WebSocket frames.
    pub(crate) async fn say_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let stream = self.socket.get_mut();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    /// The next message that is text or binary.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("a message comes");
            match next.expect("it is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                other => return other,
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("text, not {other:?}"),
        }
    }

    pub(crate) async fn hear_binary(&mut self) -> Vec<u8> {
        match self.message().await {
            Message::Binary(frame) => frame.to_vec(),
            other => panic!("binary, not {other:?}"),
        }
    }

    /// Says something and hears what came of it.
    pub(crate) async fn ask(&mut self, frame: Value) -> Value {
        self.say(frame).await;
        self.hear().await
    }

    /// Proves that the session is alive and that nothing else was on its way.
    pub(crate) async fn expect_silence(&mut self) {
        let heard = self.ask(json!({ "type": "ping", "id": 404 })).await;
        assert_eq!((&heard["id"], &heard["code"]), (&json!(404), &json!(0)), "{heard}");
    }

    /// Waits until the door has closed, whatever it says.
    pub(crate) async fn gone(&mut self) {
        let end = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(PATIENCE, end).await.expect("the door closes");
    }

    /// Why the door closes.
    pub(crate) async fn closed(&mut self) -> (CloseCode, String) {
        match self.message().await {
            Message::Close(Some(frame)) => (frame.code, frame.reason.to_string()),
            other => panic!("a close with its reason, not {other:?}"),
        }
    }
}

fn request(token: Option<&str>) -> tungstenite::Result<tungstenite::handshake::client::Request> {
    let mut request = "wss://127.0.0.1/v1/socket".into_client_request()?;
    if let Some(token) = token {
        let shown = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, shown);
    }
    Ok(request)
}

/// A WebSocket frame's first bytes, masked with zeros.
pub(crate) fn frame_head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first, 0x80 | 127];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    head
}

struct Nothing;

impl NodeInfo for Nothing {
    fn own(&self) -> NodeFacts {
        NodeFacts {
            node_id: NodeKey::generate().node_id(),
            address: String::new(),
            agency: String::new(),
            agency_path: String::new(),
            name: String::new(),
            topics: Vec::new(),
        }
    }

    fn peers(&self) -> Vec<NodeFacts> {
        Vec::new()
    }

    fn reachable(&self) -> Vec<NodeFacts> {
        Vec::new()
    }
}
