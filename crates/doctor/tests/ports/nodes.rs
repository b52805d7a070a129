//! The p2p port of a node.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use futures::StreamExt;
use libp2p::{
    Transport,
    core::transport::{ListenerId, TransportEvent},
    multiaddr::Protocol,
};
use nuncio_audit::Audit;
use nuncio_doctor::{Check, Credentials, Port};
use nuncio_door::{Door, Limits};
use nuncio_pki::Identity;
use nuncio_testkit::TestAuthority;
use nuncio_transport::{Admissions, Config};

use crate::rig::{PATIENCE, Rig, assert_healthy, examine, fault, fault_of, question};

/// A node's port as far as the multiplexer, as long as the test's runtime lives.
async fn node(authority: &TestAuthority, identity: Identity) -> SocketAddr {
    let config = Config {
        identity: Arc::new(ArcSwap::from_pointee(identity)),
        policy: authority.shared_policy(),
        network: "nuncio".into(),
        max_body: u32::try_from(nuncio_protocol::MAX_BODY).unwrap(),
        handshake_timeout: PATIENCE,
    };
    let mut transport =
        nuncio_transport::tcp(config, Admissions::default(), Door::new(&Limits::new(16, 16, 128)), Audit::default())
            .unwrap();
    transport.listen_on(ListenerId::next(), "/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    let port = loop {
        if let Some(TransportEvent::NewAddress { listen_addr, .. }) = transport.next().await {
            let port =
                listen_addr.iter().find_map(|part| if let Protocol::Tcp(port) = part { Some(port) } else { None });
            break port.unwrap();
        }
    };
    tokio::spawn(async move {
        while let Some(event) = transport.next().await {
            if let TransportEvent::Incoming { upgrade, .. } = event {
                tokio::spawn(upgrade);
            }
        }
    });
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[tokio::test]
async fn a_node_that_is_admitted_finds_nothing_wrong() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    let own = rig.node_of(&rig.authority, "node1");
    let findings = examine(question(address).with_credentials(own).expecting(Port::P2p), PATIENCE).await;
    assert_healthy(&findings);
    assert!(findings.iter().any(|one| one.what == "it admits this node"), "{findings:?}");
    assert_healthy(&examine(question(address), PATIENCE).await);
}

#[tokio::test]
async fn a_p2p_port_where_a_channel_port_was_meant_is_told() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    let (check, words) = fault(question(address).with_credentials(rig.sdk()), PATIENCE).await;
    assert!(check == Check::Port && words.contains("p2p port of a Nuncio node"), "{words}");
}

#[tokio::test]
async fn another_authority_is_told_of_both_sides() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    let own = rig.node_of(&TestAuthority::named("elsewhere", "their agency"), "foreign");
    let findings = examine(question(address).with_credentials(own), PATIENCE).await;
    assert!(fault_of(&findings, Check::PeerCertificate).contains("does not chain"));
    assert!(fault_of(&findings, Check::Admission).contains("does not chain"));
}

#[tokio::test]
async fn an_expired_certificate_is_told_on_either_side() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    rig.authority.write_expired_node_directory(&rig.path("late"), "late");
    let late = Credentials::in_directory(&rig.path("late")).unwrap();
    let findings = examine(question(address).with_credentials(late), PATIENCE).await;
    assert!(fault_of(&findings, Check::OwnCertificate).contains("has expired"));
    assert!(fault_of(&findings, Check::Admission).contains("expired"));
    let clock = findings.iter().find(|one| one.check == Check::Clock).unwrap();
    assert!(clock.what.contains("agree") && clock.why.contains("refusal"), "{clock}");

    let address = node(&rig.authority, rig.authority.expired_node("node2")).await;
    let own = rig.node_of(&rig.authority, "node3");
    let (check, words) = fault(question(address).with_credentials(own), PATIENCE).await;
    assert!(check == Check::PeerCertificate && words.contains("expired"), "{words}");
}

#[tokio::test]
async fn an_sdks_files_as_a_nodes_are_told() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    rig.sdk();
    for ending in ["key", "crt"] {
        std::fs::rename(rig.path("sdk").join(format!("sdk.{ending}")), rig.path("sdk").join(format!("node.{ending}")))
            .unwrap();
    }
    let own = Credentials::in_directory(&rig.path("sdk")).unwrap();
    let (check, words) = fault(question(address).with_credentials(own).expecting(Port::P2p), PATIENCE).await;
    assert!(check == Check::OwnCertificate && words.contains("has role sdk"), "{words}");
    assert!(words.contains("role node") && words.contains("--kind node"), "{words}");
}

#[tokio::test]
async fn another_network_is_told() {
    let rig = Rig::new();
    let address = node(&rig.authority, rig.authority.node("node0")).await;
    let own = rig.node_of(&rig.authority, "node1");
    let (check, words) = fault(question(address).with_credentials(own).in_network("other"), PATIENCE).await;
    assert!(check == Check::Admission && words.contains("\"other\""), "{words}");
}
