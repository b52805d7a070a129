//! Strangers at the door.

use std::time::Duration;

use nuncio_testkit::crowd::Crowd;
use tokio::time::timeout;

use crate::rig::Rig;

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
