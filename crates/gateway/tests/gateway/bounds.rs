use std::{io, time::Duration};

use bytes::Bytes;
use nuncio_channel_protocol::{AmopBody, Frame, FrameKind, FrameSeq, HEADER_LENGTH, ResultCode};
use nuncio_protocol::amop::{ClientInput, ClientOutput, Kind};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use crate::rig::{PATIENCE, Rig, amop_frame, eventually, failure, seq};

/// A limit short enough to wait for; nothing that must not hit it is slow by design.
const SHORT: Duration = Duration::from_millis(300);

/// A header that says `length`.
fn header(length: u32, kind: FrameKind, number: u128) -> Vec<u8> {
    let mut header = Frame::request(kind, FrameSeq::from_number(number), Bytes::new()).encode_header().to_vec();
    header[..4].copy_from_slice(&length.to_be_bytes());
    header
}

#[tokio::test]
async fn impossible_lengths_end_their_own_session_only() {
    let mut rig = Rig::new().await;
    let (mut bystander, _) = rig.connect().await;
    for length in [0, 1, 41, (100 << 20) + 1, u32::MAX] {
        let (mut sdk, client) = rig.connect().await;
        sdk.send_bytes(&header(length, FrameKind::Unicast, 1)).await;
        sdk.expect_closed().await;
        assert_eq!(rig.disconnected().await, client);
    }
    bystander.expect_silence().await;
    assert_eq!(rig.clients.statistics().sessions_malformed, 5);
}

#[tokio::test]
async fn frames_over_the_limit_are_answered_at_once_and_skipped() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    let length: u32 = 20 << 20;
    sdk.send_bytes(&header(length, FrameKind::Multicast, 1)).await;
    assert_eq!(sdk.expect_frame().await, failure(1, 103), "before its body has come");
    sdk.send_bytes(&vec![0x2a; length as usize - HEADER_LENGTH]).await;

    sdk.send(&Frame::request(FrameKind::Rpc, FrameSeq::from_number(2), vec![b' '; (1 << 20) + 1].into())).await;
    let answer: serde_json::Value = serde_json::from_slice(&sdk.expect_frame().await.body).unwrap();
    assert_eq!(answer["error"]["code"], -32600);
    sdk.send(&Frame::request(FrameKind::Subscribe, FrameSeq::from_number(3), vec![b' '; (1 << 20) + 1].into())).await;
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().frames_oversized, 3);
    assert!(rig.has_no_input());
}

#[tokio::test]
async fn a_publisher_over_its_window_is_not_read_until_replies_go_out() {
    let mut rig = Rig::with(|config| config.limits.window_frames = 4).await;
    let (mut publisher, client) = rig.connect().await;
    let (mut other, _) = rig.connect().await;
    let burst: Vec<u8> =
        (0..10).flat_map(|number| amop_frame(FrameKind::Unicast, number, "t", Bytes::new()).to_bytes()).collect();
    publisher.send_bytes(&burst).await;
    for _ in 0..4 {
        rig.publish().await;
    }
    other.expect_silence().await;
    assert!(rig.has_no_input(), "the fifth waits");
    for number in 0..10 {
        rig.reply(client, seq(number), 0, "t", b"");
        assert_eq!(publisher.expect_frame().await.seq, FrameSeq::from_number(number));
        if number < 6 {
            rig.publish().await;
            assert!(rig.has_no_input(), "one more for each reply");
        }
    }
    publisher.expect_silence().await;
}

#[tokio::test]
async fn a_publisher_over_its_windows_bytes_is_not_read_either() {
    let mut rig = Rig::with(|config| config.limits.window_bytes = 100_000).await;
    let (mut publisher, client) = rig.connect().await;
    let (mut other, _) = rig.connect().await;
    for number in 0..3 {
        publisher.send(&amop_frame(FrameKind::Unicast, number, "t", vec![0; 60_000].into())).await;
    }
    rig.publish().await;
    rig.publish().await;
    other.expect_silence().await;
    assert!(rig.has_no_input());
    rig.reply(client, seq(1), 0, "t", b"");
    rig.publish().await;
    assert_eq!(publisher.expect_frame().await.seq, FrameSeq::from_number(1));
}

