//! What RPC answers say about the node and its network.

use std::{any::Any, sync::Arc};

use nuncio_identity::NodeId;

/// Facts about the node, asked for at an RPC call that needs them.
///
/// Called on the session's task: answers come from memory, at once.
pub trait NodeInfo: Send + Sync + 'static {
    /// The node itself.
    fn own(&self) -> NodeFacts;

    /// The nodes it is linked to.
    fn peers(&self) -> Vec<NodeFacts>;

    /// Every node known to be reachable, without the node itself. Their topics are not looked at.
    fn reachable(&self) -> Vec<NodeFacts>;

    /// What the answers of the others are made of: as long as this is the same one, so are they, and what is written of them
    /// is kept. `None`, as by default, when nothing tells: then they are asked at each call.
    fn state(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        None
    }
}

/// One node as RPC answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// Who.
    pub node_id: NodeId,
    /// Where, as `ip:port`.
    pub address: String,
    /// The agency of its certificate.
    pub agency: String,
    /// The agencies above it, as [`nuncio_rights::agency_path`] writes them.
    pub agency_path: String,
    /// The name in its certificate.
    pub name: String,
    /// The topics its clients subscribe.
    pub topics: Vec<String>,
}
