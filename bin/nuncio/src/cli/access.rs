//! `nuncio access`: run-time lists of denied and allowed nodes.

use nuncio_admin::api::Rule;
use serde_json::json;

use super::{node::NodeArguments, text::short};
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
        #[arg(value_name = "NODEID")]
        node: String,
    },
    /// Name a node as welcome; as soon as one is named, all others are refused
    Allow {
        /// The node
        #[arg(value_name = "NODEID")]
        node: String,
    },
    /// Take back what was said at run time about a node
    Reset {
        /// The node
        #[arg(value_name = "NODEID")]
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
        Action::Allow { node } => {
            let first = !client.access().await?.iter().any(|entry| entry.rule == Rule::Allow);
            client.set_access(&node, Rule::Allow).await?;
            if first {
                output
                    .note("the list of allowed nodes was empty and admitted everyone; now it admits its members only");
            }
            changed(output, &node, "allow")
        }
        Action::Reset { node } => {
            client.reset_access(&node).await?;
            changed(output, &node, "reset")
        }
    }
}

fn changed(output: Output, node: &str, rule: &str) -> Result<(), Failure> {
    output.show(&json!({ "node_id": node, "rule": rule }), || format!("{rule} {}", short(node)))
}
