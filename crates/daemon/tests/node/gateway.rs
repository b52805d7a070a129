//! SDKs at a whole node.

use std::{fs, path::Path, time::Duration};

use nuncio_channel_client::{CallError, Client, FileError, InboxOptions, PublishError};
use nuncio_testkit::TestAuthority;
use serde_json::{Value, json};

use crate::rig::{DEADLINE, Home, Running, linked_pair};

async fn sdk(node: &Running, home: &Home) -> Client {
    let address = node.gateway.unwrap().to_string();
    Client::builder().node(address).certificates(home.dir.path().join("sdk")).connect().await.unwrap()
}

fn code(outcome: Result<Value, CallError>) -> i64 {
    match outcome {
        Err(CallError::Rpc { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sdk_of_an_operator_manages_peers_and_no_other_does() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    authority.write_sdk_directory(&two.dir.path().join("sdk"), false);
    let (first, second) = (one.start().await, two.start().await);
    let client = sdk(&second, &two).await;
    let peer = first.p2p.to_string();
    let refused = client.call("addPeers", json!([[peer]])).await;
    let words = refused.as_ref().unwrap_err().to_string();
    assert_eq!(code(refused), -40012);

    // The refusal names the key to write into the configuration.
    let key = words.split_whitespace().find(|word| word.len() == 128).unwrap();
    let text =
        std::fs::read_to_string(two.file()).unwrap().replacen("[p2p]", &format!("operators = [\"{key}\"]\n[p2p]"), 1);
    std::fs::write(two.file(), text).unwrap();
    second.reloader.reload().await.unwrap();
    let done = client.call("addPeers", json!([[peer]])).await.unwrap();
    assert_eq!(done["code"], "0x0");
    second.links(1).await;
    assert_eq!(client.call("queryPeers", json!([])).await.unwrap(), json!([peer]));
    client.call("erasePeers", json!([peer])).await.unwrap();
    second.links(0).await;
    assert_eq!(client.call("queryPeers", json!([])).await.unwrap(), json!([]));
    assert_eq!(code(client.call("addPeers", json!(["nowhere"])).await), -32602);
    assert_eq!(code(client.call("erasePeers", json!([peer])).await), -32603);
    second.stop().await;
    first.stop().await;
}

/// As it ends links.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_is_taken_away_takes_its_sdks_with_it_and_leaves_the_others() {
    let (ours, theirs) = (TestAuthority::named("our root", "agency"), TestAuthority::named("their root", "agency"));
    let home = Home::new(&ours, "one", "");
    let configured = fs::read_to_string(home.file()).unwrap();
    fs::write(home.file(), configured.replacen("[gateway]", "[gateway]\nsame_agency = false", 1)).unwrap();
    let ca = home.dir.path().join("conf/ca.crt");
    let own = fs::read_to_string(&ca).unwrap();
    fs::write(&ca, own.clone() + &theirs.root_certificate().to_pem()).unwrap();
    ours.write_sdk_directory(&home.dir.path().join("sdk"), false);
    let running = home.start().await;
    let guests = Home::new(&theirs, "guest", "");
    theirs.write_sdk_directory(&guests.dir.path().join("sdk"), false);
    fs::write(guests.dir.path().join("sdk/ca.crt"), ours.root_certificate().to_pem()).unwrap();
    let (stays, _goes) = (sdk(&running, &home).await, sdk(&running, &guests).await);
    assert_eq!(running.client.sdk_certificates().await.unwrap().len(), 2);
    let mut events = running.client.events(&["sdk_expelled".into()]).await.unwrap();
    fs::write(&ca, own).unwrap();
    running.reloader.reload().await.unwrap();
    let event = tokio::time::timeout(DEADLINE, events.next()).await.expect("it is told").unwrap().unwrap();
    assert!(event["subject"].as_str().unwrap().contains("sdk"), "{event}");
    // It is told when it is decided; the session ends a moment later.
    let one_is_left = async {
        loop {
            let left = running.client.sdk_certificates().await.unwrap();
            if left.len() == 1 {
                break left;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let left = tokio::time::timeout(DEADLINE, one_is_left).await.expect("the other one has gone");
    assert!(left[0].chain.concat().contains(&ours.agency_certificate().to_pem()));
    stays.call("getClientVersion", json!([])).await.unwrap();
    let again =
        Client::builder().node(running.gateway.unwrap().to_string()).certificates(guests.dir.path().join("sdk"));
    assert!(again.connect().await.is_err(), "nor does it come in again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_whom_sdks_stand_is_told_of_every_node_and_of_one_that_does_not_answer_why() {
    let authority = TestAuthority::new();
    let (homes, [first, second]) = linked_pair(&authority).await;
    for (name, is_rsa) in [("sdk", false), ("rsa", true)] {
        authority.write_client_directory(&homes[1].dir.path().join(name), name, is_rsa);
    }
    let of = |name: &str| {
        let address = second.gateway.unwrap().to_string();
        Client::builder().node(address).certificates(homes[1].dir.path().join(name)).connect()
    };
    let _sdks = [of("sdk").await.unwrap(), of("sdk").await.unwrap()];
    // A link is there before a way to ask.
    let mut snapshots = first.node.snapshots();
    let reached = snapshots.wait_for(|now| now.nodes.iter().filter(|node| node.reachable).count() == 2);
    tokio::time::timeout(DEADLINE, reached).await.expect("both know each other").unwrap();
    for asked in [&first, &second] {
        let told = asked.client.network_sdks().await.unwrap();
        assert_eq!(told.len(), 2);
        for node in told {
            let at_second = node.node_id == homes[1].id.to_string();
            let sessions: Vec<_> = node.authorities.iter().map(|one| one.sessions).collect();
            assert_eq!((sessions, node.others, node.error), (if at_second { vec![2] } else { vec![] }, 0, None));
            for one in node.authorities {
                let own = [authority.agency_certificate(), authority.root_certificate()].map(|one| one.to_pem());
                assert_eq!(one.chain, own, "whoever issued it, and nothing of the SDK");
            }
        }
    }
    second.stop().await;
    // What the network said may be told again for a second.
    let gone = async {
        loop {
            let told = first.client.network_sdks().await.unwrap();
            let gone = told.into_iter().find(|node| node.node_id == homes[1].id.to_string()).unwrap();
            if gone.error.is_some() {
                return gone;
            }
        }
    };
    let gone = tokio::time::timeout(DEADLINE, gone).await.expect("it is said why nothing is told");
    assert!(gone.authorities.is_empty(), "{gone:?}");
    first.stop().await;
}

/// Two nodes with an SDK at each, and a directory for files.
async fn correspondents() -> ([Home; 2], [Running; 2], [Client; 2], tempfile::TempDir) {
    let authority = TestAuthority::new();
    let (homes, nodes) = linked_pair(&authority).await;
    for home in &homes {
        authority.write_sdk_directory(&home.dir.path().join("sdk"), false);
    }
    let clients = [sdk(&nodes[0], &homes[0]).await, sdk(&nodes[1], &homes[1]).await];
    (homes, nodes, clients, tempfile::tempdir().unwrap())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Sends until the topic is known at the sender's node.
async fn send(client: &Client, path: &Path, steps: &mut Vec<u64>) -> Result<u64, FileError> {
    loop {
        match client.send_file("files", path, |progress| steps.push(progress.received)).await {
            Err(FileError::Publish(PublishError::NoSubscriber { .. })) => tokio::task::yield_now().await,
            outcome => return outcome.map(|sent| sent.size),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_in_chunks_from_client_to_client() {
    let (_homes, nodes, [sender, receiver], dir) = correspondents().await;
    let (out, sent) = (dir.path().join("out"), dir.path().join("report.bin"));
    fs::create_dir(&out).unwrap();
    let content: Vec<u8> = (0..(5_u32 << 19) + 77).map(|number| number.to_le_bytes()[1]).collect();
    fs::write(&sent, &content).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let mut options = InboxOptions::new(&out);
    options.max_bytes = 4 << 20;
    let mut inbox = receiver.receive_files("files", options).await.unwrap();
    let receiving = tokio::spawn(async move {
        let files = (inbox.next().await.unwrap().unwrap(), inbox.next().await.unwrap().unwrap());
        // Offers are judged as long as the inbox is read.
        tokio::select! {
            more = inbox.next() => panic!("{more:?}"),
            () = std::future::pending() => files,
        }
    });
    let mut steps = Vec::new();
    assert_eq!(send(&sender, &sent, &mut steps).await.unwrap(), content.len() as u64);
    assert_eq!(steps, [1 << 20, 2 << 20, content.len() as u64]);
    assert_eq!(fs::read(out.join("report.bin")).unwrap(), content);
    assert_eq!(send(&sender, &dir.path().join("empty"), &mut steps).await.unwrap(), 0);
    assert_eq!(names(&out), ["empty", "report.bin"]);

    let again = send(&sender, &sent, &mut steps).await.unwrap_err().to_string();
    assert!(again.contains("report.bin is there already"), "{again}");
    fs::write(dir.path().join("large"), vec![0; (4 << 20) + 1]).unwrap();
    let large = send(&sender, &dir.path().join("large"), &mut steps).await.unwrap_err().to_string();
    assert!(large.contains("over the limit of 4194304"), "{large}");
    assert!(matches!(send(&sender, Path::new("/"), &mut steps).await, Err(FileError::Name { .. })));
    receiving.abort();
    for node in nodes {
        node.stop().await;
    }
}
