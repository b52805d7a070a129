//! Web clients at a whole node, with SDKs at another one.

use std::{path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt as _, StreamExt as _};
use nuncio_admin::TokenFile;
use nuncio_audit::Scope;
use nuncio_channel_client::{Client, ResultCode, TopicKey, TopicPublicKey};
use nuncio_pki::tls::channel_client_config;
use nuncio_testkit::TestAuthority;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::rig::{DEADLINE, Home, Running, peers};

const WEB: &str = "[web]\nenabled = true\nlisten = \"127.0.0.1:0\"\n";

type Web = WebSocketStream<TlsStream<TcpStream>>;

async fn tls(node: &Running, sdk: &Path) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(node.web.unwrap()).await.unwrap();
    let connector = TlsConnector::from(Arc::new(channel_client_config(sdk).unwrap()));
    let name = ServerName::IpAddress(socket.peer_addr().unwrap().ip().into());
    connector.connect(name, socket).await.unwrap()
}

async fn web(node: &Running, sdk: &Path) -> Web {
    client_async("wss://node/v1/socket", tls(node, sdk).await).await.unwrap().0
}

/// Posts to a topic as `curl` does, and says the status.
async fn post(node: &Running, sdk: &Path, topic: &str, body: &str) -> String {
    let mut stream = tls(node, sdk).await;
    let length = body.len();
    let fields = format!("host: node\r\nconnection: close\r\ncontent-length: {length}");
    let request = format!("POST /v1/multicast/{topic} HTTP/1.1\r\n{fields}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(DEADLINE, stream.read_exact(&mut status)).await.expect("it is answered").unwrap();
    String::from_utf8_lossy(&status[9..]).into_owned()
}

/// An SDK at one node, and a web client at another.
struct Doors {
    first: Running,
    second: Running,
    client: Client,
    web: Web,
    homes: [Home; 2],
}

async fn doors() -> Doors {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let sdk = one.dir.path().join("sdk");
    authority.write_sdk_directory(&sdk, false);
    let first = one.start().await;
    two.write(&(peers(&[first.p2p]) + WEB));
    let second = two.start().await;
    first.links(1).await;
    let client = Client::builder().node(first.gateway.unwrap().to_string()).certificates(&sdk).connect().await.unwrap();
    let web = web(&second, &sdk).await;
    Doors { first, second, client, web, homes: [one, two] }
}

async fn say(web: &mut Web, frame: Value) {
    web.send(Message::text(frame.to_string())).await.unwrap();
}

async fn hear(web: &mut Web) -> Value {
    loop {
        let next = timeout(DEADLINE, web.next()).await.expect("a message comes").unwrap().unwrap();
        if let Message::Text(text) = next {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// Publishes until the topic has come around.
async fn ask(web: &mut Web, topic: &str) -> Value {
    loop {
        say(web, json!({ "type": "publish", "id": 1, "topic": topic, "data": "from the web" })).await;
        let heard = hear(web).await;
        if heard["code"] != 100 {
            return heard;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sdks_and_web_clients_of_two_nodes_publish_to_each_other() {
    let Doors { first, second, client, mut web, homes: _homes } = doors().await;
    let mut shop = client.subscribe(["shop"]).await.unwrap();
    say(&mut web, json!({ "type": "subscribe", "id": 9, "topics": ["page"] })).await;
    assert_eq!(hear(&mut web).await["code"], 0);

    let answering = tokio::spawn(async move {
        let delivery = shop.next().await.unwrap();
        assert_eq!(delivery.data, "from the web");
        delivery.respond(&b"from an SDK"[..]).unwrap();
        shop
    });
    let answer = ask(&mut web, "shop").await;
    assert_eq!((&answer["code"], &answer["data"]), (&json!(0), &json!("from an SDK")));
    let mut shop = timeout(DEADLINE, answering).await.unwrap().unwrap();

    let asking = tokio::spawn({
        let client = client.clone();
        async move {
            loop {
                match client.publish("page", &b"from an SDK"[..]).await {
                    Err(error) if error.code() == Some(ResultCode::NO_SUBSCRIBER) => {}
                    answer => return answer,
                }
            }
        }
    });
    let request = hear(&mut web).await;
    assert_eq!((&request["topic"], &request["data"]), (&json!("page"), &json!("from an SDK")));
    say(&mut web, json!({ "type": "respond", "id": 2, "request": request["request"], "data": "from the page" })).await;
    assert_eq!(hear(&mut web).await["code"], 0);
    assert_eq!(timeout(DEADLINE, asking).await.unwrap().unwrap().unwrap(), "from the page");

    say(&mut web, json!({ "type": "multicast", "id": 3, "topic": "shop", "data": "to all" })).await;
    assert_eq!(hear(&mut web).await["code"], 0);
    assert_eq!(timeout(DEADLINE, shop.next()).await.unwrap().unwrap().data, "to all");
    client.broadcast("page", &b"to all pages"[..]).await.unwrap();
    assert_eq!(
        hear(&mut web).await,
        json!({ "type": "message", "topic": "page", "encoding": "utf8", "data": "to all pages" })
    );
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_twice_is_heard_twice_whoever_says_it_and_however() {
    let Doors { first, second, client, mut web, homes } = doors().await;
    let sdk = homes[0].dir.path().join("sdk");
    let mut other = self::web(&second, &sdk).await;
    let mut shop = client.subscribe(["shop"]).await.unwrap();
    // Until the second node knows who subscribes.
    let first_heard = async {
        loop {
            assert_eq!(post(&second, &sdk, "shop", "begin").await, "200");
            if let Ok(heard) = timeout(Duration::from_millis(100), shop.next()).await {
                break heard.unwrap().data;
            }
        }
    };
    assert_eq!(timeout(DEADLINE, first_heard).await.expect("it is heard"), "begin");
    let mut heard = async || loop {
        let heard = timeout(DEADLINE, shop.next()).await.expect("it is heard").unwrap().data;
        if heard != "begin" {
            break heard;
        }
    };
    for _ in 0..2 {
        assert_eq!(post(&second, &sdk, "shop", "posted").await, "200");
        assert_eq!(heard().await, "posted");
        for web in [&mut web, &mut other] {
            say(web, json!({ "type": "multicast", "id": 1, "topic": "shop", "data": "said" })).await;
            assert_eq!(hear(web).await["code"], 0);
            assert_eq!(heard().await, "said");
        }
    }
    second.stop().await;
    first.stop().await;
}

/// A web client puts a challenge of its own to the subscriber that it is asked about, and says what it is worth.
async fn judge(web: &mut Web, key: &TopicPublicKey, asked: &Value) -> bool {
    let challenge = "a number that was never used before";
    say(web, json!({ "type": "publish", "id": 5, "topic": asked["channel"], "data": &challenge[..17] })).await;
    let answer = hear(web).await;
    assert_eq!(answer["encoding"], "base64", "{answer}");
    let signature = BASE64.decode(answer["data"].as_str().unwrap()).unwrap();
    let accepted = key.made(&signature, &challenge.as_bytes()[..17]);
    let (question, topic) = (&asked["question"], &asked["topic"]);
    say(web, json!({ "type": "verdict", "id": 6, "question": question, "topic": topic, "accepted": accepted })).await;
    assert_eq!(hear(web).await["code"], 0);
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_client_publishes_to_a_private_topic_once_its_subscriber_has_proved_itself() {
    let Doors { first, second, client, mut web, homes: _homes } = doors().await;
    let key = TopicKey::generate();
    let mut salaries = client.subscribe_private("salaries", key.clone()).await.unwrap();
    let topic = "#!$TopicNeedVerify_salaries";

    say(&mut web, json!({ "type": "publish", "id": 1, "topic": topic, "data": "not yet" })).await;
    assert_eq!(hear(&mut web).await["code"], 100, "nobody has proved anything");
    let publishers = format!("#!$PushChannel_{topic}");
    say(&mut web, json!({ "type": "subscribe", "id": 2, "topics": [publishers] })).await;
    assert_eq!(hear(&mut web).await["code"], 0);
    let asked = hear(&mut web).await;
    assert_eq!((&asked["type"], &asked["topic"]), (&json!("verify"), &json!(topic)));
    assert!(judge(&mut web, &key.public(), &asked).await);
    let heard = tokio::spawn(async move {
        let delivery = salaries.next().await.unwrap();
        let data = delivery.data.clone();
        delivery.respond(&b"thanks"[..]).unwrap();
        data
    });
    let answer = loop {
        say(&mut web, json!({ "type": "publish", "id": 3, "topic": topic, "data": "a raise" })).await;
        let answer = hear(&mut web).await;
        if answer["code"] != 100 {
            break answer;
        }
    };
    assert_eq!((&answer["code"], &answer["data"]), (&json!(0), &json!("thanks")));
    assert_eq!(timeout(DEADLINE, heard).await.unwrap().unwrap(), "a raise");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_client_that_signs_gets_what_an_sdk_publishes_to_a_private_topic() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", WEB);
    let sdk = home.dir.path().join("sdk");
    authority.write_sdk_directory(&sdk, false);
    let node = home.start().await;
    let key = TopicKey::generate();
    let topic = "#!$TopicNeedVerify_salaries";
    let channel = format!("#!$VerifyChannel_{topic}_{}", "0123456789abcdef".repeat(2));
    let mut web = web(&node, &sdk).await;
    say(&mut web, json!({ "type": "subscribe", "id": 1, "topics": [topic, channel] })).await;
    assert_eq!(hear(&mut web).await["code"], 0);
    let client = Client::builder().node(node.gateway.unwrap().to_string()).certificates(&sdk).connect().await.unwrap();
    let publisher = client.private_publisher("salaries", vec![key.public()]).await.unwrap();
    let request = hear(&mut web).await;
    assert_eq!((&request["type"], &request["topic"]), (&json!("request"), &json!(channel)));
    let signature = BASE64.encode(key.sign(request["data"].as_str().unwrap().as_bytes()));
    let request = &request["request"];
    say(&mut web, json!({ "type": "respond", "id": 2, "request": request, "data": signature, "encoding": "base64" }))
        .await;
    assert_eq!(hear(&mut web).await["code"], 0);
    assert!(timeout(DEADLINE, publisher.accepted(1)).await.is_ok());
    publisher.broadcast(&b"a raise"[..]).await.unwrap();
    let message = hear(&mut web).await;
    assert_eq!((&message["topic"], &message["data"]), (&json!(topic), &json!("a raise")));
    node.stop().await;
}

#[tokio::test]
async fn there_is_no_web_door_unless_it_is_switched_on() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", "");
    let running = home.start().await;
    assert_eq!(running.web, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_the_scope_client_counts_at_the_web_door_and_no_other_does() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", &(WEB.to_owned() + "tls = false\ntokens = true\n"));
    let running = home.start().await;
    let tokens = TokenFile::new(home.dir.path().join("data/tokens.toml"));
    let [client, operator] =
        [("shop", Scope::Client), ("ops", Scope::Full)].map(|(name, scope)| tokens.make(name, scope, None).unwrap());
    let connect = async |token: &str| {
        let socket = TcpStream::connect(running.web.unwrap()).await.unwrap();
        let mut request = "ws://node/v1/socket".into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        client_async(request, socket).await.map(|(socket, _)| socket)
    };
    let mut web = connect(&client).await.unwrap();
    web.send(Message::text(r#"{"type":"ping","id":1}"#)).await.unwrap();
    assert!(matches!(timeout(DEADLINE, web.next()).await.unwrap(), Some(Ok(Message::Text(_)))));
    assert!(connect(&operator).await.is_err());
    tokens.revoke("shop").unwrap();
    let closed = async { while !matches!(web.next().await, Some(Ok(Message::Close(_))) | None) {} };
    timeout(DEADLINE, closed).await.expect("it is closed");
    assert!(connect(&client).await.is_err());
    running.stop().await;
}
