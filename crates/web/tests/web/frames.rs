//! What JSON frames do.

use std::{collections::BTreeSet, time::Instant};

use nuncio_gateway::Priorities;
use nuncio_protocol::{
    Priority, Topic,
    amop::{ClientInput, DeliveryId, Kind, ResultCode},
};
use serde_json::{Value, json};

use crate::rig::Rig;

#[tokio::test]
async fn a_publish_is_the_core_s_and_its_reply_comes_back_under_its_id() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    web.say(json!({ "type": "publish", "id": 7, "topic": "prices", "data": "héllo" })).await;
    let (seq, kind, topic, data) = rig.publish().await;
    assert_eq!((kind, topic, &data[..]), (Kind::Unicast, Topic::new("prices").unwrap(), "héllo".as_bytes()));
    rig.reply(client, seq, 0, b"yes");
    let expected = json!({ "type": "result", "id": 7, "code": 0, "word": "ok", "encoding": "utf8", "data": "yes" });
    assert_eq!(web.hear().await, expected);

    web.say(json!({ "type": "publish", "id": 8, "topic": "t", "data": "AP8=", "encoding": "base64" })).await;
    let (seq, _, _, data) = rig.publish().await;
    assert_eq!(data[..], [0, 255]);
    rig.reply(client, seq, 0, b"\xff\x01");
    let heard = web.hear().await;
    assert_eq!((&heard["encoding"], &heard["data"]), (&json!("base64"), &json!("/wE=")));
}

#[tokio::test]
async fn multicasts_under_one_id_or_none_are_each_a_message_of_its_own() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    let (mut other, another) = rig.connect().await;
    let frames = [
        json!({ "type": "multicast", "id": 1, "topic": "t", "data": "x" }),
        json!({ "type": "multicast", "topic": "t", "data": "x" }),
    ];
    let mut seqs = BTreeSet::new();
    for frame in frames.iter().chain(&frames) {
        for (web, client) in [(&mut web, client), (&mut other, another)] {
            web.say(frame.clone()).await;
            let (seq, ..) = rig.publish().await;
            seqs.insert(seq);
            rig.reply(client, seq, 0, b"");
            let heard = web.hear().await;
            assert_eq!((&heard["id"], &heard["code"]), (&json!(frame["id"].as_u64().unwrap_or_default()), &json!(0)));
        }
    }
    assert_eq!(seqs.len(), 8, "the core delivers what has one seq and says the same once");
}

#[tokio::test]
async fn every_failure_has_its_code_and_a_word_as_sdks_have_it() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    let failures =
        [(100, "no_subscriber"), (102, "timeout"), (103, "over_limit"), (104, "subscriber_gone"), (-40012, "denied")];
    for (code, word) in failures {
        web.say(json!({ "type": "publish", "id": 1, "topic": "t", "data": "x" })).await;
        let (seq, ..) = rig.publish().await;
        rig.reply(client, seq, code, b"");
        let heard = web.hear().await;
        assert_eq!((&heard["code"], &heard["word"]), (&json!(code), &json!(word)));
        assert!(heard["message"].as_str().is_some_and(|message| !message.is_empty()), "{heard}");
    }
    web.say(json!({ "type": "publish", "id": 1, "topic": "t" })).await;
    let (seq, ..) = rig.publish().await;
    rig.reply(client, seq, 17, b"the subscriber's own");
    let heard = web.hear().await;
    assert_eq!((&heard["word"], &heard["data"]), (&json!("application"), &json!("the subscriber's own")));
}

#[tokio::test]
async fn topics_are_added_and_taken_away_one_frame_at_a_time() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    let said = web.ask(json!({ "type": "subscribe", "id": 1, "topics": ["a", "b"] })).await;
    assert_eq!((&said["id"], &said["code"]), (&json!(1), &json!(0)));
    assert_eq!(rig.topics().await, ["a", "b"].map(String::from).into());
    web.ask(json!({ "type": "subscribe", "id": 2, "topics": ["c"] })).await;
    assert_eq!(rig.topics().await, ["a", "b", "c"].map(String::from).into());
    web.ask(json!({ "type": "unsubscribe", "id": 3, "topics": ["a", "nobody's"] })).await;
    assert_eq!(rig.topics().await, ["b", "c"].map(String::from).into());
}

