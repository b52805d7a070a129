//! What is published by plain HTTP requests.

use std::{collections::BTreeSet, str::FromStr, sync::Arc, time::Duration};

use nuncio_audit::{Audit, Event};
use nuncio_gateway::{Access, ClientName, Priorities};
use nuncio_pki::authority::{Kind as Certified, Validity};
use nuncio_protocol::{
    Priority,
    amop::{ClientInput, Kind},
};
use nuncio_rights::{Rights, Rule, Rules};
use rustls_pki_types::UnixTime;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use crate::{
    rig::{PATIENCE, Rig},
    tokens::Book,
};

struct Http {
    stream: TlsStream<TcpStream>,
}

struct Answer {
    status: u16,
    code: Option<i32>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Http {
    async fn say(&mut self, path: &str, fields: &str, body: &[u8]) {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: node\r\n{fields}content-length: {length}\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
        self.stream.write_all(body).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    async fn hear(&mut self) -> Answer {
        self.try_hear().await.expect("it is open")
    }

    /// The next answer; `None` when the door has closed before it.
    async fn try_hear(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, self.stream.read_u8()).await.expect("an answer comes").ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let mut body = vec![0; field("content-length:").unwrap().parse().unwrap()];
        timeout(PATIENCE, self.stream.read_exact(&mut body)).await.expect("its body comes").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, code: field("nuncio-code:").map(|code| code.parse().unwrap()), body })
    }

    async fn post(&mut self, path: &str, body: &[u8]) -> Answer {
        self.say(path, "", body).await;
        self.hear().await
    }
}

/// One post of nothing, which is answered.
async fn publish_answered(rig: &mut Rig, http: &mut Http) {
    http.say("/v1/publish/t", "", b"").await;
    let ClientInput::Connected { client, .. } = connected(rig).await else { unreachable!() };
    let (seq, ..) = rig.publish().await;
    rig.reply(client, seq, 0, b"");
    assert_eq!(http.hear().await.status, 200);
    rig.disconnected().await;
}

async fn connected(rig: &mut Rig) -> ClientInput {
    let input = rig.input().await;
    assert!(matches!(input, ClientInput::Connected { .. }), "{input:?}");
    input
}

#[tokio::test]
async fn a_publish_comes_back_with_its_answer_and_each_request_is_a_session_of_its_own() {
    let mut rig = Rig::new().await;
    let mut http = Http { stream: rig.certified().await };
    for (code, status, said) in [(0, 200, &b"\0answer"[..]), (7, 422, b"not here")] {
        http.say("/v1/publish/a%2Fb", "", b"\xffpayload").await;
        let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
        let (seq, kind, topic, data) = rig.publish().await;
        assert_eq!((kind, topic.as_str(), &data[..]), (Kind::Unicast, "a/b", &b"\xffpayload"[..]));
        rig.reply(client, seq, code, said);
        let answer = http.hear().await;
        assert_eq!((answer.status, answer.code, &answer.body[..]), (status, Some(code), said));
        assert_eq!(rig.disconnected().await, client);
    }
    for (code, status, word) in
        [(100, 404, "no_subscriber"), (102, 504, "timeout"), (104, 502, "subscriber_gone"), (-40012, 403, "denied")]
    {
        http.say("/v1/publish/t", "", b"x").await;
        let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
        let (seq, ..) = rig.publish().await;
        rig.reply(client, seq, code, b"");
        let answer = http.hear().await;
        assert_eq!((answer.status, answer.code, &answer.json()["error"]), (status, Some(code), &word.into()));
        rig.disconnected().await;
    }
    http.say("/v1/multicast/t", "", &vec![b'x'; 100_000]).await;
    let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
    let (seq, kind, _, data) = rig.publish().await;
    assert_eq!((kind, data.len()), (Kind::Multicast, 100_000));
    rig.reply(client, seq, 0, b"its own payload");
    let answer = http.hear().await;
    assert_eq!((answer.status, &answer.json()["word"]), (200, &"ok".into()));
    rig.disconnected().await;
    assert_eq!(rig.clients.statistics().sessions, 0);
}

#[tokio::test]
async fn what_is_posted_twice_is_two_messages() {
    let mut rig = Rig::new().await;
    let mut http = Http { stream: rig.certified().await };
    let mut seqs = BTreeSet::new();
    for _ in 0..2 {
        http.say("/v1/multicast/t", "", b"the same").await;
        let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
        let (seq, ..) = rig.publish().await;
        seqs.insert(seq);
        rig.reply(client, seq, 0, b"");
        assert_eq!(http.hear().await.status, 200);
        rig.disconnected().await;
    }
    assert_eq!(seqs.len(), 2, "the core delivers what has one seq and says the same once");
}

