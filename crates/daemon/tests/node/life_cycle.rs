//! Start, operate, stop, and every way not to start.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use nuncio_admin::{
    ClientError,
    api::{ListenOptions, Reply, Rule},
    client::UnicastReply,
};
use nuncio_daemon::{Config, Daemon, DataDirError, RunError, Source, StartError};
use nuncio_node::{Incoming, Responder, Snapshot};
use nuncio_testkit::TestAuthority;
use tokio::{task::JoinHandle, time::timeout};

use crate::rig::{DEADLINE, Home, Running, linked_pair, peers};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_link_answer_and_stop() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let first = one.start().await;
    two.write(&peers(&[first.p2p]));
    assert_eq!(two.daemon().check().unwrap().node_id, Some(two.id));
    let second = two.start().await;
    second.links(1).await;
    first.links(1).await;
    assert!(second.client.readyz().await.unwrap().ok);
    let info = second.client.info().await.unwrap();
    assert_eq!(info.gateway, second.gateway.map(|address| address.to_string()));
    assert_eq!((info.pid, info.network.as_str()), (std::process::id(), "nuncio"));
    let mode = |path: &str| fs::metadata(two.dir.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/admin.sock")), (0o700, 0o600));

    let echo = ListenOptions { unicast: true, reply: Reply::Echo, ..ListenOptions::default() };
    let _ear = second.client.listen(&echo).await.unwrap();
    let reply = first.client.unicast(&two.id.to_string()[..8], "hi".into(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(reply.body, "hi");

    let epoch = second.client.status().await.unwrap().epoch;
    assert!(second.stop().await < Duration::from_secs(5));
    assert!(!two.dir.path().join("data/admin.sock").exists());
    first.links(0).await;
    // The directory is free again, and the epoch has grown.
    let again = two.start().await;
    assert!(again.client.status().await.unwrap().epoch > epoch);
    again.links(1).await;
    again.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_change_lasts_across_restarts() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let first = one.start().await;
    two.write(&peers(&["127.0.0.1:9".parse().unwrap()]));
    let second = two.start().await;
    second.client.add_peer(&first.p2p.to_string()).await.unwrap();
    second.client.remove_peer("127.0.0.1:9").await.unwrap();
    assert_eq!(second.client.remove_peer("127.0.0.1:9").await.unwrap_err().code(), "not_found");
    second.links(1).await;
    second.stop().await;

    let second = two.start().await;
    second.links(1).await;
    assert_eq!(second.configured().await, [first.p2p.to_string()]);
    // By its node ID the peer is found too.
    second.client.remove_peer(&one.id.to_string()[..10]).await.unwrap();
    second.client.set_access(&one.id.to_string(), Rule::Deny).await.unwrap();
    second.links(0).await;
    second.stop().await;

    let second = two.start().await;
    assert_eq!(second.configured().await, Vec::<String>::new());
    let access = second.client.access().await.unwrap();
    assert_eq!((access.len(), access[0].rule, access[0].origin.as_str()), (1, Rule::Deny, "runtime"));
    second.client.reset_access(&one.id.to_string()[..10]).await.unwrap();
    assert_eq!(second.client.reset_access(&one.id.to_string()).await.unwrap_err().code(), "not_found");
    second.client.add_peer(&first.p2p.to_string()).await.unwrap();
    second.links(1).await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_under_two_addresses_is_removed_under_both_by_its_id() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    let first = one.start().await;
    let port = first.p2p.port();
    two.write(&format!("peers = [\"LocalHost:{port}\"]"));
    let second = two.start().await;
    second.links(1).await;
    second.client.add_peer(&format!("/dns/localhost/tcp/{port}")).await.unwrap();
    second.client.add_peer(&format!("/ip4/127.0.0.1/tcp/{port}")).await.unwrap();
    let met = |now: &Snapshot| now.peers.iter().any(|peer| peer.configured_at.len() == 2);
    let mut snapshots = second.node.snapshots();
    timeout(DEADLINE, snapshots.wait_for(|now| met(now))).await.expect("it is met under both").unwrap();
    second.client.remove_peer(&one.id.to_string()).await.unwrap();
    second.links(0).await;
    assert_eq!(second.configured().await, Vec::<String>::new());
    second.stop().await;

    let second = two.start().await;
    assert_eq!(second.configured().await, Vec::<String>::new());
    second.client.add_peer(&format!("localhost.:0{port}")).await.unwrap();
    second.links(1).await;
    second.client.remove_peer(&format!("LOCALHOST:{port}")).await.unwrap();
    second.links(0).await;
    second.stop().await;
    first.stop().await;
}

/// A request from `first`'s operator that `second`'s application has taken and not answered.
async fn request_in_flight(
    first: &Running,
    second: &Running,
) -> (JoinHandle<Result<UnicastReply, ClientError>>, Responder) {
    let mut listener = second.node.listen(Vec::new(), true).await;
    let (client, target) = (first.client.clone(), second.node.node_id().to_string());
    let call = tokio::spawn(async move { client.unicast(&target, "work".into(), Duration::from_secs(20)).await });
    let taken = timeout(DEADLINE, listener.next()).await.expect("the request arrives");
    let Some(Incoming::Unicast { responder, .. }) = taken else { panic!("{taken:?}") };
    (call, responder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_ends_while_draining() {
    let (_homes, [first, second]) = linked_pair(&TestAuthority::new()).await;
    let (call, responder) = request_in_flight(&first, &second).await;
    first.shutdown.drain.cancel();
    responder.reply("done".into());
    assert_eq!(timeout(DEADLINE, call).await.unwrap().unwrap().unwrap().body, "done");
    assert!(first.stop().await < Duration::from_secs(5));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let (_homes, [first, second]) = linked_pair(&TestAuthority::new()).await;
    let (call, responder) = request_in_flight(&first, &second).await;
    first.shutdown.drain.cancel();
    first.shutdown.now.cancel();
    assert!(matches!(timeout(DEADLINE, first.work).await.unwrap().unwrap(), Err(RunError::Aborted)));
    assert!(timeout(Duration::from_secs(5), call).await.expect("nothing waits any more").unwrap().is_err());
    drop(responder);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_and_a_port_have_one_node() {
    let authority = TestAuthority::new();
    let home = Home::new(&authority, "one", "");
    let running = home.start().await;
    let error = home.refusal().await;
    let StartError::DataDir(DataDirError::Held { pid, .. }) = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(std::process::id()));
    running.stop().await;

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (key, text) in [
        ("[p2p] listen", format!("[p2p]\nlisten = \"{address}\"\n[gateway]\nlisten = \"127.0.0.1:0\"")),
        ("[gateway] listen", format!("[gateway]\nlisten = \"{address}\"\n[p2p]\nlisten = \"127.0.0.1:0\"")),
    ] {
        fs::write(home.file(), text).unwrap();
        let error = home.refusal().await;
        let said = format!("{key}: {address} is in use by process {} (", std::process::id());
        assert!(error.to_string().starts_with(&said), "{error}");
        assert!(error.hint().contains("kill") && !error.is_configuration());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_files_are_named_with_what_mends_them() {
    let authority = TestAuthority::new();
    for (file, text, mode) in [
        ("node.key", None, 0),
        ("node.key", Some("nonsense"), 0o600),
        ("node.key", Some(""), 0o600),
        ("node.key", None, 0o644),
        ("node.crt", Some("nonsense"), 0o644),
        ("node.crt", None, 0),
        ("ca.crt", Some(""), 0o644),
    ] {
        let home = Home::new(&authority, "one", "");
        spoil(&home.dir.path().join("conf").join(file), text, mode);
        let error = home.refusal().await;
        assert!(error.to_string().contains(file), "{error}");
        assert!(error.is_configuration() && !error.hint().is_empty() && !error.to_string().contains('\n'), "{error}");
        assert!(!home.dir.path().join("data").exists(), "nothing was made for a node that cannot start");
    }
    let home = Home::new(&authority, "one", "[identity]\ncrl = [\"conf/none.crl\"]");
    assert!(home.refusal().await.to_string().contains("none.crl"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_state_files_stop_no_start_and_are_kept_aside() {
    let authority = TestAuthority::new();
    let files = ["epoch", "peers.toml", "access.toml", "revocations.pem"];
    for text in ["", "\0\0\0\0", "deny = 1", "-----BEGIN X509 CRL-----\nMIIB"] {
        let home = Home::new(&authority, "one", "");
        let data = home.dir.path().join("data");
        fs::create_dir(&data).unwrap();
        for file in files {
            fs::write(data.join(file), text).unwrap();
        }
        home.start().await.stop().await;
        for file in &files[1..] {
            assert_eq!(fs::read_to_string(data.join(format!("{file}.broken"))).unwrap(), text, "{file}");
            assert_ne!(fs::read_to_string(data.join(file)).unwrap(), text, "{file} is made anew");
        }
        assert!(fs::read_to_string(data.join("epoch")).unwrap().trim().parse::<u64>().is_ok(), "and so is the epoch");
    }
    for file in files {
        let home = Home::new(&authority, "one", "");
        fs::create_dir_all(home.dir.path().join("data").join(file)).unwrap();
        let error = home.refusal().await;
        assert!(error.to_string().contains(file) && !error.hint().is_empty(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_list_of_denied_nodes_keeps_the_others_out_and_the_node_says_so() {
    let authority = TestAuthority::new();
    let homes = ["one", "two", "three"].map(|name| Home::new(&authority, name, ""));
    let node = homes[0].start().await;
    for other in &homes[1..] {
        node.client.set_access(&other.id.to_string(), Rule::Deny).await.unwrap();
    }
    node.stop().await;
    let file = homes[0].dir.path().join("data/access.toml");
    let whole = fs::read_to_string(&file).unwrap();
    let second = homes[1].id.to_string();
    fs::write(&file, whole.replace(&second, &format!("g{}", &second[1..]))).unwrap();

    for _ in 0..2 {
        let node = homes[0].start().await;
        let denied: Vec<_> = node.client.access().await.unwrap().into_iter().map(|entry| entry.node_id).collect();
        assert_eq!(denied, [homes[2].id.to_string()]);
        let health = node.client.readyz().await.unwrap();
        assert!(
            health.checks.iter().any(|check| check.check == "access" && check.detail.contains(".broken")),
            "{health:?}"
        );
        assert!(health.ok, "it works: {health:?}");
        let warnings = node.client.status().await.unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains("access.toml.broken")), "{warnings:?}");
        node.stop().await;
    }
    let entries = crate::audit::entries(&homes[0]);
    assert_eq!(crate::audit::one(&entries, "access_broken")["denied"], 1);
    fs::remove_file(file.with_extension("toml.broken")).unwrap();
    let node = homes[0].start().await;
    assert!(node.client.readyz().await.unwrap().ok && node.client.status().await.unwrap().warnings.is_empty());
    node.stop().await;
}

/// Removes the file, or writes other text, or only changes its mode.
fn spoil(path: &Path, text: Option<&str>, mode: u32) {
    match (text, mode) {
        (None, 0) => fs::remove_file(path).unwrap(),
        (None, mode) => fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap(),
        (Some(text), mode) => {
            fs::remove_file(path).unwrap();
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fisco_directory_runs() {
    let authority = TestAuthority::new();
    let dir = tempfile::tempdir().unwrap();
    let id = authority.write_node_directory(&dir.path().join("conf"), "node0");
    authority.write_channel_directory(&dir.path().join("conf/channel_cert"));
    let ini = "[rpc]\nchannel_listen_ip=127.0.0.1\nchannel_listen_port=0\njsonrpc_listen_port=8545\n\
               [p2p]\nlisten_ip=127.0.0.1\nlisten_port=0\nnode.0=127.0.0.1:9\n\
               [network_security]\ndata_path=conf/\nkey=node.key\ncert=node.crt\nca_cert=ca.crt\n\
               [chain]\nid=1\nsm_crypto=false\nrsa_crypto_channel=true\n";
    fs::write(dir.path().join("config.ini"), ini).unwrap();
    let imported = Config::import_fisco(dir.path()).unwrap();
    assert_eq!(imported.notes.len(), 2, "{:?}", imported.notes);
    let running = Running::new(Daemon::from_source(Source::Fisco(dir.path().into())).unwrap().build().await.unwrap());
    let status = running.client.status().await.unwrap();
    assert_eq!((status.node_id, status.name.as_str()), (id.to_string(), "node0"));
    assert!(running.gateway.is_some() && dir.path().join("nuncio-data/admin.sock").exists());
    running.stop().await;
}