#[tokio::test]
async fn a_request_is_answered_once_and_by_the_session_that_has_it() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    let (mut other, _) = rig.connect().await;
    assert!(rig.deliver(client, Kind::Unicast, &b"how many?"[..], 5));
    let request = web.hear().await;
    assert_eq!((&request["type"], &request["topic"]), (&json!("request"), &json!("t")));
    assert_eq!(request["data"], "how many?");
    let answer = json!({ "type": "respond", "id": 9, "request": request["request"], "data": "three" });
    let foreign = other.ask(answer.clone()).await;
    assert_eq!((&foreign["code"], &foreign["word"]), (&json!(-2), &json!("unknown_request")));
    assert!(rig.has_no_input());
    assert_eq!(web.ask(answer.clone()).await["code"], 0);
    let ClientInput::Acknowledge { delivery, code, data, .. } = rig.input().await else { panic!("an answer") };
    assert_eq!((delivery, code, &data[..]), (DeliveryId(5), ResultCode::OK, &b"three"[..]));
    assert_eq!(web.ask(answer).await["code"], -2, "twice");
    assert!(rig.has_no_input());
    assert!(rig.deliver(client, Kind::Unicast, &b""[..], 6));
    let request = web.hear().await["request"].clone();
    web.ask(json!({ "type": "respond", "request": request, "code": 17 })).await;
    let ClientInput::Acknowledge { code, .. } = rig.input().await else { panic!("an answer") };
    assert_eq!(code, ResultCode(17));
}

#[tokio::test]
async fn a_multicast_goes_to_all_and_comes_back_to_nobody() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    web.say(json!({ "type": "multicast", "id": 3, "topic": "t", "data": "to all" })).await;
    let (seq, kind, ..) = rig.publish().await;
    assert_eq!(kind, Kind::Multicast);
    // As the core does: with the published payload.
    rig.reply(client, seq, 0, b"to all");
    let heard = web.hear().await;
    assert_eq!((&heard["code"], &heard["data"]), (&json!(0), &json!("")));
    assert!(rig.deliver(client, Kind::Multicast, &b"news"[..], 1));
    let expected = json!({ "type": "message", "topic": "t", "encoding": "utf8", "data": "news" });
    assert_eq!(web.hear().await, expected);
}

