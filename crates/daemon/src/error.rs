use std::{io, net::SocketAddr};

use nuncio_pki::{DirectoryError, tls::TlsConfigError};

use crate::{
    changes::ChangesError, config::ConfigError, data_dir::DataDirError, logging::LogError, open_files::TooFewFiles,
    port::Holder,
};

/// Why a node did not start. Every text says what and where; [`StartError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The node's key, certificate, authorities or revocation lists.
    #[error("[identity]: {0}")]
    Identity(#[source] DirectoryError),
    /// The channel port's key, certificate or authorities.
    #[error("[gateway]: {0}")]
    ChannelTls(#[source] TlsConfigError),
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What operators changed in former runs.
    #[error(transparent)]
    Changes(#[from] ChangesError),
    /// The limit of open files.
    #[error(transparent)]
    OpenFiles(#[from] TooFewFiles),
    /// Another process listens there.
    #[error("{key}: {address} is in use by {}", holder.as_ref().map_or("another process".into(), ToString::to_string))]
    PortInUse {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Who, as far as this process may know.
        holder: Option<Holder>,
    },
    /// The address cannot be listened on for another reason.
    #[error("{key}: cannot listen on {address}: {source}")]
    Listen {
        /// The configuration's key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] nuncio_node::BuildError),
    /// The web door.
    #[error("[web]: {0}")]
    Web(#[source] nuncio_gateway::BindError),
    /// The gateway.
    #[error(transparent)]
    Gateway(#[from] nuncio_gateway::BindError),
    /// A rule that is none, in a configuration that was not read from a file.
    #[error("{table}: {reason}")]
    Rights {
        /// The configuration's table.
        table: &'static str,
        /// What is wrong, and at which entry.
        reason: String,
    },
    /// The agency whose certificates are to be renewed here.
    #[error("[issuer] ca: {0}")]
    Issuer(#[source] nuncio_pki::AuthorityError),
    /// The directory for files of other nodes.
    #[error("[files] directory: {0}")]
    Files(#[source] nuncio_files::OpenError),
    /// TLS at the admin API.
    #[error("[admin] tls: {0}")]
    AdminTls(#[source] rustls::Error),
    /// The thread that writes the audit log.
    #[error("[audit]: no thread can be started: {0}")]
    Audit(#[source] io::Error),
    /// The admin API.
    #[error(transparent)]
    Admin(#[from] nuncio_admin::server::BindError),
}

impl StartError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Identity(error) => error.hint(),
            Self::ChannelTls(error) => error.hint(),
            Self::DataDir(error) => error.hint(),
            Self::Changes(error) => error.hint(),
            Self::OpenFiles(_) => "raise the limit: ulimit -n 4096, or LimitNOFILE= in a systemd unit".to_owned(),
            Self::PortInUse { key, holder: Some(holder), .. } => {
                format!("stop it with `kill {}`, or choose another {key}", holder.pid)
            }
            Self::PortInUse { key, address, .. } => {
                format!("see who it is as root: ss -ltnp 'sport = :{}'; or choose another {key}", address.port())
            }
            Self::Listen { key, .. } => {
                format!("set {key} to an address of this machine (0.0.0.0 is all of them) and a port you may use")
            }
            Self::Node(error) => error.hint().to_owned(),
            Self::Gateway(error) | Self::Web(error) => error.hint.to_owned(),
            Self::Rights { .. } => "the book's page Rights and namespaces shows what a rule is made of".to_owned(),
            Self::Issuer(error) => {
                error.hint().unwrap_or_else(|| "[issuer] ca names the directory of this node's agency".to_owned())
            }
            Self::Files(_) => {
                "let the node's user write there, choose another [files] directory, or leave the key out: then no file is taken"
                    .to_owned()
            }
            Self::AdminTls(_) => "check the node's certificate with: nuncio config check".to_owned(),
            Self::Audit(_) => "raise the limit of processes: ulimit -u, or TasksMax= in a systemd unit".to_owned(),
            Self::Admin(error) => error.hint(),
        }
    }

    /// Whether configuration or certificates are bad, rather than the machine not able.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Identity(_) | Self::ChannelTls(_) | Self::Rights { .. } | Self::Issuer(_))
    }

    /// A stable name in snake case, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Identity(_) | Self::ChannelTls(_) | Self::Issuer(_) => "certificates",
            Self::DataDir(DataDirError::Held { .. }) => "already_running",
            Self::DataDir(_) | Self::Changes(_) => "data_dir",
            Self::OpenFiles(_) => "open_files",
            Self::PortInUse { .. } => "port_in_use",
            Self::AdminTls(_) => "certificates",
            Self::Files(_) => "files",
            Self::Rights { .. } => "configuration",
            Self::Listen { .. } | Self::Node(_) | Self::Gateway(_) | Self::Web(_) | Self::Admin(_) | Self::Audit(_) => {
                "start"
            }
        }
    }
}

/// How [`crate::run`] ends when it does not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot be started.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The process cannot take signals.
    #[error("cannot take signals: {0}")]
    Signals(#[source] io::Error),
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A part of the node ended though nobody asked for it.
    #[error("the {part} has stopped by itself")]
    PartStopped {
        /// The part: `node`, `gateway` or `admin API`.
        part: &'static str,
    },
    /// Stopped at once, as asked; what was in flight is lost.
    #[error("stopped at once")]
    Aborted,
}

impl RunError {
    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => Some(error.hint()),
            Self::Start(error) => Some(error.hint()),
            Self::PartStopped { .. } => Some("see the log; this is a bug, please report it".to_owned()),
            Self::Log(_) | Self::Signals(_) | Self::Aborted => None,
        }
    }

    /// Whether configuration or certificates are bad.
    pub const fn is_configuration(&self) -> bool {
        match self {
            Self::Config(_) | Self::Log(LogError::Filter { .. }) => true,
            Self::Start(error) => error.is_configuration(),
            _ => false,
        }
    }

    /// A stable name in snake case, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Config(_) => "configuration",
            Self::Log(_) => "log",
            Self::Signals(_) => "signals",
            Self::Start(error) => error.code(),
            Self::PartStopped { .. } => "part_stopped",
            Self::Aborted => "aborted",
        }
    }
}
