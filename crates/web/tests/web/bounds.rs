//! What clients can make the door hold, and how long.

use std::{sync::Arc, time::Duration};

use nuncio_protocol::amop::Kind;
use nuncio_rights::{Rights, Rule, Rules};
use nuncio_web::bounds::LONGEST_FRAME;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::rig::{PATIENCE, Rig, frame_head};

const ROOM: usize = 1 << 20;

/// Waits until frames that are being read have taken so much room.
async fn until_intake_is(rig: &Rig, bytes: usize) {
    let reached = async {
        while rig.clients.statistics().intake_bytes != bytes as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("{} bytes of room are taken, not {bytes}", rig.clients.statistics().intake_bytes));
}

#[tokio::test]
async fn a_long_frame_takes_room_by_its_header_and_whoever_waits_for_it_comes_next() {
    let mut rig = Rig::with(|gateway, _| {
        gateway.limits.intake_bytes_per_certificate = ROOM;
        gateway.timeouts.intake = Duration::from_millis(300);
    })
    .await;
    let (mut idler, idle) = rig.connect().await;
    let (mut web, _) = rig.connect().await;
    idler.say_raw(&frame_head(0x82, ROOM as u64)).await.unwrap();
    until_intake_is(&rig, ROOM).await;
    let long = "x".repeat(ROOM / 2);
    web.say(json!({ "type": "publish", "id": 1, "topic": "t", "data": long })).await;
    let (code, reason) = idler.closed().await;
    assert_eq!(code, CloseCode::Policy, "{reason}");
    assert!(reason.starts_with("less than a sixteenth"), "{reason}");
    assert_eq!(rig.disconnected().await, idle);
    assert_eq!(rig.publish().await.3.len(), ROOM / 2);
    assert_eq!(rig.clients.statistics().sessions_unfinished, 1);
    until_intake_is(&rig, 0).await;
}

#[tokio::test]
async fn a_message_in_pieces_takes_the_room_of_the_longest_once_it_is_no_short_one() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    let body = json!({ "type": "publish", "id": 1, "topic": "t", "data": "x".repeat(30 << 10) }).to_string();
    let (first, rest) = body.as_bytes().split_at(10 << 10);
    web.say_raw(&[&frame_head(0x01, first.len() as u64), first].concat()).await.unwrap();
    let (second, rest) = rest.split_at(10 << 10);
    web.say_raw(&[&frame_head(0x00, second.len() as u64), second].concat()).await.unwrap();
    until_intake_is(&rig, LONGEST_FRAME).await;
    web.say_raw(&[&frame_head(0x80, rest.len() as u64), rest].concat()).await.unwrap();
    assert_eq!(rig.publish().await.3.len(), 30 << 10);
    until_intake_is(&rig, 0).await;
}

#[tokio::test]
async fn a_further_frame_that_makes_a_message_too_long_is_refused_by_its_header() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    // The first is short and needs no room; of the second nothing comes but its header.
    let begun = [&frame_head(0x01, 1)[..], b"x", &frame_head(0x80, LONGEST_FRAME as u64)].concat();
    web.say_raw(&begun).await.unwrap();
    assert_eq!(web.closed().await.0, CloseCode::Size);
    assert_eq!(rig.disconnected().await, client);
    assert_eq!(rig.clients.statistics().sessions_malformed, 1);
}

#[tokio::test]
async fn long_frames_one_after_the_other_each_have_their_room() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    let long = json!({ "type": "publish", "id": 1, "topic": "t", "data": "x".repeat(100 << 10) }).to_string();
    let frame = [&frame_head(0x81, long.len() as u64), long.as_bytes()].concat();
    let ping = br#"{"type":"ping","id":5}"#;
    let ping = [&frame_head(0x81, ping.len() as u64), &ping[..]].concat();
    web.say_raw(&[&frame[..], &ping, &frame, b"\x89\x80\0\0\0\0", &frame].concat()).await.unwrap();
    for _ in 0..3 {
        let (seq, _, _, data) = rig.publish().await;
        assert_eq!(data.len(), 100 << 10);
        rig.reply(client, seq, 0, b"");
    }
    until_intake_is(&rig, 0).await;
}

#[tokio::test]
async fn a_list_that_is_longer_than_a_clients_may_be_is_refused_and_the_former_one_stays() {
    // Each name counts 16 bytes besides its own.
    let mut rig = Rig::with(|gateway, _| gateway.limits.topic_bytes_per_session = 3 * 17).await;
    let (mut web, _) = rig.connect().await;
    web.ask(json!({ "type": "subscribe", "id": 1, "topics": ["a", "b"] })).await;
    assert_eq!(rig.topics().await, ["a", "b"].map(String::from).into());
    for id in 2..4 {
        let over = web.ask(json!({ "type": "subscribe", "id": id, "topics": ["c", "d"] })).await;
        assert_eq!((&over["id"], &over["code"]), (&json!(id), &json!(103)));
        assert_eq!(over["message"], "68 bytes of topics are over the limit of 51");
    }
    assert_eq!(web.ask(json!({ "type": "subscribe", "id": 4, "topics": ["e"] })).await["code"], 0);
    assert_eq!(rig.topics().await, ["a", "b", "e"].map(String::from).into());
    web.ask(json!({ "type": "unsubscribe", "id": 5, "topics": ["a"] })).await;
    assert_eq!(rig.topics().await, ["b", "e"].map(String::from).into());
}

