use std::{net::SocketAddr, ops::Deref};

use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;

use crate::{NodeHandle, builder::Builder};

/// A running node inside a program: all that a [`NodeHandle`] can do. Dropped, it stops and says goodbye; [`Node::stop`] waits for
/// that.
///
/// The two nodes of [`examples/two_nodes.rs`] talk in twenty lines.
///
/// [`examples/two_nodes.rs`]: https://docs.rs/crate/nuncio-node/latest/source/examples/two_nodes.rs
#[derive(Debug)]
pub struct Node {
    pub(crate) handle: NodeHandle,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) shutdown: DropGuard,
}

impl Node {
    /// Begins to describe a node.
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// A handle to keep elsewhere; it does not keep the node running.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Where it listens, free ports filled in.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Closes all links and ends.
    ///
    /// # Panics
    /// When the node's task has panicked.
    pub async fn stop(self) {
        let Self { task, shutdown, .. } = self;
        drop(shutdown);
        if let Err(error) = task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

impl Deref for Node {
    type Target = NodeHandle;

    fn deref(&self) -> &NodeHandle {
        &self.handle
    }
}
