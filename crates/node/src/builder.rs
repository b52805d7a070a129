use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use nuncio_pki::{DirectoryError, Identity, IdentityPaths, Policy};
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use crate::{BuildError, Config, Node, build};

/// What a [`Node`] is made of.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    directory: Option<PathBuf>,
    identity: Option<(Identity, Policy)>,
    data: Option<PathBuf>,
    listen: Vec<String>,
    peers: Vec<String>,
    adapt: Adapt,
}

struct Adapt(Vec<Change>);

type Change = Box<dyn FnOnce(&mut Config) + Send>;

impl Builder {
    pub(crate) const fn new() -> Self {
        let (directory, identity, data) = (None, None, None);
        Self { directory, identity, data, listen: Vec::new(), peers: Vec::new(), adapt: Adapt(Vec::new()) }
    }

    /// A node's own directory, as `nuncio testnet create`, `nuncio cert issue` and FISCO BCOS's tools write it: `node.key`,
    /// `node.crt` and `ca.crt` are in it or in its `conf`; what the node must remember goes to its `data`.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Who the node is and whom it admits, from elsewhere than a directory. Needs [`Builder::data_directory`].
    pub fn identity(mut self, identity: Identity, policy: Policy) -> Self {
        self.identity = Some((identity, policy));
        self
    }

    /// Where the node keeps what it must remember. Two nodes need two.
    pub fn data_directory(mut self, data: impl Into<PathBuf>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Listens at `ip:port`, too; port 0 takes a free one.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen.push(address.into());
        self
    }

    /// Wants a link to whoever answers at `host:port`, too. One member is enough: the others are learnt.
    pub fn peer(mut self, address: impl ToString) -> Self {
        self.peers.push(address.to_string());
        self
    }

    /// Changes anything else of the configuration, after all that is said here.
    pub fn adapt(mut self, adapt: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.adapt.0.push(Box::new(adapt));
        self
    }

    /// Binds, and works from now on, on the tokio runtime in which this is called.
    ///
    /// # Errors
    /// What is missing or wrong; [`SpawnError::hint`] says what to do.
    pub fn spawn(self) -> Result<Node, SpawnError> {
        if runtime::Handle::try_current().is_err() {
            return Err(SpawnError::NoRuntime);
        }
        let bound = build(self.config()?)?;
        let (handle, addresses, shutdown) = (bound.handle(), bound.listen_addresses(), CancellationToken::new());
        let task = tokio::spawn(bound.run(shutdown.clone()));
        Ok(Node { handle, addresses, task, shutdown: shutdown.drop_guard() })
    }

    fn config(self) -> Result<Config, SpawnError> {
        let Self { directory, identity, data, listen, peers, adapt } = self;
        let (identity, policy) = match (identity, &directory) {
            (Some(given), _) => given,
            (None, Some(directory)) => Identity::load(&IdentityPaths::in_directory(certificates_in(directory)))?,
            (None, None) => return Err(SpawnError::NoIdentity),
        };
        let data =
            data.or_else(|| directory.map(|directory| directory.join("data"))).ok_or(SpawnError::NoDataDirectory)?;
        let policy = Arc::new(arc_swap::ArcSwap::from_pointee(policy));
        let mut config = Config::new(Arc::new(identity), policy, data);
        (config.listen, config.peers) = (listen, peers);
        adapt.0.into_iter().for_each(|adapt| adapt(&mut config));
        Ok(config)
    }
}

fn certificates_in(directory: &Path) -> PathBuf {
    let inner = directory.join("conf");
    if inner.is_dir() { inner } else { directory.to_owned() }
}

impl std::fmt::Debug for Adapt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} changes", self.0.len())
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// Nobody has said who it is.
    #[error("the node has no identity")]
    NoIdentity,
    /// Nobody has said where it keeps what it must remember.
    #[error("the node has no data directory")]
    NoDataDirectory,
    /// There is no runtime to work on.
    #[error("there is no tokio runtime here")]
    NoRuntime,
    /// Its files cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It cannot listen, or not begin.
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl SpawnError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoIdentity => "call Builder::directory or Builder::identity".to_owned(),
            Self::NoDataDirectory => "call Builder::data_directory: the epoch is kept there".to_owned(),
            Self::NoRuntime => "call Builder::spawn inside #[tokio::main] or a task".to_owned(),
            Self::Directory(error) => error.hint(),
            Self::Build(error) => error.hint().to_owned(),
        }
    }
}
