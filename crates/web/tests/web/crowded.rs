//! Strangers at the door.

use std::time::Duration;

use nuncio_protocol::amop::ClientInput;
use nuncio_testkit::crowd::Crowd;
use serde_json::json;
use tokio::{io::AsyncReadExt as _, time::timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::{
    rig::{PATIENCE, Rig},
    tokens::Book,
};

/// A TLS record of a ClientHello, of which the rest drips.
const OPENING: &[u8] = b"\x16\x03\x01\x02\x00\x01";

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_silent_and_dripping_connections_keep_no_client_out_and_are_cut() {
    let mut rig = Rig::new().await;
    let crowd = Crowd::gather(rig.address, 50, 2000, OPENING).await;
    for _ in 0..3 {
        let (mut web, _) = rig.connect().await;
        web.expect_silence().await;
        drop(web);
        rig.disconnected().await;
    }
    timeout(Duration::from_secs(20), crowd.is_cut()).await.expect("all are cut");
}

#[tokio::test]
async fn connections_are_counted_in_all_and_by_address() {
    let mut rig = Rig::with(|_, web| web.limits.connections_per_address = 2).await;
    let (_one, _) = rig.connect().await;
    let (two, second) = rig.connect().await;
    assert!(rig.try_connect(None).await.is_err());
    drop(two);
    assert_eq!(rig.disconnected().await, second);
    let (mut three, _) = rig.connect().await;
    three.expect_silence().await;
}

#[tokio::test]
async fn when_all_seats_are_taken_the_certificate_that_has_most_makes_room_for_one_that_has_fewer() {
    let mut rig = Rig::with(|_, web| web.limits.connections = 3).await;
    rig.authority.write_client_directory(&rig.directory.path().join("other"), "other", false);
    let (mut first, first_client) = rig.connect().await;
    let (mut second, _) = rig.connect().await;
    // One that has said nothing has its seat, too, and was the last to take it.
    let _silent = rig.certified().await;
    let connecting = rig.try_connect_as("other");
    let (other, (code, reason)) = tokio::join!(connecting, first.closed());
    assert_eq!(code, CloseCode::Policy);
    assert!(reason.contains("its place was needed"), "{reason}");
    assert_eq!(rig.input().await, ClientInput::Disconnected { client: first_client });
    other.unwrap().expect_silence().await;
    second.expect_silence().await;
}

#[tokio::test]
async fn a_connection_without_a_session_makes_room_too() {
    let mut rig = Rig::with(|gateway, web| {
        web.limits.connections = 2;
        // Without that they would go by themselves when a handshake takes so long.
        gateway.timeouts.handshake = Duration::from_secs(600);
    })
    .await;
    rig.authority.write_client_directory(&rig.directory.path().join("other"), "other", false);
    let [mut one, mut two] = [rig.certified().await, rig.certified().await];
    let (mut other, _) = rig.connect_as("other").await;
    other.expect_silence().await;
    let closed = async {
        tokio::select! {
            end = one.read_u8() => end,
            end = two.read_u8() => end,
        }
    };
    assert!(timeout(PATIENCE, closed).await.expect("one of them ends").is_err());
}

/// Where tokens are taken, and there are three seats.
async fn three_seats() -> Rig {
    let rig = Rig::with(|gateway, web| {
        gateway.timeouts.handshake = Duration::from_secs(600);
        web.limits.connections = 3;
        web.tokens = Some(Book::of_shop());
    })
    .await;
    rig.authority.write_client_directory(&rig.directory.path().join("other"), "other", false);
    rig
}

#[tokio::test]
async fn who_has_shown_neither_certificate_nor_token_takes_no_seat_of_one_who_has() {
    let mut rig = three_seats().await;
    let mut known = [rig.connect().await.0, rig.connect().await.0, rig.connect().await.0];
    assert!(rig.guest(None).await.is_err(), "nobody makes room for a stranger");
    for web in &mut known {
        web.expect_silence().await;
    }
}

#[tokio::test]
async fn a_session_by_token_has_its_seat_in_the_name_of_the_token() {
    let rig = three_seats().await;
    let mut stranger = rig.guest(None).await.unwrap();
    let [mut first, mut second] = [rig.guest(Some("secret")).await.unwrap(), rig.guest(Some("secret")).await.unwrap()];
    first.expect_silence().await;
    second.expect_silence().await;
    let (other, ()) = tokio::join!(rig.try_connect_as("other"), first.gone());
    other.unwrap().expect_silence().await;
    // He has his seat still.
    stranger.say(json!({ "type": "token", "id": 3, "token": "secret" })).await;
    assert_eq!(stranger.hear().await["code"], 0);
    second.expect_silence().await;
}
