//! How urgent what SDKs publish is, and what is urgent among what waits for them.

use bytes::Bytes;
use nuncio_channel_client::Client;
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq, HandshakeRequest, ResultCode};
use nuncio_gateway::Priorities;
use nuncio_identity::NodeKey;
use nuncio_protocol::{
    Account, Priority,
    amop::{ClientInput, Kind},
};

use crate::rig::{Rig, amop_frame};

/// As what the next publish goes.
async fn priority(rig: &mut Rig) -> Priority {
    match rig.input().await {
        ClientInput::Publish { priority, .. } => priority,
        other => panic!("a publish, not {other:?}"),
    }
}

#[tokio::test]
async fn who_says_in_the_handshake_that_he_names_priorities_is_taken_at_his_word_within_what_the_operator_says() {
    let said = Priorities::new([("alarms".parse().unwrap(), Priority::High)]).unwrap();
    let mut rig = Rig::with(|config| config.priorities = said).await;
    let (mut sdk, _) = rig.connect().await;
    let publish = |topic, result| Frame {
        result: ResultCode(result),
        ..amop_frame(FrameKind::Multicast, 1, topic, Bytes::new())
    };
    for result in [0, 1, 4, 99] {
        sdk.send(&publish("t", result)).await;
        assert_eq!(priority(&mut rig).await, Priority::Normal, "an SDK says nothing there, whatever stands there");
    }
    let offer = HandshakeRequest { priorities: true, ..HandshakeRequest::new("test") };
    sdk.send(&Frame::request(FrameKind::Handshake, FrameSeq::from_number(2), offer.encode())).await;
    let answer = sdk.expect_frame().await;
    let said = b"{\"nodeVersion\":\"2.9.1\",\"protocol\":3,\"priorities\":true}\n";
    assert_eq!((answer.kind, &answer.body[..]), (FrameKind::Handshake, &said[..]), "it is told that it is understood");
    for (topic, result, expected) in [
        ("t", 0, Priority::Normal),
        ("t", 1, Priority::Control),
        ("t", 2, Priority::High),
        ("t", 3, Priority::Normal),
        ("t", 4, Priority::Bulk),
        ("alarms", 1, Priority::High),
        ("alarms", 4, Priority::Bulk),
    ] {
        sdk.send(&publish(topic, result)).await;
        assert_eq!(priority(&mut rig).await, expected, "{topic} {result}");
    }
    sdk.send(&publish("t", 5)).await;
    let refused = sdk.expect_frame().await;
    assert_eq!(
        (refused.kind, refused.seq, refused.result),
        (FrameKind::Answer, FrameSeq::from_number(1), ResultCode(-1))
    );
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn what_our_client_names_is_what_the_core_hears_until_its_budget_is_used_up() {
    const BODY: usize = 10_000;
    let mut rig = Rig::new().await;
    let builder = Client::builder().node(rig.address.to_string()).certificates(rig.directory.path().join("sdk"));
    let client = builder.connect().await.unwrap();
    assert!(matches!(rig.input().await, ClientInput::Connected { .. }));
    let mut control = 0;
    for named in Priority::ALL.into_iter().chain([Priority::Control; 20]) {
        let urgent = client.with_priority(named);
        tokio::spawn(async move { urgent.broadcast("t", vec![0; BODY]).await });
        match (named, priority(&mut rig).await) {
            (Priority::Control, came) => control += usize::from(came == Priority::Control),
            (named, came) => assert_eq!(came, named),
        }
    }
    assert!((6..20).contains(&control), "{control} of 21: a fourth of what all clients have");
}

#[tokio::test]
async fn what_is_urgent_passes_what_waits_for_a_client_in_the_order_of_each_priority_and_of_all_else_a_share_goes_on() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let flooder = Account::Of(NodeKey::generate().node_id());
    let deliver = |account, priority, number: u64, length: usize| {
        let body = [&number.to_be_bytes()[..], &vec![0; length]].concat();
        rig.deliver_of((account, priority), client, Kind::Multicast, ("t", body.into()), number).unwrap();
    };
    // The session's task cannot run before the test awaits something: nothing leaves the queue meanwhile.
    for number in 0..20 {
        deliver(flooder, Priority::Bulk, number, 100_000);
    }
    for number in 100..120 {
        deliver(Account::Own, Priority::Normal, number, 1000);
    }
    for (priority, number) in [(Priority::High, 200), (Priority::High, 201), (Priority::Control, 300)] {
        deliver(Account::Own, priority, number, 1000);
    }
    for number in 1000..2000 {
        deliver(flooder, Priority::Control, number, 1000);
    }
    let mut came = Vec::new();
    for _ in 0..1043 {
        let body = sdk.expect_frame().await.body;
        came.push(u64::from_be_bytes(*body[2..].first_chunk().expect("a number")));
    }
    let place = |number| came.iter().position(|one| *one == number).expect("it comes");
    assert!(place(300) < 40, "it has its turn among what is as urgent: {}", place(300));
    assert!(place(300) < place(100), "{} {}", place(300), place(100));
    assert!(place(200) < 200 && place(100) < 400, "a flood leaves them a share: {} {}", place(200), place(100));
    for range in [0..20, 100..120, 200..202, 1000..2000] {
        let of_one: Vec<_> = came.iter().copied().filter(|number| range.contains(number)).collect();
        assert_eq!(of_one, range.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_answer_to_an_urgent_publish_passes_those_to_others() {
    let said = Priorities::new([("alarms".parse().unwrap(), Priority::Control)]).unwrap();
    let mut rig = Rig::with(|config| config.priorities = said).await;
    let (mut sdk, client) = rig.connect().await;
    let mut asked = Vec::new();
    for (number, topic) in [(1, "t"), (2, "t"), (3, "alarms")] {
        sdk.send(&amop_frame(FrameKind::Unicast, number, topic, Bytes::new())).await;
        asked.push(rig.publish().await);
    }
    for (seq, _, topic, _) in asked {
        rig.reply(client, seq, 0, topic.as_str(), b"done");
    }
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(sdk.expect_frame().await.seq);
    }
    assert_eq!(came, [3, 1, 2].map(FrameSeq::from_number));
}