#[tokio::test]
async fn publishes_in_flight_of_one_certificate_stop_its_sessions_and_no_other() {
    let mut rig = Rig::with(|config| {
        config.limits.in_flight_bytes_per_certificate = 100_000;
        config.limits.in_flight_bytes = 150_000;
    })
    .await;
    rig.add_sdk("other");
    let publish = |number| amop_frame(FrameKind::Unicast, number, "t", vec![0; 60_000].into());
    let (mut first, client) = rig.connect().await;
    let (mut second, _) = rig.connect().await;
    let (mut other, other_client) = rig.connect_as("other").await;
    for number in 0..2 {
        first.send(&publish(number)).await;
        assert_eq!(rig.publish().await.0, seq(number));
    }
    second.send(&publish(2)).await;
    other.send(&publish(3)).await;
    assert_eq!(rig.publish().await.0, seq(3), "another certificate is read");
    // All together have 180,000 now: nobody is read until one is answered.
    other.send(&publish(4)).await;
    let _newcomer = rig.connect_as("other").await;
    assert!(rig.has_no_input(), "neither the second session nor the other's second publish is read");
    rig.reply(client, seq(0), 0, "t", b"");
    assert_eq!(first.expect_frame().await.seq, FrameSeq::from_number(0));
    let next = rig.publish().await.0;
    rig.reply(other_client, seq(3), 0, "t", b"");
    assert_eq!(other.expect_frame().await.seq, FrameSeq::from_number(3));
    let heard = [next, rig.publish().await.0];
    assert!(heard.contains(&seq(2)) && heard.contains(&seq(4)), "who was paused goes on: {heard:?}");
}

#[tokio::test]
async fn answers_that_nobody_reads_stop_the_reading() {
    let mut rig = Rig::with(|config| {
        config.limits.window_frames = 8;
        config.timeouts.write = SHORT;
    })
    .await;
    let (mut sdk, client) = rig.connect().await;
    // Long ids make long answers, which fill the socket: then the window closes and the rest is not read.
    let call = format!("{{\"id\":\"{}\",\"method\":\"getGroupList\"}}", "x".repeat(900_000));
    let call = Frame::request(FrameKind::Rpc, FrameSeq::from_number(1), call.into());
    let sending = tokio::spawn(async move {
        for _ in 0..100 {
            if sdk.try_send(&call).await.is_err() {
                break;
            }
        }
    });
    assert_eq!(rig.disconnected().await, client);
    sending.await.unwrap();
    let statistics = rig.clients.statistics();
    assert!(statistics.frames_received < 60, "{statistics:?}");
    assert_eq!(statistics.sessions_not_draining, 1);
}

#[tokio::test]
async fn a_frozen_reader_loses_multicasts_gives_unicasts_back_and_is_cut() {
    let mut rig = Rig::with(|config| config.timeouts.write = SHORT).await;
    let (_frozen, client) = rig.connect().await;
    let (mut healthy, other) = rig.connect().await;
    let piece = Bytes::from(vec![7; 1 << 20]);
    for number in 0..40 {
        rig.deliver(client, Kind::Multicast, "t", piece.clone(), number).unwrap();
    }
    assert!(rig.clients.statistics().deliveries_dropped > 0, "the queue holds 24 MiB");
    let returned = rig.deliver(client, Kind::Unicast, "t", piece.clone(), 99).unwrap_err();
    assert!(matches!(*returned, ClientOutput::Deliver { kind: Kind::Unicast, .. }));
    rig.deliver(other, Kind::Unicast, "t", piece.clone(), 100).unwrap();
    assert_eq!(healthy.expect_frame().await.length(), 42 + 2 + piece.len());
    assert_eq!(rig.disconnected().await, client);
    rig.deliver(client, Kind::Unicast, "t", piece, 101).unwrap_err();
    assert_eq!(rig.clients.statistics().sessions_not_draining, 1);
    healthy.expect_silence().await;
}

#[tokio::test]
async fn the_queue_is_bounded_in_messages_too() {
    let mut rig = Rig::with(|config| config.limits.queue_frames = 3).await;
    let (_sdk, client) = rig.connect().await;
    // The session's task cannot run before the test awaits something: nothing leaves the queue meanwhile.
    for number in 0..3 {
        rig.deliver(client, Kind::Unicast, "t", Bytes::new(), number).unwrap();
    }
    rig.deliver(client, Kind::Unicast, "t", Bytes::new(), 3).unwrap_err();
    rig.deliver(client, Kind::Multicast, "t", Bytes::new(), 4).unwrap();
    let statistics = rig.clients.statistics();
    assert_eq!((statistics.deliveries_refused, statistics.deliveries_dropped), (1, 1));
}

