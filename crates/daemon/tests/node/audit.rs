//! What a node judges stands in its audit log.

use std::fs;

use nuncio_daemon::audit;
use nuncio_testkit::TestAuthority;
use serde_json::Value;

use crate::rig::{DEADLINE, Home, linked_pair, peers};

/// The entries of a node that has stopped; the log holds.
pub(crate) fn entries(home: &Home) -> Vec<Value> {
    let files = audit::files(&home.dir.path().join("data/audit")).unwrap();
    let report = audit::verify(&files, Some(home.id), None).unwrap();
    assert!(report.is_stopped && report.unsealed == 0, "{report:?}");
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>()).collect()
}

pub(crate) fn one<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    entries.iter().find(|entry| entry["kind"] == kind).unwrap_or_else(|| panic!("no {kind} in {entries:#?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admissions_lists_and_operators_are_recorded() {
    let authority = TestAuthority::new();
    let ([home, other], [first, second]) = linked_pair(&authority).await;
    first.client.set_access(&other.id.to_string(), nuncio_admin::api::Rule::Deny).await.unwrap();
    first.links(0).await;
    let own = first.client.set_access(&home.id.to_string(), nuncio_admin::api::Rule::Deny).await.unwrap_err();
    assert!(own.to_string().contains("is this node"), "{own}");
    first.reloader.reload().await.unwrap();
    first.stop().await;
    second.stop().await;
    let entries = entries(&home);
    let (other, kinds) = (other.id.to_string(), entries.iter().map(|entry| entry["kind"].as_str().unwrap()));
    assert_eq!(kinds.take(2).collect::<Vec<_>>(), ["opened", "started"]);
    let admitted = one(&entries, "node_admitted");
    assert_eq!((&admitted["node"], &admitted["name"]), (&other.as_str().into(), &"two".into()));
    let act = one(&entries, "operator_acted");
    assert_eq!((&act["action"]["act"], &act["action"]["rule"]), (&"set_access".into(), &"deny".into()));
    assert_eq!((&act["actor"]["by"], &act["outcome"]), (&"process".into(), &"done".into()));
    assert_eq!(one(&entries, "node_expelled")["node"], other);
    assert_eq!(one(&entries, "configuration_changed")["actor"]["by"], "program");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_with_the_cause_and_a_reload_names_new_authorities() {
    let (ours, theirs) = (TestAuthority::new(), TestAuthority::named("their root", "theirs"));
    let (home, stranger) = (Home::new(&ours, "one", ""), Home::new(&theirs, "two", ""));
    let running = home.start().await;
    stranger.write(&peers(&[running.p2p]));
    let outside = stranger.start().await;
    // Waits for the refusal by its counter.
    let refused = async || {
        let mut events = running.client.events(&["node_refused".into()]).await.unwrap();
        events.next().await.unwrap().unwrap()
    };
    let event = tokio::time::timeout(DEADLINE, refused()).await.expect("it dials again and again");
    assert!(event["cause"].as_str().unwrap().contains("their root"), "{event}");
    let ca = home.dir.path().join("conf/ca.crt");
    let both = fs::read_to_string(&ca).unwrap() + &fs::read_to_string(stranger.dir.path().join("conf/ca.crt")).unwrap();
    fs::write(&ca, both).unwrap();
    running.reloader.reload().await.unwrap();
    running.stop().await;
    outside.stop().await;
    let entries = entries(&home);
    assert!(one(&entries, "authorities_changed")["added"][0].as_str().unwrap().contains("their root"));
    assert!(one(&entries, "node_refused")["cause"].as_str().unwrap().contains("their root"));
}
