//! A gateway's channel port.

use std::{net::SocketAddr, path::Path, sync::Arc};

use nuncio_doctor::{Check, Credentials, Port};
use nuncio_gateway::{Clients, Config, NodeFacts, NodeInfo};
use nuncio_pki::tls::{ChannelPaths, channel_server_config};
use nuncio_testkit::TestAuthority;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::rig::{PATIENCE, Rig, assert_healthy, examine, fault, fault_of, question};

struct Gateway {
    address: SocketAddr,
    _stopped_with_this: DropGuard,
}

impl Gateway {
    async fn start(directory: &Path) -> Self {
        let tls = channel_server_config(&ChannelPaths::in_directory(directory)).unwrap();
        let config = Config::new("127.0.0.1:0".parse().unwrap(), tls);
        let (inputs, mut received) = mpsc::channel(16);
        let bound = nuncio_gateway::bind(config, Arc::new(Clients::new()), inputs, Arc::new(Nobody)).await.unwrap();
        let (address, shutdown) = (bound.local_address(), CancellationToken::new());
        tokio::spawn(bound.run(shutdown.clone()));
        tokio::spawn(async move { while received.recv().await.is_some() {} });
        Self { address, _stopped_with_this: shutdown.drop_guard() }
    }
}

/// A node that the doctor asks nothing.
struct Nobody;

impl NodeInfo for Nobody {
    fn own(&self) -> NodeFacts {
        let node_id = TestAuthority::new().node("nobody").key.node_id();
        let [address, agency, agency_path, name] = [(); 4].map(|()| String::new());
        NodeFacts { node_id, address, agency, agency_path, name, topics: Vec::new() }
    }

    fn peers(&self) -> Vec<NodeFacts> {
        Vec::new()
    }

    fn reachable(&self) -> Vec<NodeFacts> {
        Vec::new()
    }
}

async fn gateway(rig: &Rig) -> Gateway {
    rig.authority.write_node_directory(&rig.path("gateway"), "gateway");
    Gateway::start(&rig.path("gateway")).await
}

#[tokio::test]
async fn an_sdk_that_is_let_in_finds_nothing_wrong() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let findings = examine(question(gateway.address).with_credentials(rig.sdk()), PATIENCE).await;
    assert_healthy(&findings);
    assert!(findings.iter().any(|one| one.what.contains("channel port")), "{findings:?}");
}

#[tokio::test]
async fn rsa_certificates_of_version_1_are_understood() {
    let rig = Rig::new();
    rig.authority.write_channel_directory(&rig.path("gateway"));
    rig.authority.write_sdk_directory(&rig.path("sdk"), true);
    let gateway = Gateway::start(&rig.path("gateway")).await;
    let own = Credentials::in_directory(&rig.path("sdk")).unwrap();
    assert_healthy(&examine(question(gateway.address).with_credentials(own), PATIENCE).await);
}

#[tokio::test]
async fn a_channel_port_where_a_p2p_port_was_meant_is_told() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let own = rig.node_of(&rig.authority, "node1");
    let (check, words) = fault(question(gateway.address).with_credentials(own).expecting(Port::P2p), PATIENCE).await;
    assert!(check == Check::Port && words.contains("channel port") && words.contains("[p2p] listen"), "{words}");
}

/// A node that looks at its own SDK port is no fault; whoever meant to be let in is told what is missing.
#[tokio::test]
async fn a_nodes_certificate_at_a_channel_port_is_told() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let own = rig.node_of(&rig.authority, "node1");
    let findings = examine(question(gateway.address).with_credentials(own.clone()), PATIENCE).await;
    assert_healthy(&findings);
    let note = findings.iter().find(|one| one.check == Check::Admission).unwrap().to_string();
    assert!(note.contains("has role node: channel ports take role sdk only") && note.contains("--kind sdk"), "{note}");
    let (check, words) =
        fault(question(gateway.address).with_credentials(own).expecting(Port::Channel), PATIENCE).await;
    assert!(check == Check::Admission && words.contains("has role node"), "{words}");
}

#[tokio::test]
async fn a_missing_certificate_is_told() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let (check, words) = fault(question(gateway.address), PATIENCE).await;
    assert!(check == Check::Admission && words.contains("demands a certificate"), "{words}");
}

#[tokio::test]
async fn another_authority_is_told_of_both_sides() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let own = rig.sdk_of(&TestAuthority::named("elsewhere", "their agency"), "foreign");
    let findings = examine(question(gateway.address).with_credentials(own), PATIENCE).await;
    assert!(fault_of(&findings, Check::PeerCertificate).contains("another authority"));
    let refused = fault_of(&findings, Check::Admission);
    assert!(refused.contains("alert") && refused.contains("their agency"), "{refused}");
}

#[tokio::test]
async fn another_agency_is_told() {
    let rig = Rig::new();
    let gateway = gateway(&rig).await;
    let own = rig.sdk_of(&rig.authority.agency("otherAgency"), "other");
    let (check, words) = fault(question(gateway.address).with_credentials(own), PATIENCE).await;
    assert!(check == Check::Admission && words.contains("otherAgency") && words.contains("same_agency"), "{words}");
}

#[tokio::test]
async fn an_expired_certificate_is_told_on_either_side() {
    let rig = Rig::new();
    rig.authority.write_expired_sdk_directory(&rig.path("expired"));
    let own = Credentials::in_directory(&rig.path("expired")).unwrap();
    let running = gateway(&rig).await;
    let findings = examine(question(running.address).with_credentials(own), PATIENCE).await;
    assert!(fault_of(&findings, Check::OwnCertificate).contains("cert renew"));
    assert!(fault_of(&findings, Check::Admission).contains("expired"));

    rig.authority.write_expired_node_directory(&rig.path("late"), "late");
    let late = Gateway::start(&rig.path("late")).await;
    let (check, words) = fault(question(late.address).with_credentials(rig.sdk()), PATIENCE).await;
    assert!(check == Check::PeerCertificate && words.contains("has expired"), "{words}");
}
