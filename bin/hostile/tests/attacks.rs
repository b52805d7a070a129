//! The attacks on a node of this process: what gossipsub, the multiplexer or the streams of a link would not tell is seen.
//! The laboratory tries all of them at full rate among four nodes.

use std::{process::Stdio, sync::Arc, time::Duration};

use nuncio_node::{Config, PeerSnapshot, PeerState, build};
use nuncio_testkit::TestAuthority;
use tokio::{process::Command, sync::Mutex};
use tokio_util::sync::CancellationToken;

/// Until a ban, with the time that the attacker takes to start on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

/// An attack takes a processor by itself: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What the node says of a member that attacks it.
async fn banned_for(attack: &str) -> String {
    let _alone = ALONE.lock().await;
    let (authority, data) = (TestAuthority::new(), tempfile::tempdir().expect("a directory"));
    let certs = data.path().join("hostile");
    let attacker = authority.write_node_directory(&certs, "hostile");
    let mut config =
        Config::new(Arc::new(authority.node("victim")), authority.shared_policy(), data.path().join("data"));
    config.listen = vec!["127.0.0.1:0".into()];
    let victim = build(config).expect("a node");
    let (handle, address, shutdown) = (victim.handle(), victim.listen_addresses()[0], CancellationToken::new());
    let running = tokio::spawn(victim.run(shutdown.clone()));
    let program = Command::new(env!("CARGO_BIN_EXE_nuncio-hostile"))
        .args([attack, "--victim", &address.to_string(), "--rate", "5000", "--seconds", "90", "--certs"])
        .arg(&certs)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the attacker starts");
    let mut snapshots = handle.snapshots();
    let is_it = |peer: &&PeerSnapshot| peer.state == PeerState::Banned && peer.node_id == Some(attacker);
    let seen = snapshots.wait_for(|snapshot| snapshot.peers.iter().any(|peer| is_it(&peer)));
    let snapshot = tokio::time::timeout(DEADLINE, seen).await.expect("it is banned").expect("the node runs");
    let reason = snapshot.peers.iter().find(is_it).and_then(|peer| peer.last_error.clone());
    drop((snapshot, program));
    let counted = async {
        while handle.metrics().refused.gate.sum() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, counted).await.expect("its strikes are among what is refused");
    shutdown.cancel();
    running.await.expect("a node ends in order");
    reason.expect("a reason")
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_that_cannot_be_read_is_seen() {
    for attack in ["junk-gossip", "foreign-gossip", "oversize"] {
        let reason = banned_for(attack).await;
        assert!(reason.contains("no message"), "{attack}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pulses_in_the_name_of_another_are_seen() {
    let reason = banned_for("forged-pulses").await;
    assert!(reason.contains("no message"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gossip_brought_again_is_seen() {
    let reason = banned_for("replay-gossip").await;
    assert!(reason.contains("sends messages again"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_without_end_are_seen() {
    let reason = banned_for("control").await;
    assert!(reason.contains("more than its budget"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_queries_and_statuses_that_are_none_are_seen() {
    for (attack, said) in [
        ("junk-frames", "no message"),
        ("introductions", "no message"),
        ("junk-queries", "no message"),
        ("forged-statuses", "hold"),
    ] {
        let reason = banned_for(attack).await;
        assert!(reason.contains(said), "{attack}: {reason}");
    }
}
