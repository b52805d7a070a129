//! What an operator watches: the dashboard's page, its events, and the same by the typed client.

use std::{collections::BTreeSet, io, time::Duration};

use nuncio_admin::{Address, Client, api::Refusals};
use nuncio_audit::Scope;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{
    authority::{DEADLINE, Served},
    operations::pair,
};

/// A request by hand; what is read of it so far.
struct Asked {
    stream: TcpStream,
    text: String,
}

impl Asked {
    async fn get(http: &str, path: &str, token: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(http).await.unwrap();
        let shown = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{shown}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until there is this.
    async fn until(&mut self, what: &str) -> &str {
        let mut buffer = vec![0; 64 << 10];
        while !self.text.contains(what) {
            let read = timeout(DEADLINE, self.stream.read(&mut buffer)).await.expect("in time").unwrap();
            assert!(read > 0, "it ended without {what}: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        &self.text
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_anybodys_and_what_it_shows_is_not() {
    let one = Served::start(|_| {}).await;
    for path in ["/", "/dashboard/main.js", "/dashboard/picture.js", "/dashboard/stream.js", "/dashboard/tables.js"] {
        let mut asked = Asked::get(&one.http, path, None).await;
        let head = asked.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        for header in ["content-security-policy: default-src 'none'; script-src 'self'", "x-frame-options: DENY"] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("charset=utf-8"), "{head}");
    }
    for path in ["/v1/watch", "/dashboard", "/dashboard/other.js", "/dashboard/../v1/status"] {
        let mut asked = Asked::get(&one.http, path, None).await;
        assert!(asked.until("\r\n\r\n").await.starts_with("HTTP/1.1 401"), "{path}");
    }
    let mut stream = TcpStream::connect(&one.http).await.unwrap();
    let elsewhere = "GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    stream.write_all(elsewhere.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "by another name: {answer}");
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_is_told_all_once_and_then_what_changes() {
    let one = Served::start(|_| {}).await;
    let token = one.token(Scope::Read);
    let mut asked = Asked::get(&one.http, "/v1/watch", Some(&token)).await;
    let told = asked.until("event: status").await;
    assert!(told.contains("content-type: text/event-stream"), "{told}");
    for name in ["links", "topology", "topics", "traffic", "refusals", "lifetimes", "status"] {
        assert_eq!(told.matches(&format!("event: {name}\n")).count(), 1, "{name}: {told}");
    }
    // Nobody is answered without a token: that is a refusal, and the dashboard shows it.
    let mut refused = Asked::get(&one.http, "/v1/status", None).await;
    refused.until("401").await;
    let told = asked.until("\"kind\":\"operator_refused\"").await;
    assert_eq!(told.matches("event: topology\n").count(), 1, "what is as it was is not told again");
    assert!(told.matches("event: refusals\n").count() == 2, "{told}");
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_only_look_leaves_half_of_the_places_to_follow_to_others() {
    let one = Served::start(|_| {}).await;
    let (read, full) = (one.token(Scope::Read), one.token(Scope::Full));
    for (path, places) in [("/v1/events", 16), ("/v1/watch", 8)] {
        let mut held = Vec::new();
        for token in [&read, &full] {
            for taken in 0..=places / 2 {
                let mut asked = Asked::get(&one.http, path, Some(token)).await;
                let expected = if taken < places / 2 { "HTTP/1.1 200" } else { "HTTP/1.1 503" };
                assert!(asked.until("\r\n\r\n").await.starts_with(expected), "{path}: {taken}");
                held.push(asked);
            }
        }
    }
    one.stop().await;
}

/// Connects to the socket and says nothing.
async fn silent(one: &Served) -> UnixStream {
    loop {
        match UnixStream::connect(one.socket()).await {
            Ok(stream) => return stream,
            // The system's queue is full for a moment.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_connects_to_the_socket_and_asks_nothing_keeps_no_operator_out() {
    let one = Served::start(|_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..256 {
        idle.push(silent(&one).await);
    }
    let local = Client::new(Address::Unix(one.socket()));
    timeout(DEADLINE, local.status()).await.expect("places come back").unwrap();
    drop(idle);
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_look_over_the_socket_leaves_places_at_once_though_he_asks_nothing() {
    let other = rustix::process::getuid().as_raw() + 1;
    let one = Served::start(|config| config.full_users = vec![other]).await;
    let mut idle = Vec::new();
    for _ in 0..256 {
        idle.push(silent(&one).await);
    }
    let local = Client::new(Address::Unix(one.socket()));
    // Sooner than whoever is silent has to go.
    timeout(Duration::from_secs(8), local.status()).await.expect("there is a place").unwrap();
    drop(idle);
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_watch_and_no_more_and_who_leaves_makes_room() {
    const MOST: usize = 8;
    let one = Served::start(|_| {}).await;
    let token = one.token(Scope::Full);
    let mut watching = Vec::new();
    for _ in 0..MOST {
        let mut asked = Asked::get(&one.http, "/v1/watch", Some(&token)).await;
        asked.until("event: status").await;
        watching.push(asked);
    }
    let mut further = Asked::get(&one.http, "/v1/watch", Some(&token)).await;
    assert!(further.until("\r\n\r\n").await.starts_with("HTTP/1.1 503"));
    watching.pop();
    let room = async {
        loop {
            let mut asked = Asked::get(&one.http, "/v1/watch", Some(&token)).await;
            if asked.until("\r\n\r\n").await.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(DEADLINE, room).await.expect("there is room again");
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_tells_links_traffic_refusals_and_what_ends() {
    let (one, two) = pair().await;
    // Until the record of the other is here that names the link, too.
    let agreed = async {
        loop {
            let topology = two.client.topology().await.unwrap();
            if topology.claims.is_empty() && !topology.links.is_empty() {
                return topology;
            }
        }
    };
    let topology = timeout(DEADLINE, agreed).await.expect("both name the link");
    let nodes: BTreeSet<_> = topology.nodes.iter().map(|node| node.node_id.clone()).collect();
    assert_eq!(nodes, BTreeSet::from([one.id(), two.id()]));
    assert_eq!((topology.links.len(), topology.claims.len()), (1, 0), "{topology:?}");
    let own = topology.nodes.iter().find(|node| node.node_id == two.id()).unwrap();
    assert_eq!((own.hops, own.reachable, own.name.as_str()), (Some(0), true, "two"));

    let traffic = two.client.traffic().await.unwrap();
    let hello = traffic.iter().find(|row| row.kind == "hello" && row.messages_sent > 0);
    assert!(hello.is_some() && traffic.iter().all(|row| row.messages_received + row.messages_sent > 0), "{traffic:?}");
    assert_eq!(two.client.refusals().await.unwrap(), Refusals::default());
    let endings = two.client.lifetimes().await.unwrap();
    let days: Vec<_> = endings.iter().map(|ending| (ending.kind.as_str(), ending.days_left, ending.is_close)).collect();
    assert_eq!(days, [("agency", 40, true), ("node", 300, false), ("agency", 4000, false)], "what ends first");

    let stranger = nuncio_admin::Client::new(two.over_tcp.address().clone());
    stranger.status().await.unwrap_err();
    let refused = async {
        loop {
            let refusals = two.client.refusals().await.unwrap();
            if let Some(last) = refusals.last.into_iter().next() {
                return last;
            }
        }
    };
    let last = timeout(DEADLINE, refused).await.expect("it is kept");
    assert_eq!((last.kind.as_str(), last.who.starts_with("127.0.0.1:")), ("operator_refused", true), "{last:?}");

    let body = bytes::Bytes::from(vec![7; 1000]);
    two.client.unicast(&one.id(), body, std::time::Duration::from_secs(5)).await.unwrap_err();
    let counted = async {
        loop {
            let peers = two.client.peers().await.unwrap();
            if peers.iter().any(|peer| peer.bytes_sent.is_some_and(|bytes| bytes >= 1000)) {
                return;
            }
        }
    };
    timeout(DEADLINE, counted).await.expect("what was sent over the link is counted");
    one.stop().await;
    two.stop().await;
}
