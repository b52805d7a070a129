//! The network as a running node sees it, or as it was written down where the authority has no network.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nuncio_admin::api::{self, NodeCertificate, SdkAuthority, SdkCertificate};
use nuncio_pki::{
    Certificate, CertificateError,
    authority::{SdksAt, Seen},
};
use serde::de::DeserializeOwned;

use crate::{cli::node::NodeArguments, failure::Failure};

#[derive(Debug, clap::Args)]
pub(super) struct View {
    /// What `nuncio certs --json` printed on a node, for a machine without network
    #[arg(long, value_name = "FILE")]
    seen: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, clap::Args)]
pub(super) struct MaybeView {
    /// Look at no network: the directories at hand are all there is
    #[arg(long, conflicts_with = "seen")]
    offline: bool,
    #[command(flatten)]
    view: View,
}

impl MaybeView {
    pub(super) async fn look(&self) -> Result<Vec<Seen>, Failure> {
        if self.offline { Ok(Vec::new()) } else { self.view.look().await }
    }
}

impl View {
    pub(super) async fn look(&self) -> Result<Vec<Seen>, Failure> {
        let nodes = match &self.seen {
            Some(file) => read::<NodeCertificate>(file, "nuncio certs --json")?,
            None => self.node.connect()?.certificates().await?,
        };
        nodes.into_iter().map(seen).collect()
    }

    /// What SDKs show at each node.
    pub(super) async fn network_sdks(&self, file: Option<&Path>) -> Result<Vec<SdksAt>, Failure> {
        let nodes: Vec<api::SdksAt> = match (file, &self.seen) {
            (Some(file), _) => read(file, "nuncio certs --sdks --json")?,
            (None, None) => self.node.connect()?.network_sdks().await?,
            (None, Some(_)) => {
                return Err(Failure::usage("nobody says which SDKs show the old authority").hint(
                    "--sdks FILE with what nuncio certs --sdks --json prints on a node, or --cut-sdks to cut them off",
                ));
            }
        };
        nodes.into_iter().map(sdks_at).collect()
    }

    /// The certificates under which SDKs have sessions at the node that is asked, and how many sessions.
    ///
    /// # Errors
    /// In words: why they are not seen.
    pub(super) async fn sdks(&self) -> Result<Vec<(Vec<Certificate>, usize)>, String> {
        if self.seen.is_some() {
            return Err("no node is asked".into());
        }
        let found = match self.node.connect() {
            Ok(client) => client.sdk_certificates().await.map_err(|error| error.to_string())?,
            Err(failure) => return Err(failure.message),
        };
        let read = |one: SdkCertificate| {
            let chain = Certificate::from_pem_bundle(one.chain.concat()).map_err(|error| error.to_string())?;
            Ok((chain, one.sessions))
        };
        found.into_iter().map(read).collect()
    }
}

fn read<T: DeserializeOwned>(file: &Path, written_by: &str) -> Result<Vec<T>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| Failure::file("cannot read", file, &error))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| {
                let place = format_args!("{} line {}: {error}", file.display(), index + 1).to_string();
                Failure::configuration("seen", place).hint(format!("{written_by} on a node of the network writes it"))
            })
        })
        .collect()
}

fn sdks_at(told: api::SdksAt) -> Result<SdksAt, Failure> {
    let api::SdksAt { node_id, name, authorities, others, error } = told;
    let read = |one: SdkAuthority| Ok((Certificate::from_pem_bundle(one.chain.concat())?, one.sessions));
    let issuers = authorities.into_iter().map(read).collect::<Result<_, CertificateError>>().map_err(|error| {
        Failure::configuration("seen", format_args!("the authorities of SDKs at node {node_id}: {error}"))
            .hint("the node that was asked must be of this release or a later one")
    })?;
    let unknown = error.or_else(|| (others > 0).then(|| format!("{others} sessions below further authorities")));
    Ok(SdksAt { node_id, name, issuers, unknown })
}

/// A chain proves itself; that it is this node's is compared.
fn seen(node: NodeCertificate) -> Result<Seen, Failure> {
    let refuse = |reason: String| {
        Failure::configuration("seen", format_args!("the certificates of node {}: {reason}", node.node_id))
            .hint("the node that was asked must be of this release or a later one")
    };
    let chain = Certificate::from_pem_bundle(node.chain.concat()).map_err(|error| refuse(error.to_string()))?;
    if chain[0].node_id().map(|id| id.to_string()).as_deref() != Some(node.node_id.as_str()) {
        return Err(refuse("they are another node's".into()));
    }
    Ok(Seen { node_id: node.node_id, name: node.name, chain, reachable: node.reachable })
}