#[tokio::test]
async fn a_subscription_takes_no_more_work_because_more_is_listed() {
    const LISTED: u64 = 50_000;
    let deny = vec![Rule { subscribe: vec!["secret*".parse().unwrap()], ..Rule::default() }];
    let rights = Rights::new(Rules { deny, ..Rules::default() }).unwrap();
    let mut rig = Rig::with(|gateway, _| {
        gateway.rights = Arc::new(rights);
        gateway.limits.topic_bytes_per_session = 2 << 20;
    })
    .await;
    let (mut web, _) = rig.connect().await;
    let names: Vec<_> = (0..LISTED).map(|number| format!("secret{number}")).collect();
    for topics in names.chunks(4096) {
        assert_eq!(web.ask(json!({ "type": "subscribe", "id": 1, "topics": topics })).await["code"], -40012);
    }
    for id in 0..1000 {
        let verb = if id % 2 == 0 { "subscribe" } else { "unsubscribe" };
        let heard = web.ask(json!({ "type": verb, "id": id, "topics": ["a"] })).await;
        assert_eq!((&heard["id"], &heard["code"]), (&json!(id), &json!(0)));
    }
    assert_eq!(
        rig.clients.statistics().topics_denied,
        LISTED,
        "each name was judged when it was said, and never again"
    );
    assert_eq!(rig.clients.denied_topics()[0].count as u64, LISTED);
}

#[tokio::test]
async fn a_queue_that_is_full_drops_multicasts_and_gives_unicasts_back() {
    let mut rig = Rig::with(|gateway, _| gateway.limits.queue_bytes = 1).await;
    let (mut web, client) = rig.connect().await;
    // The session's task cannot run before the test awaits something.
    assert!((0..3).all(|number| rig.deliver(client, Kind::Multicast, vec![b'x'; 1 << 20], number)));
    assert!(!rig.deliver(client, Kind::Unicast, vec![b'x'; 1 << 20], 3));
    web.hear().await;
    web.hear().await;
    web.expect_silence().await;
    assert_eq!(rig.clients.statistics().deliveries_dropped, 1);
    assert_eq!(rig.clients.statistics().deliveries_refused, 1);
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_does_not_is_gone_within_the_idle_time() {
    let idle = Duration::from_millis(800);
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.idle = idle).await;
    let (_silent, gone) = rig.connect().await;
    let (mut web, _) = rig.connect().await;
    // The client library answers pings while it waits; the other one does not look.
    tokio::select! {
        left = rig.disconnected() => assert_eq!(left, gone),
        heard = web.hear() => panic!("{heard}"),
    }
    web.expect_silence().await;
    assert_eq!(rig.clients.statistics().sessions_idle, 1);
}

#[tokio::test]
async fn a_message_that_takes_longer_than_the_idle_time_arrives_while_some_of_it_comes() {
    let idle = Duration::from_millis(800);
    let mut rig = Rig::with(|gateway, _| gateway.timeouts.idle = idle).await;
    let (mut web, _) = rig.connect().await;
    let long = json!({ "type": "publish", "id": 1, "topic": "t", "data": "x".repeat(100_000) }).to_string();
    web.say_raw(&frame_head(0x81, long.len() as u64)).await.unwrap();
    for piece in long.as_bytes().chunks(5000) {
        tokio::time::sleep(idle / 8).await;
        web.say_raw(piece).await.unwrap();
    }
    assert_eq!(rig.publish().await.3.len(), 100_000);
    // And who stops in the middle is gone.
    let (mut web, client) = rig.connect().await;
    web.say_raw(&frame_head(0x81, long.len() as u64)).await.unwrap();
    while rig.disconnected().await != client {}
}

#[tokio::test]
async fn at_shutdown_what_is_in_flight_is_answered_and_nothing_new_is_taken() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    web.say(json!({ "type": "publish", "id": 1, "topic": "t", "data": "x" })).await;
    let (seq, ..) = rig.publish().await;
    rig.shutdown.cancel();
    loop {
        let heard = web.ask(json!({ "type": "publish", "id": 2, "topic": "t", "data": "y" })).await;
        if heard["code"] == 100 {
            break;
        }
    }
    rig.reply(client, seq, 0, b"");
    assert_eq!(web.hear().await["id"], 1);
    assert_eq!(web.closed().await.0, CloseCode::Away);
    assert_eq!(rig.disconnected().await, client);
}
