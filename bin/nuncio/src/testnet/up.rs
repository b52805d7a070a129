//! `nuncio testnet up`: every node of a directory as a process, until Ctrl-C.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::{StreamExt, stream::FuturesUnordered};
use nuncio_admin::client::Client;
use nuncio_plain::argument;
use serde::Serialize;

use super::processes::{NodeProcess, stop_all};
use crate::{cli::config::admin_address, failure::Failure, interruption::Interruption, output::Output};

/// Time for all nodes to link.
const READY: Duration = Duration::from_secs(60);

/// Time for a node that runs already to say so.
const ANSWER: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    node_id: String,
    p2p: String,
    gateway: Option<String>,
    admin: String,
    pid: Option<u32>,
}

/// Starts the nodes, prints them and stays.
pub(crate) async fn up(directory: &Path, output: Output) -> Result<(), Failure> {
    // From before the first process starts, so that none can be left behind.
    let mut interruption = Interruption::new()?;
    let directories = node_directories(directory)?;
    require_none_runs(&directories).await?;
    let mut nodes = Vec::with_capacity(directories.len());
    for directory in &directories {
        nodes.push(NodeProcess::spawn(directory)?);
    }
    let running = tokio::select! {
        result = serve(&mut nodes, output) => result,
        () = interruption.wait() => Ok(()),
    };
    output.note(&format!("stopping {} nodes", nodes.len()));
    for name in stop_all(nodes).await {
        output.note(&format!("{name} did not stop in time and was killed"));
    }
    running
}

/// The directories of a testnet's nodes, by number.
pub(crate) fn node_directories(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(|error| {
        Failure::file("cannot read", directory, &error)
            .hint(format_args!("make one with: nuncio testnet create --out {}", argument(directory)))
    })?;
    let mut numbered: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?, entry.path())))
        .filter(|(_, path)| path.join("nuncio.toml").is_file())
        .collect();
    if numbered.is_empty() {
        let text = format!("{} holds no node0/nuncio.toml", directory.display());
        return Err(Failure::configuration("no_nodes", text)
            .hint(format_args!("make a testnet with: nuncio testnet create --out {}", argument(directory))));
    }
    numbered.sort();
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// A node that runs already would answer for the process that is started here, and that one would end.
async fn require_none_runs(directories: &[PathBuf]) -> Result<(), Failure> {
    for directory in directories {
        let config = directory.join("nuncio.toml");
        let client = Client::new(admin_address(&config)?).with_timeout(ANSWER);
        if client.status().await.is_ok() {
            let text = format!("{} runs already: its admin API answers at {}", directory.display(), client.address());
            return Err(Failure::operation("running", text)
                .hint("stop it first: Ctrl-C where `nuncio testnet up` or `nuncio run` started it"));
        }
    }
    Ok(())
}

async fn serve(nodes: &mut [NodeProcess], output: Output) -> Result<(), Failure> {
    let mut rows = Vec::with_capacity(nodes.len());
    let waiting = output.steps(nodes.len());
    for node in nodes.iter_mut() {
        waiting.say(&format!("waiting for {}", node.name()));
        node.wait_until_ready(READY).await?;
        rows.push(describe(node).await?);
        waiting.step();
    }
    drop(waiting);
    output.rows(&rows, &["name", "node", "p2p", "gateway", "admin", "pid"], |row| {
        vec![
            row.name.clone(),
            crate::cli::text::short(&row.node_id),
            row.p2p.clone(),
            row.gateway.clone().unwrap_or_default(),
            row.admin.clone(),
            row.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        ]
    })?;
    output.note("all nodes are ready; stop them with Ctrl-C");
    watch(nodes, output).await
}

/// Says which nodes die; returns when none is left.
async fn watch(nodes: &mut [NodeProcess], output: Output) -> Result<(), Failure> {
    let mut deaths: FuturesUnordered<_> =
        nodes.iter_mut().map(|node| async move { (node.wait().await, node) }).collect();
    while let Some((status, node)) = deaths.next().await {
        if let Some(status) = status {
            let failure = node.obituary(status);
            output.note(&format!("{}; {}", failure.message, failure.hint.unwrap_or_default()));
        }
    }
    Err(Failure::operation("node_died", "every node has ended"))
}

async fn describe(node: &NodeProcess) -> Result<Row, Failure> {
    let status = node.client().status().await?;
    Ok(Row {
        name: node.name().to_owned(),
        node_id: status.node_id,
        p2p: status.listen.join(" "),
        gateway: status.gateway,
        admin: node.client().address().to_string(),
        pid: node.pid(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_found_in_the_order_of_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["node10", "node2", "node0", "nodes", "sdk"] {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("nuncio.toml"), "").unwrap();
        }
        let found = node_directories(directory.path()).unwrap();
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["node0", "node2", "node10"]);
    }

    #[test]
    fn an_empty_directory_is_a_configuration_error() {
        let directory = tempfile::tempdir().unwrap();
        let failure = node_directories(directory.path()).unwrap_err();
        assert_eq!(failure.exit, crate::exit_code::Exit::Configuration);
    }
}
