use std::net::Ipv4Addr;

use super::*;

fn plan(directory: &Path, nodes: u16, topology: Topology) -> Plan {
    Plan {
        directory: directory.to_owned(),
        chain: "chain",
        agencies: 2,
        topology,
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        nodes: (0..nodes)
            .map(|index| NodePlan { host: "127.0.0.1".into(), p2p: 30300 + index, gateway: 20200 + index })
            .collect(),
    }
}

#[test]
fn nodes_are_dealt_out_to_the_agencies_and_load_with_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let created = create(&plan(directory.path(), 3, Topology::Full), || ()).unwrap();
    let agencies: Vec<_> = created.nodes.iter().map(|node| node.agency.as_str()).collect();
    assert_eq!(agencies, ["agencyA", "agencyB", "agencyA"]);
    for node in &created.nodes {
        let config = Config::load(&node.directory.join("nuncio.toml")).unwrap();
        let (identity, _) = nuncio_pki::Identity::load(&config.identity_paths()).unwrap();
        assert_eq!(identity.key.node_id().to_string(), node.node_id);
        assert_eq!(identity.certificate.agency, node.agency);
        assert_eq!(config.p2p.peers.len(), 2);
        nuncio_pki::tls::channel_server_config(&config.channel_paths()).unwrap();
        nuncio_pki::tls::channel_client_config(&node.sdk).unwrap();
        nuncio_pki::tls::channel_client_config(&node.sdk_rsa).unwrap();
    }
    nuncio_pki::tls::channel_client_config(&directory.path().join("sdk")).unwrap();
}

#[test]
fn a_line_stays_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let created = create(&plan(directory.path(), 3, Topology::Line), || ()).unwrap();
    let config = |index: usize| Config::load(&created.nodes[index].directory.join("nuncio.toml")).unwrap();
    assert_eq!(config(0).p2p.peers.len(), 1);
    assert_eq!(config(1).p2p.peers.len(), 2);
    assert_eq!(config(1).p2p.target_degree, 0);
}

#[test]
fn written_paths_are_relative() {
    let directory = tempfile::tempdir().unwrap();
    create(&plan(directory.path(), 1, Topology::Full), || ()).unwrap();
    let text = fs::read_to_string(directory.path().join("node0/nuncio.toml")).unwrap();
    assert!(!text.contains(&directory.path().display().to_string()), "{text}");
}

#[test]
fn ipv6_addresses_get_their_brackets() {
    assert_eq!(address("::1", 30300), "[::1]:30300");
    assert_eq!(address("node0.example", 30300), "node0.example:30300");
}
