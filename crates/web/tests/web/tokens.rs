//! Clients without certificates, who show a token.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::SinkExt as _;
use nuncio_gateway::Access;
use nuncio_protocol::amop::ClientInput;
use nuncio_rights::{Fallback, Rights, Rule, Rules, Who};
use nuncio_web::{Holder, Tokens};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{Error, http::StatusCode, protocol::frame::coding::CloseCode};

use crate::rig::{PATIENCE, Rig, frame_head};

/// The tokens that count, and their holders' names.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<BTreeMap<String, String>>);

impl Book {
    pub(crate) fn of_shop() -> Arc<Self> {
        let book = Self::default();
        book.0.lock().unwrap().insert("secret".into(), "shop".into());
        Arc::new(book)
    }
}

impl Tokens for Book {
    fn find(&self, shown: &str) -> Result<Holder, String> {
        let book = self.0.lock().unwrap();
        let name = book.get(shown).cloned().ok_or("the token is not known here")?;
        Ok(Holder { name, hash: [7; 32] })
    }
}

pub(crate) async fn rig(book: &Arc<Book>) -> Rig {
    let tokens = Arc::clone(book);
    Rig::with(|gateway, web| {
        web.tokens = Some(tokens);
        gateway.timeouts.handshake = Duration::from_secs(2);
    })
    .await
}

#[tokio::test]
async fn a_token_in_the_head_or_in_the_first_frame_is_as_good_as_a_certificate() {
    let mut rig = rig(&Book::of_shop()).await;
    let mut program = rig.guest(Some("secret")).await.unwrap();
    program.expect_silence().await;
    rig.input().await;
    let mut page = rig.guest(None).await.unwrap();
    page.say(json!({ "type": "token", "id": 3, "token": "secret" })).await;
    // What follows at once is not lost.
    page.say(json!({ "type": "publish", "id": 4, "topic": "t", "data": "x".repeat(100_000) })).await;
    assert_eq!(page.hear().await["id"], 3);
    rig.input().await;
    assert_eq!(rig.publish().await.3.len(), 100_000);
    page.say(json!({ "type": "token", "id": 5, "token": "secret" })).await;
    assert_eq!(page.hear().await["code"], -1, "once is enough");
    let mut certified = rig.connect().await.0;
    certified.expect_silence().await;
    let mut binary = rig.guest(None).await.unwrap();
    binary.say_binary(b"\0\0\0\0\0\0\0\0\x09secret".to_vec()).await;
    assert_eq!(binary.hear_binary().await, b"\x81\0\0\0\0\0\0\0\x09\0\0\0\0");
}

#[tokio::test]
async fn who_shows_no_token_that_counts_does_not_come_in_and_the_core_hears_nothing() {
    let mut rig = rig(&Book::of_shop()).await;
    match rig.guest(Some("another")).await.map(drop) {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), StatusCode::UNAUTHORIZED),
        other => panic!("{other:?}"),
    }
    for first in [
        json!({ "type": "token", "token": "another" }),
        json!({ "type": "token" }),
        json!({ "type": "ping" }),
        json!({ "type": "publish", "topic": "t", "data": "x" }),
    ] {
        let mut guest = rig.guest(None).await.unwrap();
        guest.say(first.clone()).await;
        let (code, reason) = guest.closed().await;
        assert_eq!(code, CloseCode::Policy, "{first}: {reason}");
    }
    assert!(rig.has_no_input());
    assert_eq!(rig.clients.statistics().connections_refused, 5);
}