#[tokio::test]
async fn who_hangs_up_leaves_no_session_behind_and_what_cannot_be_opens_none() {
    let mut rig = Rig::new().await;
    let mut http = Http { stream: rig.certified().await };
    for (path, status) in [("/v1/publish/", 400), ("/v1/publish/%ff", 400), ("/v1/elsewhere", 404)] {
        assert_eq!(http.post(path, b"").await.status, status, "{path}");
    }
    assert!(rig.has_no_input());
    let mut impatient = Http { stream: rig.certified().await };
    impatient.say("/v1/publish/t", "", b"x").await;
    let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
    rig.publish().await;
    drop(impatient);
    assert_eq!(rig.disconnected().await, client);
    // Half a payload, and no more.
    let mut half = Http { stream: rig.certified().await };
    half.stream
        .write_all(b"POST /v1/publish/t HTTP/1.1\r\nhost: node\r\ncontent-length: 100000\r\n\r\nhalf")
        .await
        .unwrap();
    let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
    drop(half);
    assert_eq!(rig.disconnected().await, client);
}

#[tokio::test]
async fn a_payload_that_does_not_come_on_is_given_up() {
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.idle = Duration::from_millis(50)).await;
    let mut http = Http { stream: rig.certified().await };
    http.stream.write_all(b"POST /v1/publish/t HTTP/1.1\r\nhost: node\r\ncontent-length: 5\r\n\r\nhal").await.unwrap();
    connected(&mut rig).await;
    assert_eq!(http.hear().await.status, 408);
    rig.disconnected().await;
}

#[tokio::test]
async fn a_long_payload_of_which_nothing_comes_is_given_up_though_nobody_waits_for_its_room() {
    let mut rig = Rig::with(|gateway, _| {
        gateway.timeouts.idle = Duration::from_millis(300);
        gateway.timeouts.intake = Duration::from_millis(50);
    })
    .await;
    let mut http = Http { stream: rig.certified().await };
    let head = b"POST /v1/publish/t HTTP/1.1\r\nhost: node\r\ncontent-length: 17000\r\n\r\nhal";
    http.stream.write_all(head).await.unwrap();
    connected(&mut rig).await;
    assert_eq!(http.hear().await.status, 408);
    rig.disconnected().await;
    // While some of it comes, it is waited for, however long that takes in all.
    let mut http = Http { stream: rig.certified().await };
    http.stream.write_all(head).await.unwrap();
    connected(&mut rig).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        http.stream.write_all(b"f").await.unwrap();
    }
    http.stream.write_all(&vec![b'.'; 17_000 - 11]).await.unwrap();
    assert_eq!(rig.publish().await.3.len(), 17_000);
}

/// Posts to a topic until the door has closed; says how often it was answered so.
async fn posted_until_closed(http: &mut Http, path: &str, status: u16, pause: Duration) -> usize {
    let head = format!("POST {path} HTTP/1.1\r\nhost: node\r\ncontent-length: 0\r\n\r\n");
    let all = async {
        let mut answered = 0;
        loop {
            if http.stream.write_all(head.as_bytes()).await.is_err() {
                return answered;
            }
            match http.try_hear().await {
                Some(answer) => assert_eq!(answer.status, status),
                None => return answered,
            }
            answered += 1;
            tokio::time::sleep(pause).await;
        }
    };
    timeout(PATIENCE, all).await.expect("it is closed")
}

#[tokio::test]
async fn who_is_denied_meanwhile_publishes_nothing_more_and_his_connection_ends() {
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.handshake = Duration::from_secs(2)).await;
    let mut http = Http { stream: rig.certified().await };
    publish_answered(&mut rig, &mut http).await;
    let allow = [ClientName::from_str(&"00".repeat(32)).unwrap()].into();
    rig.renewal.set_access(Access { allow, ..Access::default() });
    for _ in 0..20 {
        assert_eq!(http.post("/v1/publish/t", b"").await.status, 403);
    }
    posted_until_closed(&mut http, "/v1/publish/t", 403, Duration::from_millis(50)).await;
    assert!(rig.has_no_input(), "the core hears nothing of him");
    assert_eq!(rig.clients.statistics().sessions, 0);
}

