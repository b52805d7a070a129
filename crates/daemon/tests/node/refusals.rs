//! Who is refused at which door, and why, stands in one metric.

use std::{collections::BTreeMap, net::SocketAddr};

use nuncio_admin::TokenFile;
use nuncio_audit::Scope;
use nuncio_channel_client::{Client, PublishError};
use nuncio_testkit::TestAuthority;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    enrolment,
    rig::{DEADLINE, Home, Running},
};

const DOORS: &str = r#"
[web]
enabled = true
listen = "127.0.0.1:0"
tls = false
tokens = true
origins = ["https://shop.example"]
[admin]
listen = "127.0.0.1:0"
[issuer]
ca = "agency"
listen = "127.0.0.1:0"
[[rights.deny]]
publish = ["secret"]
subscribe = ["secret"]
[[rights.quota]]
who = { role = "sdk" }
bytes = "1KiB"
"#;

/// What was refused, as `GET /metrics` tells it.
fn told(node: &Running) -> BTreeMap<String, u64> {
    let text = node.node.metrics().encode();
    let rows = text.lines().filter_map(|line| line.strip_prefix("nuncio_refused_total{door=\"")?.split_once("\"} "));
    rows.map(|(labels, count)| (labels.replace("\",cause=\"", " "), count.parse().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// Says something; gives back the first that is answered, nothing when it is closed.
async fn say(to: SocketAddr, words: &str) -> String {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(words.as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    let read = timeout(DEADLINE, socket.read(&mut answer)).await.expect("it says something, or ends").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

fn get(path: &str, fields: &str) -> String {
    let connection = if fields.contains("upgrade:") { "upgrade" } else { "close" };
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n{fields}\r\n")
}

const UPGRADE: &str =
    "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_door_counts_whom_it_refuses_by_the_cause() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", DOORS);
    authority.write_agency_directory(&home.dir.path().join("agency"));
    let [sdk, ended] = ["sdk", "ended"].map(|name| home.dir.path().join(name));
    authority.write_sdk_directory(&sdk, false);
    authority.write_expired_sdk_directory(&ended);
    let bound = home.daemon().build().await.unwrap();
    let [admin, enrolling] = [bound.admin_address().unwrap(), bound.enrolment_address().unwrap()];
    let running = Running::new(bound);
    let tokens = TokenFile::new(home.dir.path().join("data/tokens.toml"));
    let reader = tokens.make("reader", Scope::Read, None).unwrap();
    assert_eq!(told(&running), BTreeMap::new());

    say(running.p2p, "GET / HTTP/1.1\r\n\r\n").await;
    let (gateway, web) = (running.gateway.unwrap(), running.web.unwrap());
    say(gateway, "GET / HTTP/1.1\r\n\r\n").await;
    let client = |directory| Client::builder().node(gateway.to_string()).certificates(directory);
    assert!(client(&ended).connect().await.is_err());
    let shown = format!("{UPGRADE}authorization: Bearer nothing\r\n");
    assert!(say(web, &get("/v1/socket", &shown)).await.starts_with("HTTP/1.1 401 "));
    assert!(say(web, &get("/v1/socket", "origin: https://evil.example\r\n")).await.starts_with("HTTP/1.1 403 "));
    assert!(say(admin, &get("/v1/status", "")).await.starts_with("HTTP/1.1 401 "));
    assert!(say(admin, &get("/v1/status", "sec-fetch-site: cross-site\r\n")).await.starts_with("HTTP/1.1 403 "));
    let post = get("/v1/reload", &format!("authorization: Bearer {reader}\r\ncontent-length: 0\r\n"));
    assert!(say(admin, &post.replacen("GET", "POST", 1)).await.starts_with("HTTP/1.1 403 "));
    enrolment::come_with_a_wrong_secret(&home, &enrolling.to_string()).await;

    let client = client(&sdk).connect().await.unwrap();
    let _listed = client.subscribe(["secret"]).await.unwrap();
    let denied = client.publish("secret", "x").await.unwrap_err();
    assert!(matches!(denied, PublishError::Denied { .. }), "{denied}");
    // The first is on credit.
    let _ = client.publish("open", vec![0; 1 << 20]).await;
    let over = client.publish("open", vec![0; 1 << 20]).await.unwrap_err();
    assert!(matches!(over, PublishError::OverLimit), "{over}");

    let wanted = [
        "admin forbidden",
        "admin origin",
        "admin unauthorized",
        "enrolment unknown",
        "p2p connection",
        "quota publish",
        "rights publish_rule",
        "rights subscribe_rule",
        "sdk expired",
        "sdk not_tls",
        "web no_token",
        "web origin",
    ];
    let read = || told(&running).into_keys().collect::<Vec<_>>();
    let all = async {
        while read() != wanted {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(DEADLINE, all).await.is_ok(), "{:?}", told(&running));
    running.stop().await;
}

/// Nodes do not tell each other what they counted: a certificate has as much again at the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_certificate_has_its_quota_at_each_node_for_itself() {
    let authority = TestAuthority::new();
    let quota = "[[rights.quota]]\nwho = { role = \"sdk\" }\nsessions = 1\n";
    let homes = ["one", "two"].map(|name| Home::new(&authority, name, quota));
    let sdk = homes[0].dir.path().join("sdk");
    authority.write_sdk_directory(&sdk, false);
    let nodes = [homes[0].start().await, homes[1].start().await];
    let connect = async |node: &Running| {
        Client::builder().node(node.gateway.unwrap().to_string()).certificates(&sdk).connect().await
    };
    let mut sessions = Vec::new();
    for node in &nodes {
        sessions.push(connect(node).await.unwrap());
        assert!(connect(node).await.is_err(), "a second one here");
        assert_eq!(told(node), BTreeMap::from([("sdk over_quota".to_owned(), 1)]));
    }
    for session in &sessions {
        let heard = session.publish("nobody listens", "x").await.unwrap_err();
        assert!(matches!(heard, PublishError::NoSubscriber { .. }), "those who are in stay: {heard}");
    }
    for node in nodes {
        node.stop().await;
    }
}
