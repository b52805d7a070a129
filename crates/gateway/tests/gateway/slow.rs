//! SDKs that read slowly, not at all, or have vanished (reliability T35, T36).

use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_gateway::bounds::QUEUE_ENTRY;
use nuncio_identity::NodeKey;
use nuncio_protocol::{
    Account, MAX_BODY, Priority,
    amop::{ClientId, Kind},
};
use tokio::time::{interval, timeout};

use crate::rig::{Log, PATIENCE, Rig};

#[tokio::test]
async fn two_multicasts_of_the_greatest_length_wait_for_a_reader_and_the_first_drop_is_logged() {
    let (log, _capturing) = Log::capture();
    let mut rig = Rig::new().await;
    let (mut sdk, client) = rig.connect().await;
    // The session's task cannot run before the test awaits something: all four find what the others left.
    for number in 0..4 {
        rig.deliver(client, Kind::Multicast, "t", vec![number; MAX_BODY].into(), number.into()).unwrap();
    }
    for number in 0..2 {
        assert_eq!(sdk.expect_frame().await.body[2..], vec![number; MAX_BODY]);
    }
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().deliveries_dropped, 2);
    assert_eq!(log.count("a multicast was dropped"), 1, "{}", log.text());
    drop(sdk);
    assert_eq!(rig.disconnected().await, client);
    assert_eq!(log.count("dropped=2"), 1, "{}", log.text());
}

#[tokio::test]
async fn a_small_queue_holds_two_messages_all_the_same() {
    let mut rig = Rig::with(|config| config.limits.queue_bytes = 1).await;
    let (mut sdk, client) = rig.connect().await;
    for number in 0..3 {
        rig.deliver(client, Kind::Multicast, "t", vec![0; 1 << 20].into(), number).unwrap();
    }
    sdk.expect_frame().await;
    sdk.expect_frame().await;
    sdk.expect_silence().await;
    assert_eq!(rig.clients.statistics().deliveries_dropped, 1);
}

#[tokio::test]
async fn a_reader_that_is_slow_and_goes_on_is_kept_for_as_long_as_it_takes() {
    let limit = Duration::from_millis(800);
    let mut rig = Rig::with(|config| config.timeouts.write = limit).await;
    let (mut sdk, client) = rig.connect_narrow(64 << 10).await;
    let (began, body) = (Instant::now(), Bytes::from(vec![3; 4 << 20]));
    rig.deliver(client, Kind::Multicast, "t", body.clone(), 1).unwrap();
    // Seven hundred kilobytes a second.
    let mut pace = interval(Duration::from_millis(90));
    let frame = sdk.frame_at_pace(&mut pace, 64 << 10).await.expect("it is not cut");
    assert_eq!(frame.body[2..], body);
    assert!(began.elapsed() > 3 * limit, "it was slower than the limit: {:?}", began.elapsed());
    sdk.expect_silence().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_gone_within_its_idle_time_whatever_is_sent_to_it() {
    let idle = Duration::from_millis(600);
    let mut rig = Rig::with(|config| config.timeouts.idle = idle).await;
    let (silent, client) = rig.connect().await;
    let (began, mut pushes) = (Instant::now(), interval(Duration::from_millis(50)));
    let gone = timeout(PATIENCE, async {
        loop {
            tokio::select! {
                client = rig.inputs.recv() => return client,
                _ = pushes.tick() => drop(rig.clients.push_event(client, Bytes::from_static(b"{}"))),
            }
        }
    });
    assert_eq!(gone.await.expect("it goes"), Some(nuncio_protocol::amop::ClientInput::Disconnected { client }));
    assert!(began.elapsed() < 3 * idle, "{:?}", began.elapsed());
    assert_eq!(rig.clients.statistics().sessions_idle, 1);
    drop(silent);
}

#[tokio::test]
async fn the_queues_of_one_certificate_are_bounded_together_and_what_they_share_counts_once() {
    let mut rig = Rig::with(|config| {
        // Twice what one node's messages may have.
        config.limits.queue_bytes_per_certificate = 7 << 19;
        config.limits.queue_bytes_of_all = 11 << 19;
    })
    .await;
    rig.add_sdk("other");
    let message = |number: u8| Bytes::from(vec![number; 1 << 20]);
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(rig.connect().await);
    }
    // The sessions' tasks cannot run before the test awaits something: nothing leaves the queues meanwhile.
    let shared = message(0);
    for (_, client) in &sessions {
        rig.deliver(*client, Kind::Multicast, "t", shared.clone(), 0).unwrap();
    }
    rig.deliver(sessions[0].1, Kind::Multicast, "t", message(1), 1).unwrap();
    assert_eq!(rig.clients.statistics().deliveries_dropped, 0, "two messages in five queues");
    rig.deliver(sessions[1].1, Kind::Multicast, "t", message(2), 2).unwrap();
    rig.deliver(sessions[2].1, Kind::Unicast, "t", message(3), 3).expect_err("another subscriber may have room");
    let statistics = rig.clients.statistics();
    assert_eq!((statistics.deliveries_dropped, statistics.deliveries_refused), (1, 1));

    for (sdk, _) in &mut sessions {
        assert_eq!(sdk.expect_frame().await.body[2..], shared);
    }
    assert_eq!(sessions[0].0.expect_frame().await.body[2..], message(1));
    // What was written is counted no more, and another certificate has its own.
    let (mut other, other_client) = rig.connect_as("other").await;
    for number in 4..6 {
        rig.deliver(sessions[2].1, Kind::Multicast, "t", message(number), number.into()).unwrap();
    }
    rig.deliver(other_client, Kind::Multicast, "t", message(6), 6).unwrap();
    rig.deliver(other_client, Kind::Unicast, "t", message(7), 7).expect_err("all together have theirs");
    assert_eq!(other.expect_frame().await.body[2..], message(6));
    assert_eq!(rig.clients.statistics().deliveries_dropped, 1);
}