#[tokio::test]
async fn who_is_denied_while_he_publishes_is_told_and_his_payload_reaches_nobody() {
    let mut rig = Rig::new().await;
    let mut http = Http { stream: rig.certified().await };
    http.stream.write_all(b"POST /v1/publish/t HTTP/1.1\r\nhost: node\r\ncontent-length: 2\r\n\r\nh").await.unwrap();
    connected(&mut rig).await;
    let allow = [ClientName::from_str(&"00".repeat(32)).unwrap()].into();
    rig.renewal.set_access(Access { allow, ..Access::default() });
    let _ = http.stream.write_all(b"a").await;
    assert_eq!(http.hear().await.status, 403);
    assert!(matches!(rig.input().await, ClientInput::Disconnected { .. }));
}

#[tokio::test]
async fn when_a_certificate_ends_so_does_what_is_posted_with_it() {
    let mut rig =
        Rig::with(|gateway, _| (gateway.timeouts.handshake, gateway.same_agency) = (2 * PATIENCE, false)).await;
    let agency = rig.authority.root().agency("agencyB", Validity::days(10)).unwrap();
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs() + seconds));
    let validity = Validity { not_before: at(0), not_after: at(5) };
    let issued = agency.issue(Certified::Sdk, "sdk", validity).unwrap();
    issued.write(&rig.directory.path().join("short"), Certified::Sdk).unwrap();
    let [mut waiting, mut later] =
        [rig.certified_as("short").await, rig.certified_as("short").await].map(|stream| Http { stream });
    waiting
        .stream
        .write_all(b"POST /v1/publish/t HTTP/1.1\r\nhost: node\r\ncontent-length: 5\r\n\r\nhal")
        .await
        .unwrap();
    connected(&mut rig).await;
    let answer = waiting.hear().await;
    assert_eq!((answer.status, &answer.json()["message"]), (403, &"its certificate has expired".into()));
    rig.disconnected().await;
    assert_eq!(later.post("/v1/publish/t", b"").await.status, 403, "the connection was made in time");
    // In the certificate's last second he may be there for a moment.
    let is_publish = |input: &ClientInput| matches!(input, ClientInput::Publish { .. });
    assert!(!std::iter::from_fn(|| rig.inputs.try_recv().ok()).any(|input| is_publish(&input)));
}

#[tokio::test]
async fn who_asks_for_nothing_that_there_is_keeps_no_seat_and_who_publishes_does() {
    let limit = Duration::from_millis(500);
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.handshake = limit).await;
    let mut http = Http { stream: rig.certified().await };
    let answered = posted_until_closed(&mut http, "/v1/elsewhere", 404, Duration::from_millis(5)).await;
    assert!(answered > 2, "{answered} answers");
    let mut http = Http { stream: rig.certified().await };
    for _ in 0..6 {
        http.say("/v1/publish/t", "", b"x").await;
        let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
        let (seq, ..) = rig.publish().await;
        // An answer may take longer than a handshake.
        tokio::time::sleep(limit / 3).await;
        rig.reply(client, seq, 0, b"");
        assert_eq!(http.hear().await.status, 200);
        rig.disconnected().await;
    }
}

#[tokio::test]
async fn who_posts_again_and_again_is_told_of_once_and_leaves_the_audit_log_to_others() {
    const POSTS: usize = 300;
    let audit = Audit::default();
    let mut events = audit.follow();
    let mut rig = Rig::with(|gateway, _| gateway.audit = audit).await;
    for _ in 0..2 {
        let mut http = Http { stream: rig.certified().await };
        for _ in 0..POSTS / 2 {
            publish_answered(&mut rig, &mut http).await;
        }
    }
    let (_web, client) = rig.connect().await;
    let admitted: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|told| match &told.event {
            Event::SdkAdmitted { client, .. } => Some(*client),
            _ => None,
        })
        .collect();
    assert_eq!(admitted.len(), 2, "the first that was posted, and the session: {admitted:?}");
    assert_eq!(admitted[1], client.0);
}

