//! What is in force in a running node, which may be other than what its file says by now.

use std::time::Duration;

use nuncio_admin::{
    api::ConfigurationKey,
    client::{Address, Client},
};
use nuncio_daemon::Config;

use crate::{cli::node::NodeArguments, failure::Failure, output::Output};

/// How long a node may take to say what waits.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn run(node: &NodeArguments, output: Output) -> Result<(), Failure> {
    let keys = node.connect()?.configuration().await?;
    output.rows(&keys, &["key", "in force", "a change counts", "in the file"], |key| {
        let counts = if key.takes_effect == "live" { "at once" } else { "at the next start" };
        let waits = if key.is_waiting { output.bad(&written(&key.waiting)) } else { String::new() };
        vec![key.key.clone(), written(&key.value), counts.to_owned(), waits]
    })
}

/// Says which values of a file the node that runs from it has not taken over.
pub(super) async fn note_waiting(config: &Config, output: Output) {
    let client = Client::new(Address::Unix(config.admin_socket())).with_timeout(PATIENCE);
    // Where no node answers, the file is all there is.
    let Ok(keys) = client.configuration().await else { return };
    for ConfigurationKey { key, value, waiting, .. } in keys.iter().filter(|key| key.is_waiting) {
        let (value, waiting) = (written(value), written(waiting));
        output.note(&format!("not in force yet: {key} = {waiting}; the running node has {value} until its next start"));
    }
}

fn written(value: &serde_json::Value) -> String {
    if value.is_null() { "-".to_owned() } else { value.to_string() }
}
