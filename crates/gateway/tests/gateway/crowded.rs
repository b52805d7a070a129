//! Strangers at the door.

use std::{sync::Arc, time::Duration};

use nuncio_door::Limits;
use nuncio_protocol::amop::{ClientId, ClientInput};
use nuncio_rights::{Limit, Per, Quota, Rights, Rules, Who};
use nuncio_testkit::crowd::Crowd;
use tokio::time::{Instant, timeout};

use crate::rig::{PATIENCE, Rig, Sdk};

/// A TLS record of a ClientHello, of which the rest drips.
const OPENING: &[u8] = b"\x16\x03\x01\x02\x00\x01";

/// T3.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_and_dripping_connections_keep_no_sdk_out_and_are_cut() {
    let mut rig = Rig::new().await;
    let crowd = Crowd::gather(rig.address, 50, 2000, OPENING).await;
    // The middle one of five: the crowd runs on the same processors as the port.
    let mut taken = Vec::new();
    for _ in 0..5 {
        let started = Instant::now();
        let (mut sdk, _) = rig.connect().await;
        taken.push(started.elapsed());
        sdk.expect_silence().await;
        drop(sdk);
        rig.disconnected().await;
    }
    taken.sort();
    assert!(taken[2] < Duration::from_secs(2), "it took {taken:?}");
    timeout(Duration::from_secs(10), crowd.is_cut()).await.expect("all are cut within ten seconds");
}

#[tokio::test]
async fn strangers_at_the_door_take_no_session_and_make_room_for_an_sdk() {
    let mut rig = Rig::with(|config| {
        config.limits.connections = 1;
        config.limits.door = Limits { places: 1, places_per_source: 1, ..Limits::new(1, 16, 16) };
    })
    .await;
    let crowd = Crowd::gather(rig.address, 1, 1, OPENING).await;
    let (mut sdk, _) = rig.connect().await;
    timeout(PATIENCE, crowd.is_cut()).await.expect("it has made room");
    sdk.expect_silence().await;
    assert!(rig.clients.statistics().connections_refused >= 1);
}

/// T4: what comes too often costs no TLS.
#[tokio::test]
async fn an_address_that_connects_too_often_is_closed_before_tls_until_time_has_passed() {
    let rig = Rig::with(|config| config.limits.door = Limits::new(64, 1, 2)).await;
    let all_at_once = futures::future::join_all((0..20).map(|_| rig.try_sdk())).await;
    let admitted = all_at_once.iter().filter(|sdk| sdk.is_ok()).count();
    assert!((2..20).contains(&admitted), "{admitted} of 20, two at once and one a second");
    timeout(PATIENCE, async { while rig.try_sdk().await.is_err() {} }).await.expect("time passes");
}

/// Who has gone before the next one has come, and who that is.
async fn next_in_place_of(rig: &mut Rig) -> (Vec<ClientId>, ClientId) {
    let mut gone = Vec::new();
    loop {
        match rig.input().await {
            ClientInput::Disconnected { client } => gone.push(client),
            ClientInput::Connected { client, .. } => return (gone, client),
            _ => {}
        }
    }
}

#[tokio::test]
async fn when_all_seats_are_taken_the_certificate_that_has_most_makes_room_for_one_that_has_fewer() {
    let mut rig = Rig::with(|config| config.limits.connections = 3).await;
    rig.add_sdk("other");
    let (mut first, first_client) = rig.connect().await;
    let (mut second, _) = rig.connect().await;
    let (mut third, _) = rig.connect().await;
    let mut other = Sdk::connect(rig.address, &rig.directory.path().join("other")).await.unwrap();
    let (gone, _) = next_in_place_of(&mut rig).await;
    assert_eq!(gone, [first_client], "the oldest of those who have said nothing");
    first.expect_closed().await;
    other.expect_silence().await;
    second.expect_silence().await;
    third.expect_silence().await;
    assert_eq!(rig.clients.statistics().sessions_made_room, 1);
    // Two against one: another of these would only turn them round.
    let mut again = Sdk::connect(rig.address, &rig.directory.path().join("other")).await.unwrap();
    again.expect_closed().await;
    second.expect_silence().await;
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn a_certificate_has_so_many_sessions_and_another_one_its_own() {
    let mut rig = Rig::with(|config| config.limits.connections_per_certificate = 2).await;
    rig.add_sdk("other");
    let (_first, _) = rig.connect().await;
    let (second, _) = rig.connect().await;
    rig.try_sdk().await.unwrap().expect_closed().await;
    let (mut other, _) = rig.connect_as("other").await;
    other.expect_silence().await;
    drop(second);
    rig.disconnected().await;
    let (mut third, _) = rig.connect().await;
    third.expect_silence().await;
}

#[tokio::test]
async fn nobody_makes_room_for_a_certificate_that_has_as_many_sessions_as_it_may() {
    let mut rig = Rig::with(|config| {
        config.limits.connections = 4;
        let who = Who { agency: Some("agency".into()), name: Some("other".into()), ..Who::default() };
        let limits = vec![Limit { who, per: Per::Credential, quota: Quota { sessions: Some(1), ..Quota::default() } }];
        config.rights = Arc::new(Rights::new(Rules { limits, ..Rules::default() }).unwrap());
    })
    .await;
    rig.add_sdk("other");
    let mut sessions = [rig.connect().await.0, rig.connect().await.0, rig.connect().await.0];
    let (mut other, _) = rig.connect_as("other").await;
    Sdk::connect(rig.address, &rig.directory.path().join("other")).await.unwrap().expect_closed().await;
    for sdk in sessions.iter_mut().chain([&mut other]) {
        sdk.expect_silence().await;
    }
    assert_eq!(rig.clients.statistics().sessions_made_room, 0);
}
