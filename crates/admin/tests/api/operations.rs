//! The API over a real unix socket, served from real nodes that are linked over loopback.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use nuncio_admin::{
    Address, Client, ClientError, TokenFile,
    api::{Encoding, ListenOptions, Message, MessageKind, Reply, Rule},
    client::Messages,
    server,
};
use nuncio_audit::Scope;
use nuncio_node::NodeHandle;
use nuncio_testkit::TestAuthority;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::{JoinHandle, JoinSet},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::operator::Notebook;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const MAX_BODY: usize = 10 << 20;

/// One node with its API on a socket and on a loopback port.
pub(crate) struct Served {
    dir: TempDir,
    pub(crate) client: Client,
    pub(crate) over_tcp: Client,
    pub(crate) operator: Arc<Notebook>,
    node: NodeHandle,
    p2p: String,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Served {
    async fn start(authority: &TestAuthority, name: &str, peers: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let policy = Arc::new(ArcSwap::from_pointee(authority.policy()));
        let mut config = nuncio_node::Config::new(Arc::new(authority.node(name)), policy, dir.path().to_owned());
        config.listen = vec!["127.0.0.1:0".into()];
        config.peers = peers.to_vec();
        config.listener_queue = 20 << 20;
        let bound = nuncio_node::build(config).unwrap();
        let node = bound.handle();
        let p2p = bound.listen_addresses()[0].to_string();
        let operator = Arc::new(Notebook::new(node.clone()));
        let config = server::Config {
            socket: Some(dir.path().join("admin.sock")),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            tokens: Some(dir.path().join("tokens.toml")),
            ..server::Config::default()
        };
        let token = TokenFile::new(dir.path().join("tokens.toml")).make("test", Scope::Full, None).unwrap();
        let api = server::bind(config, node.clone(), operator.clone()).await.unwrap();
        let client = Client::new(Address::Unix(dir.path().join("admin.sock")));
        let over_tcp = Client::new(Address::Http(api.local_address().unwrap().to_string())).with_token(token);
        let stop = CancellationToken::new();
        let tasks = vec![tokio::spawn(bound.run(stop.clone())), tokio::spawn(api.run(stop.clone()))];
        Self { dir, client, over_tcp, operator, node, p2p, stop, tasks }
    }

    pub(crate) fn id(&self) -> String {
        self.node.node_id().to_string()
    }

    fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("admin.sock")
    }

    /// How many messages listeners have missed, once that are `fewest` or more.
    async fn missed(&self, fewest: u64) -> u64 {
        let mut snapshots = self.node.snapshots();
        snapshots.wait_for(|snapshot| snapshot.missed >= fewest).await.unwrap().missed
    }

    pub(crate) async fn stop(self) -> TempDir {
        self.stop.cancel();
        for task in self.tasks {
            timeout(DEADLINE, task).await.expect("stops in time").unwrap();
        }
        self.dir
    }

    /// Waits until this node can reach another.
    async fn reaches(&self, other: &Self) {
        let id = other.node.node_id();
        let mut snapshots = self.node.snapshots();
        let reached = snapshots.wait_for(|now| now.node(id).is_some_and(|node| node.reachable && node.seq > 0));
        timeout(DEADLINE, reached).await.expect("a path in time").unwrap();
    }
}

pub(crate) async fn pair() -> (Served, Served) {
    let authority = TestAuthority::new();
    let one = Served::start(&authority, "one", &[]).await;
    let two = Served::start(&authority, "two", std::slice::from_ref(&one.p2p)).await;
    one.reaches(&two).await;
    two.reaches(&one).await;
    (one, two)
}

pub(crate) async fn next(messages: &mut Messages) -> Message {
    timeout(DEADLINE, messages.next()).await.expect("a message in time").expect("the stream goes on").unwrap()
}

pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> &'static str {
    outcome.unwrap_err().code()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_operations_say_what_the_node_knows() {
    let (one, two) = pair().await;
    for client in [&one.client, &one.over_tcp] {
        let status = client.status().await.unwrap();
        assert_eq!((status.node_id.as_str(), status.name.as_str()), (one.id().as_str(), "one"));
        assert_eq!((status.peers, status.nodes, status.ready), (1, 2, true));
        assert_eq!(status.gateway.as_deref(), Some("127.0.0.1:20200"));
        assert!(status.epoch >= 1 && status.certificate_not_after > 1_700_000_000);
    }
    let peers = two.client.peers().await.unwrap();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].node_id, Some(one.id()));
    assert_eq!((peers[0].state.as_str(), peers[0].direction.as_deref()), ("linked", Some("outbound")));
    assert_eq!((peers[0].name.as_deref(), peers[0].configured), (Some("one"), true));
    assert!(peers[0].connected_for_s.is_some());
    let nodes = two.client.nodes().await.unwrap();
    let other = nodes.iter().find(|node| node.node_id == one.id()).unwrap();
    assert_eq!((other.reachable, other.hops), (true, Some(1)));
    assert_eq!(two.client.topics().await.unwrap(), []);
    assert_eq!(two.client.all_topics().await.unwrap(), []);
    assert_eq!(two.client.all_nodes().await.unwrap().len(), nodes.len());
    let denied = two.client.denied_topics().await.unwrap();
    assert_eq!((denied.len(), denied[0].topic.as_deref()), (1, Some("secret")));
    assert_eq!(two.client.info().await.unwrap().node_id, two.id());
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unicasts_are_echoed_answered_and_refused_in_words() {
    let (one, two) = pair().await;
    let whole = Duration::from_secs(5);
    assert_eq!(code(one.client.unicast(&two.id(), Bytes::from("x"), whole).await), "no_handler");

    let echo = ListenOptions { unicast: true, reply: Reply::Echo, ..ListenOptions::default() };
    let mut messages = two.client.listen(&echo).await.unwrap();
    let binary = Bytes::from_static(&[0xff, 0, 0xfe]);
    let reply = one.client.unicast(&two.id()[..6], binary.clone(), whole).await.unwrap();
    assert_eq!((reply.body, reply.hops), (binary, 1));
    assert!(reply.rtt > Duration::ZERO);
    let message = next(&mut messages).await;
    assert_eq!((message.kind, message.from), (MessageKind::Unicast, one.id()));
    assert_eq!((message.data.as_str(), message.encoding), ("/wD+", Encoding::Base64));
    drop(messages);

    let text = ListenOptions { unicast: true, reply: Reply::Text("gruß & dank".into()), ..ListenOptions::default() };
    let mut messages = two.client.listen(&text).await.unwrap();
    // The stream before may not have been given up yet; then it takes its turn with an echo nobody reads.
    let reply = loop {
        let reply = one.over_tcp.unicast(&two.id(), Bytes::from("hello"), whole).await.unwrap();
        if reply.body != "hello" {
            break reply;
        }
    };
    assert_eq!(reply.body, "gruß & dank");
    assert_eq!(next(&mut messages).await.data, "hello");

    assert_eq!(code(one.client.unicast(&"0".repeat(128), Bytes::new(), whole).await), "bad_request");
    assert_eq!(code(one.client.unicast("abc", Bytes::new(), whole).await), "bad_request");
    assert_eq!(code(one.client.unicast("not/a?node", Bytes::new(), whole).await), "bad_request");
    let stranger = nuncio_identity::NodeKey::generate().node_id().to_string();
    assert_eq!(code(one.client.unicast(&stranger[..12], Bytes::new(), whole).await), "not_found");
    assert_eq!(code(one.client.unicast(&stranger, Bytes::new(), whole).await), "no_route");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_later_by_their_name_and_once() {
    let (one, two) = pair().await;
    let whole = Duration::from_secs(20);
    let later = ListenOptions { unicast: true, reply: Reply::Later, ..ListenOptions::default() };
    let mut messages = two.client.listen(&later).await.unwrap();
    let ask = |body: &'static str| {
        let (client, target) = (one.client.clone(), two.id());
        tokio::spawn(async move { client.unicast(&target, Bytes::from(body), whole).await })
    };

    let (first, second) = (ask("1"), ask("2"));
    let (a, b) = (next(&mut messages).await, next(&mut messages).await);
    let (name_a, name_b) = (a.request.unwrap(), b.request.unwrap());
    // In another order than they came, and only once.
    two.client.answer(&name_b, Bytes::from(format!("re {}", b.data))).await.unwrap();
    two.over_tcp.answer(&name_a, Bytes::from(format!("re {}", a.data))).await.unwrap();
    assert_eq!(
        (first.await.unwrap().unwrap().body, second.await.unwrap().unwrap().body),
        ("re 1".into(), "re 2".into())
    );
    let strangers = ["0".repeat(40), "x".into(), format!("{}99", &name_a[..32]), name_a];
    for name in strangers {
        assert_eq!(code(two.client.answer(&name, Bytes::new()).await), "not_found", "{name}");
        assert_eq!(code(two.client.decline(&name).await), "not_found", "{name}");
    }

    let declined = ask("3");
    two.client.decline(&next(&mut messages).await.request.unwrap()).await.unwrap();
    assert!(declined.await.unwrap().is_err());
    let abandoned = ask("4");
    let name = next(&mut messages).await.request.unwrap();
    drop(messages);
    assert!(abandoned.await.unwrap().is_err(), "the listener went without an answer: nobody is told that it has it");
    assert_eq!(code(two.client.answer(&name, Bytes::new()).await), "not_found");
    one.stop().await;
    two.stop().await;
}

