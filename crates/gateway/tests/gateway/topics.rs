//! Topic lists that are too long, and ones that change too often (reliability T32).

use std::time::Instant;

use bytes::Bytes;
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq};
use nuncio_protocol::{
    Topic,
    amop::{ClientId, ClientInput},
};

use crate::rig::{Log, Rig, Sdk, eventually, topics};

fn list(names: &[&str]) -> Frame {
    let body = serde_json::to_vec(names).unwrap();
    Frame::request(FrameKind::Subscribe, FrameSeq::from_number(1), body.into())
}

/// Waits for the next list that the core hears of.
async fn expect_list(rig: &mut Rig, client: ClientId, names: &[&str]) {
    assert_eq!(rig.input().await, ClientInput::Subscribe { client, topics: topics(names) });
}

/// Sends a list that is refused.
async fn expect_refused(rig: &Rig, sdk: &mut Sdk, names: &[&str]) {
    let before = rig.clients.statistics().subscriptions_refused;
    sdk.send(&list(names)).await;
    eventually(|| rig.clients.statistics().subscriptions_refused == before + 1).await;
}

#[tokio::test]
async fn a_list_over_the_sessions_budget_is_refused_as_a_whole_and_the_former_one_stays() {
    let (log, _capturing) = Log::capture();
    let mut rig = Rig::with(|config| config.limits.topic_bytes_per_session = 2 * (16 + 254)).await;
    let (mut sdk, client) = rig.connect().await;
    let longest = ["a".repeat(254), "b".repeat(254)];
    sdk.send(&list(&[&longest[0], &longest[1]])).await;
    expect_list(&mut rig, client, &[&longest[0], &longest[1]]).await;
    expect_refused(&rig, &mut sdk, &[&longest[0], &longest[1], "z"]).await;
    sdk.expect_silence().await;
    assert!(rig.has_no_input(), "the core hears nothing of it");
    assert_eq!(
        log.count("was refused, the former one stays: its topics take more than 540 bytes"),
        1,
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn sessions_of_one_certificate_share_a_budget_and_others_are_unharmed() {
    let (log, _capturing) = Log::capture();
    let mut rig = Rig::with(|config| config.limits.topic_bytes_per_certificate = 4 * 17).await;
    rig.add_sdk("other");
    let (mut first, first_client) = rig.connect().await;
    let (mut second, second_client) = rig.connect().await;
    first.send(&list(&["a", "b", "c"])).await;
    expect_list(&mut rig, first_client, &["a", "b", "c"]).await;
    second.send(&list(&["d"])).await;
    expect_list(&mut rig, second_client, &["d"]).await;
    expect_refused(&rig, &mut second, &["d", "e"]).await;
    let line = "34 bytes of topics with 51 of its certificate's other sessions are over the limit of 68";
    assert_eq!(log.count(line), 1, "{}", log.text());
    assert_eq!(log.count("CN=sdk"), 1, "the line names the certificate: {}", log.text());

    let (mut other, other_client) = rig.connect_as("other").await;
    other.send(&list(&["d", "e", "f", "g"])).await;
    expect_list(&mut rig, other_client, &["d", "e", "f", "g"]).await;
    drop(first);
    assert_eq!(rig.disconnected().await, first_client);
    second.send(&list(&["d", "e", "f", "g"])).await;
    expect_list(&mut rig, second_client, &["d", "e", "f", "g"]).await;
}

#[tokio::test]
async fn the_common_budget_refuses_whoever_comes_last_and_takes_nothing_from_its_certificate() {
    let mut rig = Rig::with(|config| {
        config.limits.topic_bytes = 4 * 17;
        config.limits.topic_bytes_per_certificate = 3 * 17;
    })
    .await;
    rig.add_sdk("other");
    let (mut first, first_client) = rig.connect().await;
    let (mut other, other_client) = rig.connect_as("other").await;
    first.send(&list(&["a", "b"])).await;
    expect_list(&mut rig, first_client, &["a", "b"]).await;
    expect_refused(&rig, &mut other, &["a", "b", "c"]).await;
    other.send(&list(&["a"])).await;
    expect_list(&mut rig, other_client, &["a"]).await;
    first.send(&list(&[])).await;
    expect_list(&mut rig, first_client, &[]).await;
    other.send(&list(&["a", "b", "c"])).await;
    expect_list(&mut rig, other_client, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn a_client_that_toggles_its_topics_costs_the_core_ten_changes_a_second() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let toggles: Vec<u8> = (0..1000)
        .flat_map(|number| list(&[if number % 2 == 0 { "on" } else { "off" }, &number.to_string()]).to_bytes())
        .collect();
    let began = Instant::now();
    sdk.send_bytes(&toggles).await;
    let (mut heard, last) = (0, Topic::new("999").unwrap());
    loop {
        match rig.input().await {
            ClientInput::Subscribe { client: of, topics } => {
                assert_eq!(of, client);
                heard += 1;
                assert!(heard > 1 || topics.contains(&Topic::new("0").unwrap()), "the first is heard at once");
                if topics.contains(&last) {
                    break;
                }
            }
            other => panic!("a list, not {other:?}"),
        }
    }
    let allowed = 2 + began.elapsed().as_millis() / 100;
    assert!(heard >= 2 && heard <= allowed, "{heard} of 1000 were heard, {allowed} allowed");
    let seq = FrameSeq::from_number(7);
    sdk.send(&Frame::request(FrameKind::Heartbeat, seq, Bytes::from_static(b"0"))).await;
    assert_eq!(sdk.expect_frame().await.seq, seq);
}