#[tokio::test]
async fn long_messages_come_whole_in_either_encoding() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    let text: String = "\"quoted\" und ümläut\n".chars().cycle().take(300_000).collect();
    let noise: Vec<u8> = (0..=255u8).cycle().take(1_000_001).collect();
    assert!(rig.deliver(client, Kind::Multicast, text.clone(), 1));
    assert!(rig.deliver(client, Kind::Multicast, noise.clone(), 2));
    assert_eq!(web.hear().await["data"], text.as_str());
    let heard = web.hear().await;
    let data = heard["data"].as_str().unwrap();
    assert_eq!(data.len(), noise.len().div_ceil(3) * 4, "pieces join without padding between them");
    web.say(json!({ "type": "publish", "topic": "t", "data": data, "encoding": "base64" })).await;
    assert!(rig.publish().await.3 == noise);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_the_session_goes_on() {
    let mut rig = Rig::new().await;
    let (mut web, _) = rig.connect().await;
    let deep = "[".repeat(200_000);
    let nested = format!(r#"{{"type":"ping","id":{deep}"#);
    let many: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
    let many = json!({ "type": "subscribe", "id": 1, "topics": many }).to_string();
    for text in [
        "",
        "garbage",
        "null",
        "{}",
        &deep,
        &nested,
        &many,
        r#"{"type":"fly"}"#,
        r#"{"type":"ping","id":-1}"#,
        r#"{"type":"ping","id":1.5}"#,
        r#"{"type":"ping","wings":2}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#" ["ping",1,null,null,null,"utf8",null,null,0,null,null]"#,
    ] {
        web.say_text(text).await;
        let heard = web.hear().await;
        assert_eq!((&heard["code"], &heard["id"]), (&json!(-1), &Value::Null), "{heard}");
    }
    for frame in [
        json!({ "type": "publish", "id": 1, "topic": "" }),
        json!({ "type": "publish", "id": 1, "topic": "x\n" }),
        json!({ "type": "publish", "id": 1, "topic": "x".repeat(255) }),
        json!({ "type": "publish", "id": 1, "data": "x" }),
        json!({ "type": "publish", "id": 1, "topic": "t", "data": "%", "encoding": "base64" }),
        json!({ "type": "subscribe", "id": 1 }),
        json!({ "type": "subscribe", "id": 1, "topics": [] }),
        json!({ "type": "subscribe", "id": 1, "topics": ["a", ""] }),
        json!({ "type": "respond", "id": 1, "request": "short" }),
        json!({ "type": "respond", "id": 1 }),
    ] {
        let heard = web.ask(frame).await;
        assert_eq!((&heard["code"], &heard["id"]), (&json!(-1), &json!(1)), "{heard}");
    }
    web.expect_silence().await;
    assert!(rig.has_no_input());
    assert_eq!(rig.clients.statistics().frames_malformed, 23);
}

#[tokio::test]
async fn one_id_used_twice_is_answered_twice() {
    let mut rig = Rig::new().await;
    let (mut web, client) = rig.connect().await;
    for data in ["one", "two"] {
        web.say(json!({ "type": "publish", "id": 1, "topic": "t", "data": data })).await;
    }
    let (first, ..) = rig.publish().await;
    let (second, ..) = rig.publish().await;
    rig.reply(client, second, 0, b"");
    rig.reply(client, first, 0, b"");
    assert_eq!(web.hear().await["id"], 1);
    assert_eq!(web.hear().await["id"], 1);
    rig.reply(client, first, 0, b"nobody waits");
    web.expect_silence().await;
}

/// As what the next publish goes.
async fn priority(rig: &mut Rig) -> Priority {
    match rig.input().await {
        ClientInput::Publish { priority, .. } => priority,
        other => panic!("a publish, not {other:?}"),
    }
}

#[tokio::test]
async fn a_publish_is_as_urgent_as_the_client_names_it_within_what_the_operator_says_of_the_topic_now() {
    let said = |priority| Priorities::new([("alarms*".parse().unwrap(), priority)]).unwrap();
    let mut rig = Rig::with(|gateway, _| gateway.priorities = said(Priority::High)).await;
    let (mut web, _) = rig.connect().await;
    for (topic, named, expected) in [
        ("t", None, Priority::Normal),
        ("t", Some("bulk"), Priority::Bulk),
        ("t", Some("control"), Priority::Control),
        ("alarms/1", None, Priority::High),
        ("alarms/1", Some("control"), Priority::High),
        ("alarms/1", Some("normal"), Priority::Normal),
    ] {
        let mut frame = json!({ "type": "multicast", "topic": topic, "data": "x" });
        if let Some(named) = named {
            frame["priority"] = json!(named);
        }
        web.say(frame).await;
        assert_eq!(priority(&mut rig).await, expected, "{topic} {named:?}");
    }
    rig.renewal.set_priorities(said(Priority::Control));
    web.say(json!({ "type": "publish", "topic": "alarms/1" })).await;
    assert_eq!(priority(&mut rig).await, Priority::Control, "at once");
    for (number, expected) in (1..).zip(Priority::ALL) {
        for verb in [8, 9] {
            web.say_binary([&[verb, 0, 0, 0, 0, 0, 0, 0, 5, number], &b"\x01tx"[..]].concat()).await;
            assert_eq!(priority(&mut rig).await, expected);
        }
    }
    rig.renewal.set_priorities(said(Priority::High));
    web.say_binary(b"\x08\0\0\0\0\0\0\0\x05\x01\x08alarms/1x".to_vec()).await;
    assert_eq!(priority(&mut rig).await, Priority::High, "in binary, too, not more than the operator says");
    let heard = web.ask(json!({ "type": "publish", "id": 3, "topic": "t", "priority": "now" })).await;
    assert_eq!(heard["message"], json!("a priority is control, high, normal or bulk"));
}

#[tokio::test]
async fn a_client_that_names_everything_control_has_a_fourth_of_what_all_have_however_many_sessions_it_makes() {
    const BODY: usize = 10_000;
    let mut rig = Rig::new().await;
    let (mut control, begun) = (0, Instant::now());
    let mut sessions = [rig.connect().await.0, rig.connect().await.0];
    for web in &mut sessions {
        for _ in 0..10 {
            web.say(json!({ "type": "publish", "topic": "t", "priority": "control", "data": "x".repeat(BODY) })).await;
            control += usize::from(priority(&mut rig).await == Priority::Control);
        }
    }
    let most = (f64::from(64 << 10) * (1.0 + begun.elapsed().as_secs_f64()) / (BODY + 256) as f64) as usize;
    assert!((6..=most).contains(&control), "{control} of 20 that all came, where {most} may be");
}
