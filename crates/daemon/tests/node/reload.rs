//! What changes while a node runs.

use std::{fs, path::Path, time::Duration};

use nuncio_daemon::{ReadingError, ReloadError};
use nuncio_pki::{
    Certificate,
    authority::{Authority, RevocationDates, Validity},
};
use nuncio_testkit::TestAuthority;
use rustls_pki_types::UnixTime;
use tokio::time::timeout;

use crate::{
    consortium::Consortium,
    rig::{DEADLINE, Home, linked_pair, peers},
    silent::Silent,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_takes_over_the_good_and_refuses_the_bad() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let (first, second) = (one.start().await, two.start().await);
    two.write(&peers(&[first.p2p]));
    second.reloader.reload().await.unwrap();
    second.links(1).await;

    let good = fs::read_to_string(two.file()).unwrap();
    fs::write(two.file(), format!("{good}\n[p2pp]\n")).unwrap();
    let error = second.reloader.reload().await.unwrap_err();
    assert!(error.to_string().contains("nuncio.toml:") && !error.hint().is_empty(), "{error}");
    fs::write(two.file(), format!("{good}\n[access]\ndeny = [\"{}\"]\n", one.id)).unwrap();
    let ca = fs::read(two.dir.path().join("conf/ca.crt")).unwrap();
    fs::write(two.dir.path().join("conf/ca.crt"), "no certificate").unwrap();
    assert!(second.reloader.reload().await.unwrap_err().to_string().contains("ca.crt"));
    second.links(1).await;
    assert_eq!(second.client.access().await.unwrap(), []);

    fs::write(two.dir.path().join("conf/ca.crt"), ca).unwrap();
    second.reloader.reload().await.unwrap();
    second.links(0).await;
    assert_eq!(second.client.access().await.unwrap()[0].origin, "config");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_taken_over_without_a_signal_and_a_bad_one_changes_nothing() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let (first, second) = (one.start().await, two.start().await);
    two.write(&peers(&[first.p2p]));
    second.links(1).await;
    // The watch takes a file when it has not changed for a second: three later it has seen this one.
    two.write("peers = [\"nonsense\"]\n");
    let kept = timeout(Duration::from_secs(3), second.links(0)).await;
    assert!(kept.is_err(), "a bad file changes nothing");
    assert_eq!(second.configured().await, [first.p2p.to_string()]);
    two.write("");
    second.links(0).await;
    first.stop().await;
    second.stop().await;
}

/// Trusts the authorities of both files from now on.
fn trust_both(home: &Home, other: &Home) {
    let ca = |home: &Home| fs::read_to_string(home.dir.path().join("conf/ca.crt")).unwrap();
    fs::write(home.dir.path().join("conf/ca.crt"), ca(home) + &ca(other)).unwrap();
}

fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// A consortium changes its root: first everyone trusts both, then nodes move over one by one, then the old one goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_is_replaced_while_the_nodes_run() {
    let (old, new) = (TestAuthority::named("old root", "agency"), TestAuthority::named("new root", "agency"));
    let (one, two) = (Home::new(&old, "one", ""), Home::new(&old, "two", ""));
    let (next_one, next_two) = (Home::new(&new, "one", ""), Home::new(&new, "two", ""));
    let (first, second) = (one.start().await, two.start().await);
    two.write(&peers(&[first.p2p]));
    second.reloader.reload().await.unwrap();
    second.links(1).await;

    trust_both(&one, &next_one);
    trust_both(&two, &next_two);
    first.reloader.reload().await.unwrap();
    second.reloader.reload().await.unwrap();
    // A node of the new root joins those of the old one.
    next_two.write(&peers(&[first.p2p]));
    trust_both(&next_two, &two);
    let moved = next_two.start().await;
    moved.links(2).await;
    first.links(2).await;

    // The old root goes: the node that is still of it is turned away, the one that has moved stays with its own.
    copy(&next_one.dir.path().join("conf"), &next_two.dir.path().join("conf"), &["ca.crt"]);
    moved.reloader.reload().await.unwrap();
    moved.links(0).await;
    first.links(1).await;
    moved.stop().await;
    second.stop().await;
    first.stop().await;
}

