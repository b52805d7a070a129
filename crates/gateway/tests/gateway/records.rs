use bytes::Bytes;
use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq};
use nuncio_protocol::amop::Kind;

use crate::rig::{Rig, Sdk};

/// Plaintext lengths of the application data records received after the first `skipped` bytes.
fn records(sdk: &Sdk, skipped: usize) -> Vec<usize> {
    let raw = sdk.raw();
    let raw = raw.lock().unwrap();
    let mut rest = &raw[skipped..];
    let mut lengths = Vec::new();
    while let [kind, _, _, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        assert_eq!(kind, 23, "application data only");
        lengths.push(length - sdk.record_overhead());
        rest = &rest[5 + length..];
    }
    lengths
}

/// Many frames queued at once leave in one go, and still each begins a record of its own.
#[tokio::test]
async fn every_frame_begins_a_record() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let skipped = sdk.raw().lock().unwrap().len();
    let sizes = [0, 5, 100, 20_000, 1, 16_384 - 44, 16_384 - 43, 70_000, 3, 3];
    for (number, size) in sizes.into_iter().enumerate() {
        rig.deliver(client, Kind::Multicast, "t", vec![1; size].into(), number as u64).unwrap();
    }
    for size in sizes {
        assert_eq!(sdk.expect_frame().await.length(), 44 + size);
    }
    let mut records = records(&sdk, skipped).into_iter();
    for size in sizes {
        let mut left = 44 + size;
        while left > 0 {
            left =
                left.checked_sub(records.next().expect("as many bytes as frames")).expect("no record holds two frames");
        }
    }
    assert_eq!(records.next(), None);
}

#[tokio::test]
async fn small_frames_have_exactly_one_record_each() {
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    let skipped = sdk.raw().lock().unwrap().len();
    // Answers of the gateway's own and deliveries, mixed.
    for number in 0..50 {
        sdk.send(&Frame::request(FrameKind::Heartbeat, FrameSeq::from_number(number), Bytes::from_static(b"0"))).await;
        rig.deliver(client, Kind::Unicast, "t", Bytes::new(), number as u64).unwrap();
    }
    let mut lengths = Vec::new();
    for _ in 0..100 {
        lengths.push(sdk.expect_frame().await.length());
    }
    assert_eq!(records(&sdk, skipped), lengths);
}