#[tokio::test]
async fn deliveries_that_are_not_acknowledged_take_room_after_they_were_written() {
    let mut rig = Rig::with(|config| config.limits.queue_bytes_per_certificate = 16 * QUEUE_ENTRY).await;
    let (mut sdk, client) = rig.connect().await;
    let mut taken = 0;
    while rig.deliver(client, Kind::Unicast, "t", Bytes::new(), taken).is_ok() {
        sdk.expect_frame().await;
        taken += 1;
    }
    // One place is the message's own, until it is written.
    assert!((6..=8).contains(&taken), "{taken} deliveries");
    assert_eq!(rig.clients.statistics().deliveries_refused, 1);
}

#[tokio::test]
async fn a_node_that_fills_a_clients_queue_leaves_room_and_turns_to_others() {
    for length in [1 << 20, 100] {
        let mut rig = Rig::with(|config| config.limits.queue_frames = 64).await;
        let (mut sdk, client) = rig.connect().await;
        let [hostile, other] = [(); 2].map(|()| Account::Of(NodeKey::generate().node_id()));
        let taken = fill(&rig, client, hostile, length);
        assert!(taken >= 20, "one alone has {taken} of 64 places, or of 24 MiB");
        for (account, number) in [(other, 1000), (Account::Own, 1001)] {
            let message = ("t", Bytes::from(vec![2; length]));
            rig.deliver_of((account, Priority::Normal), client, Kind::Unicast, message, number)
                .expect("it has its share");
        }
        let mut came = Vec::new();
        while came.iter().filter(|from| **from == 2).count() < 2 {
            came.push(*sdk.expect_frame().await.body.last().expect("a body"));
        }
        assert!(length == 100 || came.len() <= 8, "they have their turns: {came:?}");
    }
}

#[tokio::test]
async fn a_client_of_a_node_that_fills_anothers_queue_leaves_room_and_turns_to_others_of_its_node() {
    for length in [1 << 20, 100] {
        let mut rig = Rig::with(|config| config.limits.queue_frames = 64).await;
        let (mut sdk, client) = rig.connect().await;
        let node = NodeKey::generate().node_id();
        let [flooding, other] = [1, 2].map(|tenant| Account::Brought(node, tenant));
        let taken = fill(&rig, client, flooding, length);
        assert!(taken >= 18, "one alone has {taken} of 64 places, or of 24 MiB");
        let message = ("t", Bytes::from(vec![2; length]));
        rig.deliver_of((other, Priority::Normal), client, Kind::Unicast, message, 1000).expect("it has its portion");
        let mut came = Vec::new();
        while came.last() != Some(&2) {
            came.push(*sdk.expect_frame().await.body.last().expect("a body"));
        }
        assert!(length == 100 || came.len() <= 4, "they have their turns: {came:?}");
    }
}

#[tokio::test]
async fn a_node_that_invents_a_thousand_clients_has_no_more_room_than_with_none() {
    for length in [1 << 20, 100] {
        let mut held = Vec::new();
        for invented in [0, 1000] {
            let mut rig = Rig::with(|config| config.limits.queue_frames = 64).await;
            let (_sdk, client) = rig.connect().await;
            let node = NodeKey::generate().node_id();
            let accounts = (0..invented).map(|tenant| Account::Brought(node, tenant)).chain([Account::Of(node)]);
            let taken: u64 = accounts.map(|account| fill(&rig, client, account, length)).sum();
            let others = fill(&rig, client, Account::Of(NodeKey::generate().node_id()), length);
            held.push((taken, others));
        }
        assert_eq!(held[0], held[1]);
        assert!(held[0].1 > 0);
    }
}

/// Sends a client as much on an account as there is room for; says how many that are. Its session's task cannot run before the test
/// awaits something: nothing leaves the queue meanwhile.
fn fill(rig: &Rig, client: ClientId, account: Account, length: usize) -> u64 {
    let flood = Bytes::from(vec![1; length]);
    let deliver =
        |number| rig.deliver_of((account, Priority::Normal), client, Kind::Unicast, ("t", flood.clone()), number);
    (0..).take_while(|number| deliver(*number).is_ok()).count() as u64
}
