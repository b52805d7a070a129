//! `nuncio access`: run-time lists of denied and allowed nodes.

use nuncio_admin::{api::Rule, client::Client};
use serde_json::json;

use super::{
    node::NodeArguments,
    text::{self, short},
};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Every node an access list names, and what holds for it
    List,
    /// Refuse a node and close its link
    Deny {
        /// The node
        #[arg(value_name = "NODEID", value_parser = text::node_id)]
        node: String,
    },
    /// Name a node as welcome; as soon as one is named, all others are refused
    ///
    /// To take back a denial, use reset.
    Allow {
        /// The node
        #[arg(value_name = "NODEID", value_parser = text::node_id)]
        node: String,
        /// Go ahead though nobody is named yet, which cuts all others off
        #[arg(long)]
        cut_others: bool,
    },
    /// Take back what was said at run time about a node
    Reset {
        /// The node
        #[arg(value_name = "NODEID", value_parser = text::node_id)]
        node: String,
    },
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    match arguments.action {
        Action::List => {
            let entries = client.access().await?;
            output.rows(&entries, &["node", "rule", "origin"], |entry| {
                vec![short(&entry.node_id), entry.rule.as_str().to_owned(), entry.origin.clone()]
            })
        }
        Action::Deny { node } => {
            client.set_access(&node, Rule::Deny).await?;
            changed(output, &node, "deny")
        }
        Action::Allow { node, cut_others } => {
            if !cut_others {
                confirm(&client, &node, output).await?;
            }
            client.set_access(&node, Rule::Allow).await?;
            changed(output, &node, "allow")
        }
        Action::Reset { node } => {
            client.reset_access(&node).await?;
            changed(output, &node, "reset")
        }
    }
}

/// The first node that is named cuts all others off.
async fn confirm(client: &Client, node: &str, output: Output) -> Result<(), Failure> {
    let entries = client.access().await?;
    if entries.iter().any(|entry| entry.rule == Rule::Allow) {
        return Ok(());
    }
    let is_meant = |id: &str| id.starts_with(&node.to_lowercase());
    let peers = client.peers().await?;
    let linked = peers.iter().filter(|peer| peer.state == "linked");
    let cut = linked.filter(|peer| !peer.node_id.as_deref().is_some_and(is_meant)).count();
    let words = format!(
        "no node is named as allowed, so all are admitted; with {} named, every other node is refused, and {cut} links end",
        short(node)
    );
    if output.ask(&format!("{words}. Go on?")) {
        return Ok(());
    }
    let is_denied = entries.iter().any(|entry| entry.rule == Rule::Deny && is_meant(&entry.node_id));
    let hint = if is_denied {
        format!("to take its denial back: nuncio access reset {}; else add --cut-others", short(node))
    } else {
        "to admit only those who are named, add --cut-others".to_owned()
    };
    Err(Failure::usage(words).hint(hint))
}

fn changed(output: Output, node: &str, rule: &str) -> Result<(), Failure> {
    output.show(&json!({ "node_id": node, "rule": rule }), || format!("{rule} {}", short(node)))
}
