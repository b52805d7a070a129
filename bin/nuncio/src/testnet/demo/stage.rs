//! The throwaway network: its directory, its nodes, and which of them run.

use std::path::{Path, PathBuf};

use nuncio_admin::client::Client;
use tempfile::TempDir;

use super::LIMIT;
use crate::{
    failure::Failure,
    testnet::{
        create::{Plan, create},
        processes::{NodeProcess, stop_all},
    },
};

/// Agencies of the demonstration.
const AGENCIES: usize = 2;

/// The network.
#[derive(Debug)]
pub(super) struct Stage {
    directory: TempDir,
    sites: Vec<Site>,
}

/// One node of it, running or not.
#[derive(Debug)]
pub(super) struct Site {
    /// `node0`, `node1`, …
    pub(super) name: String,
    /// Its directory.
    pub(super) directory: PathBuf,
    /// Its ID as its certificate says.
    pub(super) node_id: String,
    /// Where it listens for nodes.
    pub(super) p2p: String,
    /// Where it listens for SDK clients.
    pub(super) gateway: String,
    /// Certificates of an SDK client of its agency.
    pub(super) sdk: PathBuf,
    /// The same with RSA keys.
    pub(super) sdk_rsa: PathBuf,
    client: Client,
    process: Option<NodeProcess>,
}

impl Site {
    /// A client of its admin API.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The end of its log.
    pub(super) fn log_tail(&self) -> String {
        self.process.as_ref().map(NodeProcess::log_tail).unwrap_or_default()
    }
}

impl Stage {
    /// A chain, agencies and node directories; nothing runs yet.
    pub(super) fn create(nodes: usize) -> Result<(String, Self), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("nuncio-demo-")
            .tempdir()
            .map_err(|error| Failure::operation("file", format_args!("cannot make a directory: {error}")))?;
        let plan = Plan::on_loopback(directory.path().join("net"), nodes, AGENCIES)?;
        // Keys and signatures are made on the processor. An interruption is heard afterwards: nobody writes a key into a
        // directory that was removed.
        let created = tokio::task::block_in_place(|| create(&plan, || ()))?;
        let mut sites = Vec::with_capacity(nodes);
        for node in created.nodes {
            sites.push(Site {
                client: Client::new(crate::cli::config::admin_address(&node.directory.join("nuncio.toml"))?),
                name: node.name,
                directory: node.directory,
                node_id: node.node_id,
                p2p: node.p2p,
                gateway: node.gateway,
                sdk: node.sdk,
                sdk_rsa: node.sdk_rsa,
                process: None,
            });
        }
        let detail = format!("a chain, {AGENCIES} agencies, {nodes} nodes, SDK certificates of each agency");
        Ok((detail, Self { directory, sites }))
    }

    /// The directory of everything.
    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The nodes that run, in order.
    pub(super) fn alive(&self) -> Vec<&Site> {
        self.sites.iter().filter(|site| site.process.is_some()).collect()
    }

    /// The number of the last node.
    pub(super) fn last(&self) -> usize {
        self.sites.len() - 1
    }

    /// Starts every node and waits until each is ready and is who its certificate says.
    pub(super) async fn start_all(&mut self) -> Result<String, Failure> {
        for site in &mut self.sites {
            site.process = Some(NodeProcess::spawn(&site.directory)?);
        }
        let mut pids = Vec::new();
        for site in &mut self.sites {
            site.wait_until_ready().await?;
            pids.extend(site.process.as_ref().and_then(NodeProcess::pid).map(|pid| pid.to_string()));
        }
        Ok(format!("{} processes are ready: {}", pids.len(), pids.join(" ")))
    }

    /// Starts one node again; its new epoch.
    pub(super) async fn start(&mut self, index: usize) -> Result<u64, Failure> {
        let site = &mut self.sites[index];
        site.process = Some(NodeProcess::spawn(&site.directory)?);
        site.wait_until_ready().await?;
        Ok(site.client.status().await?.epoch)
    }

    /// Kills one node with SIGKILL; its name and ID.
    pub(super) async fn kill(&mut self, index: usize) -> Result<(String, String), Failure> {
        let site = &mut self.sites[index];
        if let Some(process) = site.process.take() {
            process.kill().await?;
        }
        Ok((site.name.clone(), site.node_id.clone()))
    }

    /// Stops all nodes and removes the directory, unless it shall be kept: then its path.
    pub(super) async fn close(self, keep: bool) -> Option<PathBuf> {
        stop_all(self.sites.into_iter().filter_map(|site| site.process).collect()).await;
        keep.then(|| self.directory.keep())
    }
}

impl Site {
    async fn wait_until_ready(&mut self) -> Result<(), Failure> {
        if let Some(process) = &mut self.process {
            process.wait_until_ready(LIMIT).await?;
        }
        let status = self.client.status().await?;
        if status.node_id == self.node_id {
            return Ok(());
        }
        let text = format!("{} says it is {}, its certificate {}", self.name, status.node_id, self.node_id);
        Err(Failure::operation("wrong_node", text))
    }
}