#[tokio::test]
async fn who_came_when_the_audit_log_took_no_more_is_told_of_when_he_comes_again() {
    let audit = Audit::default();
    let others = |client| Event::SdkAdmitted { address: "".into(), client, subject: "other".into(), serial: "".into() };
    while audit.try_record(others(0)) {}
    let mut events = audit.follow();
    let mut rig = Rig::with(|gateway, _| gateway.audit = audit).await;
    let mut http = Http { stream: rig.certified().await };
    let is_told = async {
        loop {
            publish_answered(&mut rig, &mut http).await;
            if let Ok(told) = events.try_recv() {
                break told;
            }
        }
    };
    let told = timeout(PATIENCE, is_told).await.expect("not only when the pause between two tellings is over");
    assert!(matches!(&told.event, Event::SdkAdmitted { subject, .. } if subject.to_string() != "other"));
}

#[tokio::test]
async fn rights_are_those_of_the_frames_and_the_denied_publish_reaches_nobody() {
    let audit = Audit::default();
    let mut events = audit.follow();
    let deny = vec![Rule { publish: vec!["secret".parse().unwrap()], ..Rule::default() }];
    let rights = Rights::new(Rules { deny, ..Rules::default() }).unwrap();
    let mut rig = Rig::with(|gateway, _| (gateway.rights, gateway.audit) = (Arc::new(rights), audit)).await;
    let mut http = Http { stream: rig.certified().await };
    let denied = http.post("/v1/publish/secret", b"x").await;
    assert_eq!((denied.status, denied.code), (403, Some(-40012)));
    connected(&mut rig).await;
    rig.disconnected().await;
    let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|told| told.event.kind().as_str()).collect();
    assert_eq!(kinds, ["sdk_admitted", "publish_denied"]);
}

#[tokio::test]
async fn a_posted_publish_is_as_urgent_as_it_is_named_within_what_the_operator_says_of_the_topic() {
    let said = Priorities::new([("alarms*".parse().unwrap(), Priority::High)]).unwrap();
    let mut rig = Rig::with(|gateway, _| gateway.priorities = said).await;
    let mut http = Http { stream: rig.certified().await };
    for (path, expected) in [
        ("/v1/publish/t", Priority::Normal),
        ("/v1/publish/t?priority=control", Priority::Control),
        ("/v1/multicast/t?priority=bulk", Priority::Bulk),
        ("/v1/multicast/alarms", Priority::High),
        ("/v1/multicast/alarms?priority=control", Priority::High),
    ] {
        http.say(path, "", b"x").await;
        let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
        let ClientInput::Publish { seq, priority, .. } = rig.input().await else { panic!("a publish") };
        assert_eq!(priority, expected, "{path}");
        rig.reply(client, seq, 0, b"");
        assert_eq!(http.hear().await.status, 200);
        rig.disconnected().await;
    }
    let refused = http.post("/v1/publish/t?priority=now", b"x").await;
    assert_eq!(
        (refused.status, &refused.json()["message"]),
        (400, &"a priority is control, high, normal or bulk".into())
    );
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn a_token_in_the_head_counts_and_without_one_nobody_publishes() {
    let mut rig = crate::tokens::rig(&Book::of_shop()).await;
    // What a stranger posts is not read, so each refusal ends its connection.
    let mut http = Http { stream: rig.stranger().await };
    assert_eq!(http.post("/v1/publish/t", b"x").await.status, 401);
    let mut http = Http { stream: rig.stranger().await };
    http.say("/v1/publish/t", "authorization: Bearer another\r\n", b"x").await;
    assert_eq!(http.hear().await.status, 401);
    assert!(rig.has_no_input());
    let mut http = Http { stream: rig.stranger().await };
    http.say("/v1/publish/t", "authorization: Bearer secret\r\n", b"x").await;
    let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
    let (seq, ..) = rig.publish().await;
    rig.reply(client, seq, 0, b"yes");
    assert_eq!(http.hear().await.body, b"yes");
    rig.disconnected().await;
    let page = "origin: https://evil.example\r\nauthorization: Bearer secret\r\n";
    http.say("/v1/publish/t", page, b"x").await;
    assert_eq!(http.hear().await.status, 403);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn what_was_posted_is_answered_still_when_the_node_stops() {
    let mut rig = Rig::new().await;
    let mut http = Http { stream: rig.certified().await };
    http.say("/v1/publish/t", "", b"x").await;
    let ClientInput::Connected { client, .. } = connected(&mut rig).await else { unreachable!() };
    let (seq, ..) = rig.publish().await;
    rig.shutdown.cancel();
    tokio::task::yield_now().await;
    rig.reply(client, seq, 0, b"last");
    assert_eq!(http.hear().await.body, b"last");
    rig.disconnected().await;
}
