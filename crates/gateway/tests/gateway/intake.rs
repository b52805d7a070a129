//! Frames that are begun and not ended (reliability T34): they share a room, and leave everybody else theirs.

use std::time::Duration;

use bytes::Bytes;
use nuncio_channel_protocol::FrameKind;
use nuncio_protocol::amop::ClientInput;

use crate::rig::{Rig, Sdk, amop_frame, eventually};

const MIB: usize = 1 << 20;

/// Room for three frames of [`frame`] for one certificate, for five in all.
async fn rig(limit: Duration) -> Rig {
    Rig::with(|config| {
        config.limits.intake_bytes_per_certificate = 3 * MIB + MIB / 2;
        config.limits.intake_bytes = 5 * MIB + MIB / 2;
        config.timeouts.intake = limit;
    })
    .await
}

/// A multicast of 1 MiB to `topic`.
fn frame(topic: &str) -> Bytes {
    amop_frame(FrameKind::Multicast, 1, topic, vec![7; MIB].into()).to_bytes()
}

/// Connects sessions that each send a frame but for its last byte.
async fn begin(rig: &mut Rig, directory: &str, count: usize) -> Vec<Sdk> {
    let frame = frame("unfinished");
    let mut held = Vec::new();
    for _ in 0..count {
        let mut sdk = rig.connect_as(directory).await.0;
        sdk.send_bytes(&frame[..frame.len() - 1]).await;
        held.push(sdk);
    }
    held
}

/// Waits for the next publish, which is to `topic`.
async fn expect_publish(rig: &mut Rig, topic: &str) {
    loop {
        match rig.input().await {
            ClientInput::Publish { topic: published, .. } => return assert_eq!(published.as_str(), topic),
            ClientInput::Disconnected { .. } | ClientInput::Connected { .. } => {}
            other => panic!("a publish, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn unfinished_frames_of_one_certificate_hold_its_room_and_no_more_and_harm_nobody() {
    let mut rig = rig(Duration::from_secs(3600)).await;
    rig.add_sdk("other");
    let mut held = begin(&mut rig, "sdk", 12).await;
    let frame_length = frame("unfinished").len() as u64;
    eventually(|| rig.clients.statistics().intake_bytes == 3 * frame_length).await;

    let (mut small, _) = rig.connect().await;
    small.expect_silence().await;
    small.send(&amop_frame(FrameKind::Multicast, 2, "small", vec![1; 4096].into())).await;
    expect_publish(&mut rig, "small").await;
    let (mut other, _) = rig.connect_as("other").await;
    other.send_bytes(&frame("other")).await;
    expect_publish(&mut rig, "other").await;
    assert!(rig.clients.statistics().intake_bytes <= 3 * frame_length);

    // Whatever was begun can be ended, by every session in its turn, though all had begun before.
    for sdk in &mut held {
        sdk.send_bytes(&[7]).await;
        expect_publish(&mut rig, "unfinished").await;
    }
    eventually(|| rig.clients.statistics().intake_bytes == 0).await;
    assert_eq!(rig.clients.statistics().sessions, 14, "nobody was cut");
}

#[tokio::test]
async fn unfinished_frames_of_many_certificates_hold_the_common_room_and_no_more() {
    let mut rig = rig(Duration::from_secs(3600)).await;
    let mut held = Vec::new();
    for name in ["a", "b", "c"] {
        rig.add_sdk(name);
        held.push(begin(&mut rig, name, 3).await);
    }
    let frame_length = frame("unfinished").len() as u64;
    eventually(|| rig.clients.statistics().intake_bytes == 5 * frame_length).await;
    let (mut small, _) = rig.connect().await;
    small.expect_silence().await;
    assert_eq!(rig.clients.statistics().intake_bytes, 5 * frame_length);
    drop(held);
    eventually(|| rig.clients.statistics().sessions == 1).await;
    assert_eq!(rig.clients.statistics().intake_bytes, 0);
}

#[tokio::test]
async fn a_frame_that_does_not_come_on_is_cut_when_another_waits_for_its_room_and_not_before() {
    let mut rig = rig(Duration::from_millis(300)).await;
    let stuck = begin(&mut rig, "sdk", 3).await;
    eventually(|| rig.clients.statistics().intake_bytes > 3 * MIB as u64).await;
    // Longer than the limit, and nobody waits: nobody is cut.
    assert!(tokio::time::timeout(Duration::from_secs(1), rig.inputs.recv()).await.is_err());

    let (mut honest, _) = rig.connect().await;
    honest.send_bytes(&frame("honest")).await;
    expect_publish(&mut rig, "honest").await;
    assert!(rig.clients.statistics().sessions_unfinished > 0);
    honest.expect_silence().await;
    drop(stuck);
}