/// The list came over the network below the old root. It counts below the new one too, and after a start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_revoked_does_not_come_back_when_the_root_is_retired() {
    let consortium = Consortium::new();
    let [one, two, lost] = ["one", "two", "lost"].map(|name| consortium.home(name, Validity::days(9), ""));
    let leaf = Certificate::load(&lost.dir.path().join("conf/node.crt")).unwrap().remove(0);
    let agency = Authority::open(&consortium.agency()).unwrap();
    agency.revoke(&leaf).unwrap();
    fs::copy(agency.crl_path(), two.dir.path().join("conf/list.crl")).unwrap();
    let first = one.start().await;
    let mut taken = first.client.events(&["list_taken".into()]).await.unwrap();
    two.write(&format!("{}[identity]\ncrl = [\"conf/list.crl\"]\n", peers(&[first.p2p])));
    let second = two.start().await;
    timeout(DEADLINE, taken.next()).await.expect("it spreads in time").unwrap().unwrap();
    second.stop().await;

    consortium.replace_root(&[&one, &lost]);
    first.reloader.reload().await.unwrap();
    let mut running = first;
    for _ in 0..2 {
        let mut refusals = running.client.events(&["node_refused".into()]).await.unwrap();
        lost.write(&peers(&[running.p2p]));
        let third = lost.start().await;
        let refusal = timeout(DEADLINE, refusals.next()).await.expect("refused in time").unwrap().unwrap();
        assert_eq!(refusal["refused"], serde_json::json!({ "door": "p2p", "cause": "revoked" }), "{refusal}");
        third.stop().await;
        running.stop().await;
        running = one.start().await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_swapped_is_named_and_not_shown_as_in_force() {
    let home = Home::new(&TestAuthority::new(), "one", "");
    let running = home.start().await;
    home.write("network = \"other\"\npeers = [\"127.0.0.1:9\"]\n[audit]\nkeep_files = 9\n[access]\n");
    running.reloader.reload().await.unwrap();
    let keys = running.client.configuration().await.unwrap();
    let named = |name: &str| keys.iter().find(|key| key.key == name).unwrap().clone();
    let (network, peers) = (named("p2p.network"), named("p2p.peers"));
    assert_eq!((&network.value, network.is_waiting, &network.waiting), (&"nuncio".into(), true, &"other".into()));
    assert_eq!((peers.value, peers.is_waiting), (vec!["127.0.0.1:9"].into(), false));
    assert_eq!(running.client.info().await.unwrap().network, "nuncio", "what is in force");
    let waiting: Vec<_> = keys.iter().filter(|key| key.is_waiting).map(|key| key.key.as_str()).collect();
    assert_eq!(waiting, ["p2p.network", "audit.keep_files"]);
    let warnings = running.client.status().await.unwrap().warnings;
    assert!(warnings.iter().any(|one| one.contains("p2p.network: \"other\" in the file")), "{warnings:?}");
    // Taken back, nothing waits.
    home.write("");
    running.reloader.reload().await.unwrap();
    assert!(running.client.configuration().await.unwrap().iter().all(|key| !key.is_waiting));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_read_in_time_ends_the_reload_and_the_node_goes_on() {
    let authority = TestAuthority::new();
    let (homes, [first, second]) = linked_pair(&authority).await;
    let silent = Silent::make(&homes[1].dir.path().join("conf/node.key"));
    let mut events = second.client.events(&["configuration_refused".into()]).await.unwrap();
    let refused = timeout(DEADLINE, second.reloader.reload()).await.expect("it ends").unwrap_err();
    assert!(matches!(refused, ReloadError::Reading(ReadingError::Slow)) && !refused.hint().is_empty(), "{refused}");
    let event = timeout(DEADLINE, events.next()).await.expect("it is told").unwrap().unwrap();
    assert!(event["cause"].as_str().unwrap().contains("does not answer"), "{event}");
    second.links(1).await;
    drop(silent);
    second.reloader.reload().await.unwrap();
    second.stop().await;
    first.stop().await;
}

fn append(home: &Home, text: &str) {
    let before = fs::read_to_string(home.file()).unwrap();
    fs::write(home.file(), before + text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_required_from_a_reload_on_and_what_is_missing_is_told_before_anybody_is_refused() {
    let authority = TestAuthority::new();
    let (homes, [first, second]) = linked_pair(&authority).await;
    let asked = "[identity]\ncrl_policy = \"hard\"\n";
    append(&homes[0], asked);
    first.reloader.reload().await.unwrap();
    let told = first.client.status().await.unwrap().warnings;
    assert!(
        told.iter().any(|one| one.contains("no revocation list, and crl_policy is hard: nobody is admitted")),
        "{told:?}"
    );
    // Who is in stays, or no list could come; who comes is refused.
    first.links(1).await;
    let third = Home::new(&authority, "three", &format!("target_degree = 0\n{}", peers(&[first.p2p])));
    let late = third.start().await;
    let mut refusals = first.client.events(&["node_refused".into()]).await.unwrap();
    let refusal = timeout(DEADLINE, refusals.next()).await.expect("refused in time").unwrap().unwrap();
    assert!(refusal["cause"].as_str().unwrap().contains("revocation list"), "{refusal}");
    // Of one authority there is a list, which is due soon; of the other there is none. Both are told.
    let now = UnixTime::now().as_secs();
    let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
    let write = |next: u64| {
        let dates = RevocationDates { this_update: at(now - 3600), next_update: at(now + next) };
        let root = authority.root().revoke(&[], None, dates).unwrap().to_pem();
        let agency = authority.issuer().revoke(&[], None, dates).unwrap().to_pem();
        fs::write(homes[0].dir.path().join("conf/root.crl"), root).unwrap();
        fs::write(homes[0].dir.path().join("conf/agency.crl"), agency).unwrap();
    };
    write(600);
    let with = |lists: &str| {
        let text = fs::read_to_string(homes[0].file()).unwrap();
        let base = text.split(asked).next().unwrap().to_owned();
        fs::write(homes[0].file(), format!("{base}{asked}crl = {lists}\n")).unwrap();
    };
    with("[\"conf/root.crl\"]");
    first.reloader.reload().await.unwrap();
    let told = first.client.status().await.unwrap().warnings;
    assert!(told.iter().any(|one| one.contains("then nobody of that authority is admitted")), "{told:?}");
    assert!(
        told.iter()
            .any(|one| one.contains("no revocation list of") && one.contains("CN=agency,") && !one.contains("CN=root")),
        "{told:?}"
    );
    with("[\"conf/root.crl\", \"conf/agency.crl\"]");
    first.reloader.reload().await.unwrap();
    late.links(1).await;
    for node in [late, second, first] {
        node.stop().await;
    }
}