#[tokio::test]
async fn a_stranger_s_long_frame_is_not_read_and_one_who_says_nothing_is_cut() {
    let mut rig = rig(&Book::of_shop()).await;
    let mut guest = rig.guest(None).await.unwrap();
    guest.say_raw(&frame_head(0x82, 1 << 20)).await.unwrap();
    guest.gone().await;
    let mut guest = rig.guest(None).await.unwrap();
    let piece = [&frame_head(0x00, 1000)[..], &[b'x'; 1000]].concat();
    let begin = [&frame_head(0x01, 1000)[..], &[b'x'; 1000]].concat();
    // It may be gone before all is said.
    let _ = guest.say_raw(&[begin, piece.repeat(100)].concat()).await;
    guest.gone().await;
    let mut silent = rig.guest(None).await.unwrap();
    silent.gone().await;
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn a_stranger_who_says_nothing_but_pings_goes_after_a_few() {
    let tokens = Book::of_shop();
    let rig = Rig::with(|gateway, web| {
        web.tokens = Some(tokens);
        gateway.timeouts.handshake = 10 * PATIENCE;
    })
    .await;
    let mut page = rig.guest(None).await.unwrap();
    page.say_raw(&b"\x89\x80\0\0\0\0".repeat(10)).await.unwrap();
    page.say(json!({ "type": "token", "id": 3, "token": "secret" })).await;
    assert_eq!(page.hear().await["code"], 0);
    let mut guest = rig.guest(None).await.unwrap();
    guest.say_raw(&b"\x89\x80\0\0\0\0".repeat(30)).await.unwrap();
    let (code, reason) = guest.closed().await;
    assert_eq!(code, CloseCode::Policy, "{reason}");
    // What is longer than a ping may be is not waited for.
    let mut guest = rig.guest(None).await.unwrap();
    guest.say_raw(&frame_head(0x89, 1 << 12)).await.unwrap();
    guest.gone().await;
}

#[tokio::test]
async fn a_token_that_is_taken_back_or_denied_ends_its_sessions() {
    let book = Book::of_shop();
    let mut rig = rig(&book).await;
    let mut web = rig.guest(Some("secret")).await.unwrap();
    web.expect_silence().await;
    book.0.lock().unwrap().clear();
    assert_eq!(web.closed().await.0, CloseCode::Policy);
    rig.disconnected().await;
    book.0.lock().unwrap().insert("secret".into(), "shop".into());
    let mut web = rig.guest(Some("secret")).await.unwrap();
    web.expect_silence().await;
    let deny = [format!("key:{}", "07".repeat(32)).parse().unwrap()].into();
    rig.renewal.set_access(Access { deny, ..Access::default() });
    assert_eq!(web.closed().await.0, CloseCode::Policy);
    match rig.guest(Some("secret")).await.map(drop) {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), StatusCode::FORBIDDEN),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rules_mean_a_token_by_its_name_and_the_node_s_agency() {
    let who = Who { agency: Some("agencyA".into()), name: Some("shop".into()), ..Who::default() };
    let rules = Rules {
        default: Fallback::Deny,
        allow: vec![Rule { who, publish: vec!["orders".parse().unwrap()], ..Rule::default() }],
        ..Rules::default()
    };
    let book = Book::of_shop();
    book.0.lock().unwrap().insert("other secret".into(), "other".into());
    let tokens = Arc::clone(&book);
    let mut rig = Rig::with(|gateway, web| {
        gateway.rights = Arc::new(Rights::new(rules).unwrap());
        gateway.node = Some(nuncio_rights::Party::node("agencyA", "node0", &[1; 64]));
        web.tokens = Some(tokens);
    })
    .await;
    let mut shop = rig.guest(Some("secret")).await.unwrap();
    rig.input().await;
    shop.say(json!({ "type": "publish", "id": 1, "topic": "orders", "data": "x" })).await;
    rig.publish().await;
    let mut other = rig.guest(Some("other secret")).await.unwrap();
    assert_eq!(other.ask(json!({ "type": "publish", "id": 1, "topic": "orders", "data": "x" })).await["code"], -40012);
}

#[tokio::test]
async fn without_tokens_a_certificate_is_a_must_and_without_tls_a_token_is() {
    let rig = Rig::new().await;
    assert!(rig.guest(Some("secret")).await.is_err());
    let book = Book::of_shop();
    let tokens = Arc::clone(&book);
    let mut rig = Rig::with(|gateway, web| {
        web.tls = false;
        web.tokens = Some(tokens);
        gateway.timeouts.handshake = Duration::from_secs(2);
    })
    .await;
    let mut silent = TcpStream::connect(rig.address).await.unwrap();
    let left = timeout(PATIENCE, silent.read(&mut [0; 1])).await.expect("it is cut");
    assert_eq!(left.unwrap_or_default(), 0);
    let mut web = rig.plain("secret").await.unwrap();
    web.send(tokio_tungstenite::tungstenite::Message::text(r#"{"type":"publish","topic":"t"}"#)).await.unwrap();
    rig.input().await;
    rig.publish().await;
    assert!(rig.plain("another").await.is_err());
}

/// Whoever has posted is known, and what he asks for next may be a WebSocket of nobody's.
#[tokio::test]
async fn a_socket_that_nobody_proves_to_be_his_is_closed_in_time_also_where_somebody_has_posted() {
    let mut rig = rig(&Book::of_shop()).await;
    let mut stream = rig.stranger().await;
    let post = "POST /v1/publish/t HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(post.as_bytes()).await.unwrap();
    let ClientInput::Connected { client, .. } = rig.input().await else { panic!("it is a session") };
    let (seq, ..) = rig.publish().await;
    rig.reply(client, seq, 0, b"");
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(rig.disconnected().await, client);
    let upgrade = "GET /v1/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 101 "));
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
    assert!(rig.has_no_input());
}

async fn head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.expect("an answer comes").unwrap());
    }
    String::from_utf8(head).unwrap()
}
