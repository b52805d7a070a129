//! A node inside a program, as the README shows it.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use std::{error::Error as _, fs, path::Path, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_node::{AddPeerError, Node, PublishError, SpawnError};
use nuncio_protocol::{
    Topic,
    unicast::{UnicastError, Unknown},
};
use nuncio_testkit::TestAuthority;

#[path = "../examples/two_nodes.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program of its own")]
mod two_nodes;

const DEADLINE: Duration = Duration::from_secs(20);

/// A node's directory, as the command line makes it.
fn home(authority: &TestAuthority, directory: &Path, name: &str) -> std::path::PathBuf {
    let home = directory.join(name);
    fs::create_dir_all(&home).unwrap();
    authority.write_node_directory(&home.join("conf"), name);
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_talk_in_twenty_lines_that_stand_in_the_readme() {
    let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let [one, other] = ["one", "other"].map(|name| home(&authority, directory.path(), name));
    two_nodes::talk(&one, &other).await.unwrap();

    let example = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/two_nodes.rs")).unwrap();
    let talk = &example[example.find("pub async fn talk").unwrap()..];
    assert!(talk.lines().count() <= 20, "{} lines", talk.lines().count());
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    assert!(readme.contains(talk), "the README shows another program");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_wrong_is_an_error_with_a_hint() {
    let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let nobody = Node::builder().spawn().unwrap_err();
    assert!(matches!(nobody, SpawnError::NoIdentity) && nobody.hint().contains("Builder::directory"));
    let (identity, policy) = (authority.node("a"), authority.policy());
    let homeless = Node::builder().identity(identity.clone(), policy.clone()).spawn().unwrap_err();
    assert!(matches!(homeless, SpawnError::NoDataDirectory) && homeless.hint().contains("data_directory"));
    let empty = Node::builder().directory(directory.path()).spawn().unwrap_err();
    assert!(empty.to_string().contains("node.key") && !empty.hint().is_empty(), "{empty}");
    let deaf = Node::builder().identity(identity, policy).data_directory(directory.path()).listen("here").spawn();
    let deaf: Box<dyn std::error::Error> = Box::new(deaf.unwrap_err());
    assert!(deaf.to_string().contains("here") && deaf.source().is_none());
}

#[test]
fn outside_a_runtime_it_says_so() {
    let error = Node::builder().spawn().unwrap_err();
    assert!(matches!(error, SpawnError::NoRuntime) && error.hint().contains("tokio::main"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_nobody_reaches_is_told_in_time_and_after_the_end_every_error_says_so() {
    let (authority, directory) = (TestAuthority::new(), tempfile::tempdir().unwrap());
    let node =
        Node::builder().directory(home(&authority, directory.path(), "a")).listen("127.0.0.1:0").spawn().unwrap();
    let stranger: NodeId = authority.node("b").key.node_id();
    let late = node.wait_reachable(stranger, Duration::from_millis(10)).await.unwrap_err();
    assert!(late.to_string().contains(&stranger.short()) && late.source().is_none(), "{late}");

    let mut requests = node.listen(Vec::new(), true).await;
    let (asker, own) = (node.handle(), node.node_id());
    let unanswered = tokio::spawn(async move { asker.request(own, Bytes::from("?"), DEADLINE).await });
    let waiting = requests.next().await;
    let handle = node.handle();
    node.stop().await;
    let end = unanswered.await.unwrap();
    assert!(matches!(end, Err(UnicastError::Unknown(Unknown::Stopped | Unknown::Unanswered))), "{end:?}");
    drop(waiting);

    let stopped = handle.request(stranger, Bytes::new(), DEADLINE).await;
    assert_eq!(stopped, Err(UnicastError::Stopped));
    assert_eq!(handle.broadcast(Bytes::new()).await, Err(PublishError::Stopped));
    assert_eq!(handle.publish(Topic::new("t").unwrap(), Bytes::new()).await, Err(PublishError::Stopped));
    assert_eq!(handle.add_peer("127.0.0.1:1".into()).await, Err(AddPeerError::Stopped));
    assert!(handle.wait_reachable(stranger, DEADLINE).await.unwrap_err().to_string().contains("stopped"));
    assert!(handle.listen(Vec::new(), true).await.next().await.is_none());
}