/// A listener that answers nothing: so many wait for it and no more, and each that it answers makes room for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_may_wait_for_a_listener_are_refused() {
    const MOST: usize = 256;
    let (one, two) = pair().await;
    let later = ListenOptions { unicast: true, reply: Reply::Later, ..ListenOptions::default() };
    let mut messages = two.client.listen(&later).await.unwrap();
    let target = two.node.node_id();
    let mut asked = JoinSet::new();
    for _ in 0..=MOST {
        let node = one.node.clone();
        asked.spawn(async move { node.request(target, Bytes::new(), Duration::from_secs(20)).await });
    }
    assert!(asked.join_next().await.unwrap().unwrap().is_err(), "the one too many");
    let mut names = Vec::new();
    while names.len() < MOST {
        names.push(next(&mut messages).await.request.unwrap());
    }
    two.client.answer(&names[0], Bytes::new()).await.unwrap();
    asked.join_next().await.unwrap().unwrap().unwrap();
    let node = one.node.clone();
    asked.spawn(async move { node.request(target, Bytes::new(), Duration::from_secs(20)).await });
    names.push(next(&mut messages).await.request.unwrap());
    for name in &names[1..] {
        two.client.answer(name, Bytes::new()).await.unwrap();
    }
    let answers = asked.join_all().await;
    assert_eq!((answers.len(), answers.iter().filter(|answer| answer.is_ok()).count()), (MOST, MOST));
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multicasts_and_broadcasts_arrive_as_lines() {
    let (one, two) = pair().await;
    let options = ListenOptions { topics: vec!["a/b c?".into()], ..ListenOptions::default() };
    let mut messages = two.client.listen(&options).await.unwrap();
    let deadline = Instant::now() + DEADLINE;
    // Gossip links form after the link is up: publish until the first message is through.
    let (published, heard) = loop {
        let published = one.client.multicast("a/b c?", Bytes::from("line\nbreak")).await.unwrap();
        match timeout(Duration::from_millis(300), messages.next()).await {
            Ok(message) => break (published, message.unwrap().unwrap()),
            Err(_) => assert!(Instant::now() < deadline, "no multicast arrived"),
        }
    };
    assert_eq!(published.bytes, 10);
    assert_eq!((heard.kind, heard.from), (MessageKind::Multicast, one.id()));
    assert_eq!((heard.topic.as_deref(), heard.data.as_str()), (Some("a/b c?"), "line\nbreak"));
    assert!(heard.id.is_some());

    let published = one.client.broadcast(Bytes::from("all")).await.unwrap();
    let heard = loop {
        let heard = timeout_at(deadline, messages.next()).await.expect("in time").unwrap().unwrap();
        if heard.kind == MessageKind::Broadcast {
            break heard;
        }
    };
    assert_eq!((heard.data.as_str(), heard.id), ("all", Some(published.id)));
    assert_eq!(code(one.client.multicast("", Bytes::new()).await), "not_found");
    assert_eq!(code(one.client.multicast("a\u{1}b", Bytes::new()).await), "bad_request");
    assert_eq!(code(one.client.multicast(&"t".repeat(255), Bytes::new()).await), "bad_request");
    one.stop().await;
    // Its node is gone and its own API stops: the stream ends, it does not break.
    let ended = async { while messages.next().await.transpose().unwrap().is_some() {} };
    let stopped = tokio::spawn(two.stop());
    timeout(DEADLINE, ended).await.expect("the stream ends");
    stopped.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_reader_misses_what_is_over_its_queue_and_another_hears_everything() {
    const MESSAGES: u64 = 30;
    let (one, two) = pair().await;
    let mut stopped = UnixStream::connect(two.socket()).await.unwrap();
    stopped.write_all(b"POST /v1/listen HTTP/1.1\r\nhost: n\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    stopped.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut healthy = two.client.listen(&ListenOptions::default()).await.unwrap();
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    for number in 0..MESSAGES {
        one.client.broadcast(body.clone()).await.unwrap();
        assert_eq!(next(&mut healthy).await.kind, MessageKind::Broadcast, "message {number}");
    }
    // Of one source half of the queue's room waits in the node, and the line that is being written with the ones behind it.
    let missed = timeout(DEADLINE, two.missed(MESSAGES - 20)).await.expect("it misses some");
    assert!(missed <= MESSAGES - 13, "{missed} missed of {MESSAGES}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_body_goes_through_and_one_byte_more_does_not() {
    let (one, two) = pair().await;
    let echo = ListenOptions { unicast: true, reply: Reply::Text("ok".into()), ..ListenOptions::default() };
    let mut messages = two.client.listen(&echo).await.unwrap();
    let largest = Bytes::from(vec![b'x'; MAX_BODY]);
    let reply = one.client.unicast(&two.id(), largest, Duration::from_secs(20)).await.unwrap();
    assert_eq!(reply.body, "ok");
    assert_eq!(next(&mut messages).await.data.len(), MAX_BODY);

    let over = Bytes::from(vec![0; MAX_BODY + 1]);
    assert_eq!(code(one.client.broadcast(over.clone()).await), "too_large");
    let path = format!("/v1/unicast/{}", two.id());
    for (path, length) in [("/v1/broadcast", MAX_BODY + 1), (&path, MAX_BODY + 1), ("/v1/multicast/t", 1 << 40)] {
        let answer = raw(
            &one.socket(),
            &format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            ),
            &over[..length.min(over.len())],
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
        assert!(answer.contains("\"error\":\"too_large\""), "{answer}");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_go_to_the_operator() {
    let (one, two) = pair().await;
    assert_eq!(one.client.access().await.unwrap(), []);
    let entry = one.client.set_access(&two.id()[..8], Rule::Deny).await.unwrap();
    assert_eq!((entry.node_id, entry.rule), (two.id(), Rule::Deny));
    assert_eq!(one.client.access().await.unwrap().len(), 1);
    one.client.reset_access(&two.id()[..8]).await.unwrap();
    assert_eq!(one.client.access().await.unwrap(), []);

    assert_eq!(one.client.add_peer(" 127.0.0.1:9 ").await.unwrap().address, "127.0.0.1:9");
    assert_eq!(code(one.client.add_peer("nonsense").await), "bad_request");
    assert_eq!(code(one.client.remove_peer(&two.id()[..7]).await), "not_found");
    let asked = one.operator.asked.lock().unwrap().clone();
    assert_eq!(asked, ["add 127.0.0.1:9".to_owned(), "add nonsense".into(), format!("remove {}", two.id())]);

    assert_eq!(one.client.set_log_level("debug").await.unwrap().filter, "debug");
    assert_eq!(one.client.log_level().await.unwrap().filter, "debug");
    assert_eq!(code(one.client.set_log_level("loud").await), "bad_request");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_apart_from_reachability() {
    let one = Served::start(&TestAuthority::new(), "one", &[]).await;
    assert!(one.client.livez().await.unwrap().ok);
    let ready = one.client.readyz().await.unwrap();
    assert!(ready.ok, "{ready:?}");
    let names: Vec<_> = ready.checks.iter().map(|check| check.check.as_str()).collect();
    assert_eq!(names, ["loop", "listening", "peers", "gateway"]);
    one.operator.gateway_is_up.store(false, Ordering::Relaxed);
    assert!(!one.client.readyz().await.unwrap().ok);
    assert!(!one.client.status().await.unwrap().ready);
    let answer = raw(&one.socket(), "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("{\"ok\":false,\"checks\":[]}"), "{answer}");

    let client = one.client.clone();
    let dir = one.stop().await;
    assert!(!dir.path().join("admin.sock").exists());
    let error = client.status().await.unwrap_err();
    assert!(error.is_unreachable() && error.hint().unwrap().contains("nuncio run"), "{error}");
    let nowhere = Client::new(Address::Unix(dir.path().join("x".repeat(120)).join("admin.sock")));
    let error = nowhere.status().await.unwrap_err();
    assert!(error.is_unreachable() && error.hint().unwrap().contains("shorter"), "no node can be there: {error}");
    // Someone who listens and says nothing is not reachable either.
    let mute = tokio::net::UnixListener::bind(dir.path().join("mute.sock")).unwrap();
    let client = Client::new(Address::Unix(dir.path().join("mute.sock"))).with_timeout(Duration::from_millis(50));
    assert_eq!(code(client.status().await), "interrupted");
    drop(mute);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monitoring_reads_numbers_and_a_route_is_told_link_by_link() {
    let (one, two) = pair().await;
    let answer = raw(&one.socket(), "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    for line in [
        "nuncio_links 1",
        "nuncio_nodes_reachable 2",
        "# TYPE nuncio_unicast_ended counter",
        "nuncio_unicast_ended_total{end=\"refused\",cause=\"too_large\"} 0",
        "nuncio_link_refused_total{direction=\"inbound\",cause=\"revoked\"} 0",
        "nuncio_link_up_total 1",
        "nuncio_build_info{version=\"test\",commit=\"unknown\",date=\"unknown\"} 1",
        "nuncio_nodes_by_hops{hops=\"1\"} 1",
        "libp2p_swarm_connections_established_total{role=\"Listener\",protocols=\"/ip4/tcp\"} 1",
        "# EOF",
        "nuncio_certificate_days_left{kind=\"node\"} 300",
        "nuncio_certificate_days_left{kind=\"agency\"} 40",
    ] {
        assert!(answer.lines().any(|found| found == line), "{line} is not in {answer}");
    }
    let warnings = one.client.status().await.unwrap().warnings;
    let agency = "the certificate of the agency CN=a ends in 40 days: nuncio cert renew FILE --ca DIR";
    assert_eq!(warnings, [agency, "as told"]);
    let route = one.client.route(&two.id()[..10]).await.unwrap();
    let path: Vec<_> = route.path.iter().map(|hop| hop.name.as_str()).collect();
    assert_eq!((route.node_id, path), (two.id(), vec!["one", "two"]));
    assert_eq!(code(one.client.route("ffffffffff").await), "not_found");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_operation_is_refused_as_json() {
    let one = Served::start(&TestAuthority::new(), "one", &[]).await;
    for (request, status, error) in [
        ("GET /v1/nothing", 404, "not_found"),
        ("DELETE /v1/status", 405, "method_not_allowed"),
        ("POST /v1/listen?what=1", 400, "bad_request"),
        ("POST /v1/listen?topic=", 400, "bad_request"),
        ("GET /v1/listen?unicast=1", 405, "method_not_allowed"),
        ("GET /v1/nodes?some=1", 400, "bad_request"),
        ("GET /v1/route/%ff", 400, "bad_request"),
        ("POST /v1/peers", 400, "bad_request"),
        ("POST /v1/unicast/abcdef?timeout_ms=soon", 400, "bad_request"),
        ("POST /v1/unicast/abcdef?timeout_ms=0", 400, "bad_request"),
        ("POST /v1/unicast/abcdef?priority=urgent", 400, "bad_request"),
    ] {
        let answer =
            raw(&one.socket(), &format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"), b"").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(&format!("\"error\":\"{error}\"")), "{request}: {answer}");
    }
    let Address::Http(port) = one.over_tcp.address().clone() else { panic!("the TCP client is one") };
    let mut stream = TcpStream::connect(&port).await.unwrap();
    let request = format!(
        "POST /v1/broadcast HTTP/1.1\r\nhost: {port}\r\norigin: http://evil.example\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");

    // An image on a web page: no origin, but fetch metadata.
    let mut stream = TcpStream::connect(&port).await.unwrap();
    let image = format!(
        "GET /v1/status HTTP/1.1\r\nhost: {port}\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(image.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");

    let config = server::Config { listen: Some("0.0.0.0:0".parse().unwrap()), ..server::Config::default() };
    let refused = server::bind(config, one.node.clone(), one.operator.clone()).await.unwrap_err();
    assert!(matches!(refused, server::BindError::NotLoopback { .. }));
    one.stop().await;
}

/// One request written by hand; the answer may come before all of it is taken.
async fn raw(socket: &Path, head: &str, body: &[u8]) -> String {
    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let (head, body) = (head.to_owned(), body.to_vec());
    let writing = tokio::spawn(async move {
        writer.write_all(head.as_bytes()).await.unwrap();
        let _ = writer.write_all(&body).await;
        writer
    });
    let mut answer = Vec::new();
    let _ = timeout(DEADLINE, reader.read_to_end(&mut answer)).await.expect("an answer in time");
    drop(writing.await);
    String::from_utf8_lossy(&answer).into_owned()
}
