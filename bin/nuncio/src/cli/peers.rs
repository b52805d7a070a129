//! `nuncio peers`: links; changes last across restarts.

use serde_json::json;

use super::{
    node::NodeArguments,
    text::{age, or_dash, short},
};
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    node: NodeArguments,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Linked peers and configured ones without a link (the default)
    List,
    /// Keep a link to the node at this address
    Add {
        /// host:port, ip:port, [ipv6]:port or a multiaddr
        address: String,
    },
    /// Stop keeping a link
    Remove {
        /// The address, or the node's ID
        #[arg(value_name = "ADDR|NODEID")]
        peer: String,
    },
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.connect()?;
    match arguments.action {
        None | Some(Action::List) => {}
        Some(Action::Add { address }) => {
            client.add_peer(&address).await?;
            return output.show(&json!({ "address": address, "added": true }), || format!("added {address}"));
        }
        Some(Action::Remove { peer }) => {
            client.remove_peer(&peer).await?;
            return output.show(&json!({ "address": peer, "removed": true }), || format!("removed {peer}"));
        }
    }
    let peers = client.peers().await?;
    let header = ["node", "name", "agency", "address", "direction", "state", "for", "rtt ms", "last error"];
    output.rows(&peers, &header, |peer| {
        vec![
            or_dash(peer.node_id.as_deref().map(short)),
            or_dash(peer.name.as_ref()),
            or_dash(peer.agency.as_ref()),
            peer.address.clone(),
            or_dash(peer.direction.as_ref()),
            peer.state.clone(),
            or_dash(peer.connected_for_s.map(age)),
            or_dash(peer.rtt_ms.map(|rtt| format!("{rtt:.2}"))),
            peer.last_error.clone().unwrap_or_default(),
        ]
    })
}
