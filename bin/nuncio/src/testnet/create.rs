//! `nuncio testnet create`: a chain, its agencies, and a directory for each node.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use nuncio_daemon::Config;
use nuncio_pki::authority::{AGENCY_DAYS, Authority, CERTIFICATE_DAYS, Kind, ROOT_DAYS, Validity};
use serde::Serialize;

use super::{claim::Claim, ports::free_ports, topology::Topology};
use crate::failure::Failure;

/// What shall be written.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where; absent or empty.
    pub(crate) directory: PathBuf,
    /// The chain's name.
    pub(crate) chain: &'static str,
    /// Agencies; the nodes are dealt out to them in turn.
    pub(crate) agencies: usize,
    /// Which nodes link.
    pub(crate) topology: Topology,
    /// The address that nodes listen on.
    pub(crate) bind: IpAddr,
    /// The nodes.
    pub(crate) nodes: Vec<NodePlan>,
}

impl Plan {
    /// Nodes on free ports of loopback, each linked to each.
    pub(crate) fn on_loopback(directory: PathBuf, nodes: usize, agencies: usize) -> Result<Self, Failure> {
        let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports = free_ports(2 * nodes)?;
        let node = |ports: &[u16]| NodePlan { host: bind.to_string(), p2p: ports[0], gateway: ports[1] };
        let nodes = ports.chunks_exact(2).map(node).collect();
        Ok(Self { directory, chain: "chain", agencies, topology: Topology::Full, bind, nodes })
    }
}

/// Where one node is found.
#[derive(Debug, Clone)]
pub(crate) struct NodePlan {
    /// The host under which the others dial it.
    pub(crate) host: String,
    /// Its p2p port.
    pub(crate) p2p: u16,
    /// Its SDK port.
    pub(crate) gateway: u16,
}

/// What was written.
#[derive(Debug)]
pub(crate) struct Created {
    /// The nodes, in order.
    pub(crate) nodes: Vec<CreatedNode>,
}

/// One node directory.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedNode {
    /// `node0`, `node1`, …
    pub(crate) name: String,
    /// Its agency.
    pub(crate) agency: String,
    /// 128 hexadecimal digits.
    pub(crate) node_id: String,
    /// Where the others dial it.
    pub(crate) p2p: String,
    /// Where SDK clients dial it.
    pub(crate) gateway: String,
    /// The directory.
    pub(crate) directory: PathBuf,
    /// Certificates for SDK clients of its agency.
    pub(crate) sdk: PathBuf,
    /// The same with RSA keys.
    pub(crate) sdk_rsa: PathBuf,
}

/// An agency with what its nodes and clients share.
struct Agency {
    name: String,
    authority: Authority,
    sdk: PathBuf,
    sdk_rsa: PathBuf,
    /// Whom its nodes' SDK ports admit: the chain, and the agency's RSA authority.
    trusted_clients: String,
}

/// Writes a testnet: `ca/`, `agencies/NAME/`, `node0/…`, and for SDK clients `sdk/` (of the first agency),
/// `sdk/NAME/` and `sdk/NAME-rsa/`.
///
/// `made` is called for each agency and each node when it is there: that takes a while, for keys of RSA are searched for.
pub(crate) fn create(plan: &Plan, made: impl Fn()) -> Result<Created, Failure> {
    let claim = Claim::take(&plan.directory)?;
    let root = Authority::init(&plan.directory.join("ca"), plan.chain, Validity::days(ROOT_DAYS))?;
    let agencies = (0..plan.agencies)
        .map(|index| Agency::create(plan, &root, index).inspect(|_| made()))
        .collect::<Result<Vec<_>, _>>()?;
    let sdk = plan.directory.join("sdk");
    for file in ["ca.crt", "sdk.crt", "sdk.key", "sdk.publickey"] {
        copy(&agencies[0].sdk.join(file), &sdk.join(file))?;
    }
    let nodes = (0..plan.nodes.len())
        .map(|index| write_node(plan, index, &agencies[index % agencies.len()]).inspect(|_| made()));
    let created = Created { nodes: nodes.collect::<Result<_, _>>()? };
    claim.fulfil()?;
    Ok(created)
}