#[tokio::test]
async fn an_idle_session_is_closed() {
    let mut rig = Rig::with(|config| config.timeouts.idle = SHORT).await;
    let (mut sdk, client) = rig.connect().await;
    assert_eq!(rig.disconnected().await, client);
    sdk.expect_closed().await;
    assert_eq!(rig.clients.statistics().sessions_idle, 1);
}

#[tokio::test]
async fn silent_connections_are_closed_and_hold_up_nobody() {
    let mut rig = Rig::with(|config| config.timeouts.handshake = SHORT).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(rig.address).await.unwrap());
    }
    let (mut sdk, _) = rig.connect().await;
    sdk.expect_silence().await;
    for mut connection in silent {
        assert_ended(timeout(PATIENCE, connection.read(&mut [0])).await.expect("the deadline is absolute"));
    }
    assert_eq!(rig.clients.statistics().connections_refused, 100);
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once_and_places_come_back() {
    let mut rig = Rig::with(|config| config.limits.connections = 1).await;
    let (sdk, client) = rig.connect().await;
    let mut refused = TcpStream::connect(rig.address).await.unwrap();
    assert_ended(timeout(PATIENCE, refused.read(&mut [0])).await.expect("it is closed at once"));
    drop(sdk);
    assert_eq!(rig.disconnected().await, client);
    // The place is free a moment after the core has heard of it.
    timeout(PATIENCE, async {
        while rig.try_sdk().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the place comes back");
}

#[tokio::test]
async fn at_shutdown_what_is_in_flight_is_answered_and_nothing_new_taken() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    sdk.send(&amop_frame(FrameKind::Unicast, 1, "t", Bytes::new())).await;
    rig.publish().await;
    rig.shutdown.cancel();
    timeout(PATIENCE, async { while TcpStream::connect(rig.address).await.is_ok() {} })
        .await
        .expect("it stops listening");
    sdk.send(&amop_frame(FrameKind::Unicast, 2, "t", Bytes::new())).await;
    assert_eq!(sdk.expect_frame().await, failure(2, 100));
    rig.reply(client, seq(1), 0, "t", b"done");
    assert_eq!(&sdk.expect_frame().await.body[..], b"\x02tdone");
    sdk.expect_closed().await;
    assert_eq!(rig.input().await, ClientInput::Disconnected { client });
    timeout(PATIENCE, &mut rig.running).await.expect("the gateway ends").unwrap();
}

#[tokio::test]
async fn at_shutdown_answers_that_do_not_come_are_not_waited_for() {
    let mut rig = Rig::with(|config| config.timeouts.drain = SHORT).await;
    let (mut sdk, _) = rig.connect().await;
    sdk.send(&amop_frame(FrameKind::Unicast, 1, "t", Bytes::new())).await;
    rig.publish().await;
    rig.shutdown.cancel();
    timeout(PATIENCE, &mut rig.running).await.expect("the gateway ends").unwrap();
    sdk.expect_closed().await;
}

fn assert_ended(read: io::Result<usize>) {
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn a_long_acknowledgement_takes_its_room_until_nobody_has_it() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    rig.deliver(client, Kind::Unicast, "t", Bytes::new(), 1).unwrap();
    let delivered = sdk.expect_frame().await;
    let body = AmopBody::new("t", vec![7; 1 << 20].into()).unwrap().pack();
    sdk.send(&delivered.answer(FrameKind::Answer, ResultCode::OK, body)).await;
    let ClientInput::Acknowledge { data, .. } = rig.input().await else { panic!("an acknowledgement") };
    assert_eq!(data.len(), 1 << 20);
    assert!(rig.clients.statistics().intake_bytes >= 1 << 20, "the core has it");
    drop(data);
    eventually(|| rig.clients.statistics().intake_bytes == 0).await;
}

#[tokio::test]
async fn sessions_of_one_certificate_belong_together_and_to_nobody_else_and_the_core_knows_before_they_are_there() {
    let mut rig = Rig::new().await;
    rig.add_sdk("other");
    let (_one, one) = rig.connect().await;
    let (_another, another) = rig.connect().await;
    let (_other, other) = rig.connect_as("other").await;
    assert_eq!(rig.tenants[&one], rig.tenants[&another]);
    assert_ne!(rig.tenants[&one], rig.tenants[&other]);
}
