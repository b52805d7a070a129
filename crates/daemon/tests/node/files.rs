//! Files between nodes over real links.

use std::{fs, path::PathBuf, time::Duration};

use nuncio_admin::api::{ErrorCode, FileOffer, FileProgress, FileState};
use nuncio_node::{
    Incoming,
    service::{self, Answer, FileChunk, Request},
};
use nuncio_testkit::TestAuthority;
use sha2::{Digest, Sha256};
use tokio::time::{sleep, timeout};

use crate::{
    audit::entries,
    rig::{DEADLINE, Home, Running, peers},
};

fn offer(name: &str, content: &[u8]) -> FileOffer {
    let (name, length) = (name.to_owned(), content.len() as u64);
    FileOffer { name, length, sha256: hex::encode(Sha256::digest(content)) }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).flat_map(|number| number.to_be_bytes()).take(bytes).collect()
}

/// Offers until the node says something else than this.
async fn until_not(node: &Running, to: &str, offer: &FileOffer, state: FileState) -> FileProgress {
    let asked = async {
        loop {
            let progress = node.client.offer_file(to, offer).await.unwrap();
            if progress.state != state {
                return progress;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(DEADLINE, asked).await.expect("in time")
}

async fn send(node: &Running, to: &str, name: &str, content: &[u8]) -> FileProgress {
    let wanted = offer(name, content);
    let FileProgress { transfer, received, state } = until_not(node, to, &wanted, FileState::Busy).await;
    if state == FileState::Receiving {
        let rest = content[received as usize..].to_vec().into();
        node.client.send_pieces(to, transfer, received, rest).await.unwrap();
    }
    until_not(node, to, &wanted, FileState::Checking).await
}

fn placed(receiver: &Home, sender: &Home, name: &str) -> PathBuf {
    receiver.dir.path().join("files").join(sender.id.to_string()).join(name)
}

/// Waits until one node knows the other.
async fn knows(node: &Running, other: &Home) {
    node.node.wait_reachable(other.id, DEADLINE).await.unwrap();
}

const TAKES: &str = "[files]\ndirectory = \"files\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_crosses_a_relay_and_no_application_sees_anything_of_it() {
    let authority = TestAuthority::new();
    let receiver = Home::new(&authority, "receiver", &format!("target_degree = 0\n{TAKES}"));
    let far = receiver.start().await;
    let mut listener = far.node.listen(Vec::new(), true).await;
    let relay = Home::new(&authority, "relay", &format!("target_degree = 0\n{}", peers(&[far.p2p])));
    let middle = relay.start().await;
    let sender = Home::new(&authority, "sender", &format!("target_degree = 0\n{}", peers(&[middle.p2p])));
    let near = sender.start().await;
    knows(&near, &receiver).await;
    knows(&far, &sender).await;
    let (to, whole) = (receiver.id.to_string(), content(9_000_001));
    assert_eq!(send(&near, &to, "a.bin", &whole).await.state, FileState::Done);
    assert_eq!(fs::read(placed(&receiver, &sender, "a.bin")).unwrap(), whole);
    assert_eq!(send(&near, &to, "empty", b"").await.state, FileState::Done);
    let shown: Vec<_> = far.client.files().await.unwrap().into_iter().map(|file| (file.name, file.state)).collect();
    assert_eq!(shown, ["a.bin", "empty"].map(|name| (Some(name.to_owned()), FileState::Done)));
    assert_eq!(near.client.files().await.unwrap_err().failure(), Some(ErrorCode::NoHandler), "it takes none");
    let counted = &far.node.metrics().files;
    let both = async {
        while (counted.bytes.read(), counted.whole.read(), counted.open.read()) != (9_000_001, 2, 0) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, both).await.expect("they are counted");
    // A node that has no directory takes none.
    let refused = near.client.offer_file(&relay.id.to_string(), &offer("a", b"x")).await.unwrap_err();
    assert_eq!(refused.failure(), Some(ErrorCode::NoHandler));
    let asked = near.node.request(receiver.id, "hello".into(), DEADLINE);
    let heard = async {
        match listener.next().await.unwrap() {
            Incoming::Unicast { body, responder, .. } => {
                responder.reply(body.clone());
                body
            }
            other => panic!("{other:?}"),
        }
    };
    let (answer, first) = tokio::join!(asked, heard);
    assert_eq!((&answer.unwrap().body[..], &first[..]), (&b"hello"[..], &b"hello"[..]));
    for node in [near, middle, far] {
        node.stop().await;
    }
    let entries = entries(&receiver);
    let told: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "file_received").collect();
    assert_eq!(told.len(), 2, "one for each");
    assert_eq!((&told[0]["name"], &told[0]["bytes"]), (&"a.bin".into(), &9_000_001.into()));
    assert_eq!(told[0]["node"], sender.id.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lies_about_a_file_or_adds_to_that_of_another_gets_nowhere() {
    let authority = TestAuthority::new();
    let receiver = Home::new(&authority, "receiver", &format!("{TAKES}max_per_node = \"1MiB\"\n"));
    let far = receiver.start().await;
    let homes = ["owner", "thief"].map(|name| Home::new(&authority, name, &peers(&[far.p2p])));
    let [owner, thief] = [homes[0].start().await, homes[1].start().await];
    far.links(2).await;
    for (node, home) in [(&owner, &homes[0]), (&thief, &homes[1])] {
        knows(node, &receiver).await;
        knows(&far, home).await;
    }
    let (to, whole) = (receiver.id.to_string(), content(1000));
    let mine = until_not(&owner, &to, &offer("a", &whole), FileState::Busy).await;
    let put = |node: &Running, transfer, offset, data: &'static [u8]| {
        let (handle, target) = (node.node.clone(), receiver.id);
        let wanted = Request::FileChunk(FileChunk { transfer, offset, data: data.into() });
        async move { handle.ask_service(target, &wanted, DEADLINE).await.unwrap() }
    };
    let state = |answer: &Answer| match answer {
        Answer::FileProgress(progress) => Some(progress.state),
        _ => None,
    };
    assert_eq!(state(&put(&thief, mine.transfer, 0, b"evil").await), Some(service::FileState::Unknown));
    for offset in [997, 1000, 1 << 40, u64::MAX] {
        let answer = put(&owner, mine.transfer, offset, b"over").await;
        assert!(matches!(&answer, Answer::Refused { reason } if reason.contains("beyond the end")), "{answer:?}");
    }
    let too_long = offer("b", &content((1 << 20) + 1));
    let refused = owner.client.offer_file(&to, &too_long).await.unwrap_err();
    assert!(refused.to_string().contains("1048577 bytes"), "{refused}");
    // Its own node does not let it out; a node that does gets the same.
    for name in ["../a", "/etc/passwd", ".nuncio-parts"] {
        let bad = FileOffer { name: name.to_owned(), ..offer("a", b"x") };
        assert_eq!(thief.client.offer_file(&to, &bad).await.unwrap_err().failure(), Some(ErrorCode::BadRequest));
        let raw = Request::FileOffer(service::FileOffer { name: name.to_owned(), length: 1, sha256: [0; 32] });
        let answer = thief.node.ask_service(receiver.id, &raw, DEADLINE).await.unwrap();
        assert!(matches!(&answer, Answer::Refused { reason } if reason.contains("name")), "{answer:?}");
    }
    assert_eq!(send(&owner, &to, "a", &whole).await.state, FileState::Done);
    assert_eq!(fs::read(placed(&receiver, &homes[0], "a")).unwrap(), whole);
    assert!(!receiver.dir.path().join("a").exists());
    for node in [owner, thief, far] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_send_files_changes_while_the_node_runs() {
    let authority = TestAuthority::new();
    let receiver = Home::new(&authority, "receiver", TAKES);
    let far = receiver.start().await;
    let sender = Home::new(&authority, "sender", &peers(&[far.p2p]));
    let near = sender.start().await;
    knows(&near, &receiver).await;
    knows(&far, &sender).await;
    let to = receiver.id.to_string();
    assert_eq!(send(&near, &to, "a", b"first").await.state, FileState::Done);
    receiver.write(&format!("{TAKES}nodes = [\"{}\"]\n", receiver.id));
    far.reloader.reload().await.unwrap();
    let refused = near.client.offer_file(&to, &offer("b", b"second")).await.unwrap_err();
    assert_eq!(refused.failure(), Some(ErrorCode::Refused));
    assert!(refused.to_string().contains("may send no files"), "{refused}");
    receiver.write(&format!("{TAKES}nodes = [\"{}\"]\n", sender.id));
    far.reloader.reload().await.unwrap();
    assert_eq!(send(&near, &to, "b", b"second").await.state, FileState::Done);
    for node in [near, far] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_with_a_directory_that_another_has() {
    let authority = TestAuthority::new();
    let first = Home::new(&authority, "one", TAKES);
    let running = first.start().await;
    let directory = first.dir.path().join("files");
    let second = Home::new(&authority, "two", &format!("[files]\ndirectory = {directory:?}\n"));
    let refusal = second.refusal().await;
    assert!(refusal.to_string().contains("[files] directory") && refusal.to_string().contains("another process"));
    running.stop().await;
    second.start().await.stop().await;
}