impl Agency {
    fn create(plan: &Plan, root: &Authority, index: usize) -> Result<Self, Failure> {
        let letter = char::from(b'A' + u8::try_from(index).unwrap_or(25).min(25));
        let name = format!("agency{letter}");
        let directory = plan.directory.join("agencies").join(&name);
        let authority = root.agency(&name, &directory, Validity::days(AGENCY_DAYS))?;
        let sdk = plan.directory.join("sdk").join(&name);
        let sdk_rsa = plan.directory.join("sdk").join(format!("{name}-rsa"));
        let validity = Validity::days(CERTIFICATE_DAYS);
        authority.issue(Kind::Sdk, "sdk", &sdk, validity)?;
        authority.issue(Kind::SdkRsa, "sdk", &sdk_rsa, validity)?;
        let chain = root.certificate().to_pem();
        let trusted_clients = format!("{chain}{}", authority.channel_issuer()?.certificate().to_pem());
        // The nodes' SDK ports show their own certificates to clients that know secp256k1: those of RSA must trust the
        // chain too.
        write(&sdk_rsa.join("ca.crt"), &trusted_clients)?;
        Ok(Self { name, authority, sdk, sdk_rsa, trusted_clients })
    }
}

fn write_node(plan: &Plan, index: usize, agency: &Agency) -> Result<CreatedNode, Failure> {
    let name = format!("node{index}");
    let directory = plan.directory.join(&name);
    let conf = directory.join("conf");
    let issued = agency.authority.issue(Kind::Node, &name, &conf, Validity::days(CERTIFICATE_DAYS))?;
    let node_id = issued.node_id().map(|node| node.to_string()).unwrap_or_default();
    agency.authority.issue(Kind::NodeRsa, &name, &conf.join("channel_cert"), Validity::days(CERTIFICATE_DAYS))?;
    write(&conf.join("sdk_ca.crt"), &agency.trusted_clients)?;
    let head = format!("# {name} of {}, written by `nuncio testnet create`.\n", agency.name);
    let rest = "# Every other key has its default; `nuncio config show` prints them all.\n\n";
    let config = configuration(plan, index)?.to_toml();
    write(&directory.join("nuncio.toml"), &format!("{head}{rest}{config}"))?;
    let node = &plan.nodes[index];
    Ok(CreatedNode {
        name,
        agency: agency.name.clone(),
        node_id,
        p2p: address(&node.host, node.p2p),
        gateway: address(&node.host, node.gateway),
        directory,
        sdk: agency.sdk.clone(),
        sdk_rsa: agency.sdk_rsa.clone(),
    })
}

/// Paths stay relative, so that the directory can be moved.
fn configuration(plan: &Plan, index: usize) -> Result<Config, Failure> {
    let own = &plan.nodes[index];
    let peer = |host: &str, port| {
        let text = address(host, port);
        text.parse().map_err(|error| Failure::usage(format_args!("{text} is no address of a node: {error}")))
    };
    let mut config = Config::default();
    config.p2p.listen = SocketAddr::new(plan.bind, own.p2p).into();
    for other in plan.topology.peers(index, plan.nodes.len()) {
        config.p2p.peers.push(peer(&plan.nodes[other].host, plan.nodes[other].p2p)?);
    }
    if own.host != plan.bind.to_string() {
        config.p2p.external.push(peer(&own.host, own.p2p)?);
    }
    if !plan.topology.is_full() {
        config.p2p.target_degree = 0;
    }
    config.gateway.listen = SocketAddr::new(plan.bind, own.gateway);
    config.gateway.key = Some("conf/node.key".into());
    config.gateway.cert = Some("conf/node.crt".into());
    config.gateway.ca = Some("conf/sdk_ca.crt".into());
    config.gateway.rsa_key = Some("conf/channel_cert/node.key".into());
    config.gateway.rsa_cert = Some("conf/channel_cert/node.crt".into());
    Ok(config)
}

fn address(host: &str, port: u16) -> String {
    match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| Failure::file("cannot write", path, &error))
}

/// A key stays as closed as it was.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    match fs::copy(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::file("cannot write", to, &error)),
        Err(error) => Err(Failure::file("cannot read", from, &error)),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
