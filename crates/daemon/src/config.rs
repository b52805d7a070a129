//! The configuration: read and judged here, before anything is opened or bound.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use nuncio_pki::{
    IdentityPaths,
    tls::{ChannelPaths, RsaPaths},
};
use serde::{Deserialize, Serialize};

mod environment;
mod error;
mod fisco;
mod ini;
mod keys;
mod limits;
mod listen;
mod listeners;
mod peer;
mod position;
mod priorities;
mod rights;
mod section;
mod tables;
mod template;
mod text;
mod value;

pub use error::ConfigError;
pub use fisco::Imported;
pub use keys::{Difference, TABLES, Table, Value};
pub use listen::Listen;
pub use peer::Peer;
pub use priorities::Priorities;
pub use rights::Rights;
pub use section::{Effect, Key};
pub use tables::{Access, Admin, Audit, Files, Gateway, Identity, Issuer, Log, P2p, Renewal, Web};
pub use value::{Interval, LogFormat, Mode, Node, Sdk, Size, ValueError};

/// Everything a node is told. Every key has a default, stated with it; `Config::default()` is a node whose files
/// lie in `conf/` and `data/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the node keeps what it must remember. `data`.
    pub data_dir: PathBuf,
    /// Who the node is.
    pub identity: Identity,
    /// Links to other nodes.
    pub p2p: P2p,
    /// The port for SDKs.
    pub gateway: Gateway,
    /// The door for every language.
    pub web: Web,
    /// The operator's API.
    pub admin: Admin,
    /// The audit log.
    pub audit: Audit,
    /// Whose certificates this node renews.
    pub issuer: Issuer,
    /// Whether its own is renewed.
    pub renewal: Renewal,
    /// Which nodes are welcome.
    pub access: Access,
    /// Who may do what with topics.
    pub rights: Rights,
    /// How urgent what clients publish is.
    pub priorities: Priorities,
    /// Files of other nodes.
    pub files: Files,
    /// What is logged.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            identity: Identity::default(),
            p2p: P2p::default(),
            gateway: Gateway::default(),
            web: Web::default(),
            admin: Admin::default(),
            audit: Audit::default(),
            issuer: Issuer::default(),
            renewal: Renewal::default(),
            access: Access::default(),
            rights: Rights::default(),
            priorities: Priorities::default(),
            files: Files::default(),
            log: Log::default(),
        }
    }
}

impl Config {
    /// Reads a `nuncio.toml` and the environment; relative paths start at the file's directory.
    ///
    /// # Errors
    /// With file, line, column and key of what is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = text::of_toml(path)?;
        let config = Self::parse(&text, path)?;
        let mut config = environment::overlay(config, environment_variables())?;
        config.resolve(directory_of(path));
        Ok(config)
    }

    /// Reads the text of a `nuncio.toml`; `path` is for error messages. Paths stay as they are written.
    ///
    /// # Errors
    /// With file, line, column and key of what is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let invalid = |offset: usize, key, message| {
            let (line, column) = position::of_offset(text, offset);
            ConfigError::Invalid { path: path.to_owned(), line, column, key, message }
        };
        let config: Self = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let offset = position::of_quoted_element(text, offset, error.message());
            invalid(offset, position::key_at(text, offset), error.message().trim().replace('\n', ", "))
        })?;
        config.judge().map_err(|(key, message)| {
            let (line, column) = position::of_key(text, key).unwrap_or((1, 1));
            ConfigError::Invalid { path: path.to_owned(), line, column, key: Some(key.to_owned()), message }
        })?;
        Ok(config)
    }

    /// Takes a FISCO BCOS 2.x node directory, or its `config.ini`, for a configuration.
    ///
    /// # Errors
    /// With file, line and key of what is wrong or not supported.
    pub fn import_fisco(path: &Path) -> Result<Imported, ConfigError> {
        let is_file = path.is_file() || path.extension().is_some_and(|extension| extension == "ini");
        let file = if is_file && !path.is_dir() { path.to_owned() } else { path.join("config.ini") };
        fisco::refuse_version_3(&file)?;
        let mut imported = fisco::import(&text::of_ini(&file)?, &file)?;
        imported.config = environment::overlay(imported.config, environment_variables())?;
        Ok(imported)
    }

    /// The files of groups that belong to a `config.ini`.
    pub(crate) fn fisco_groups(file: &Path) -> Vec<PathBuf> {
        fisco::group_files(file)
    }

    /// A configuration file with every key, its meaning and its default.
    pub fn default_text() -> String {
        template::commented(&Self::default())
    }

    /// This configuration as a file with every key and its meaning.
    pub fn to_commented_toml(&self) -> String {
        template::commented(self)
    }

    /// This configuration as a file with only those keys that differ from the defaults.
    pub fn to_toml(&self) -> String {
        template::differing(self)
    }

    /// Makes relative paths start at `base`.
    pub fn resolve(&mut self, base: &Path) {
        let files = [&mut self.data_dir, &mut self.identity.key, &mut self.identity.cert, &mut self.identity.ca];
        let gateway = &mut self.gateway;
        let second = [&mut gateway.rsa_key, &mut gateway.rsa_cert, &mut self.files.directory];
        let own = [&mut self.admin.socket, &mut self.admin.tokens, &mut self.audit.directory, &mut self.issuer.ca];
        let optional = [&mut gateway.key, &mut gateway.cert, &mut gateway.ca].into_iter().chain(own);
        let all = files.into_iter().chain(&mut self.identity.crl).chain(optional.chain(second).flatten());
        for path in all {
            *path = base.join(&*path);
        }
    }

    /// The admin API's socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.admin.socket.clone().unwrap_or_else(|| self.data_dir.join("admin.sock"))
    }

    /// The file of the admin API's tokens.
    pub fn admin_tokens(&self) -> PathBuf {
        self.admin.tokens.clone().unwrap_or_else(|| self.data_dir.join("tokens.toml"))
    }

    /// Where the audit log is.
    pub fn audit_directory(&self) -> PathBuf {
        self.audit.directory.clone().unwrap_or_else(|| self.data_dir.join("audit"))
    }

    /// The files of the node's identity.
    pub fn identity_paths(&self) -> IdentityPaths {
        let Identity { key, cert, ca, crl, roles, .. } = self.identity.clone();
        IdentityPaths { key, cert, ca, crl, roles, sdk_ca: self.sdk_authorities() }
    }

    /// The files with the authorities whose SDKs are served.
    fn sdk_authorities(&self) -> Vec<PathBuf> {
        if !self.gateway.enabled {
            return Vec::new();
        }
        let channel = self.channel_paths();
        std::iter::once(channel.ca).chain(channel.rsa.and_then(|rsa| rsa.ca)).collect()
    }

    /// The files of the channel port: those named, else the node's own and, for RSA, those in `channel_cert/` beside the
    /// node's certificate.
    pub fn channel_paths(&self) -> ChannelPaths {
        let roles = self.identity.roles;
        let named = match (&self.gateway.rsa_key, &self.gateway.rsa_cert) {
            (Some(key), Some(cert)) => Some(RsaPaths { key: key.clone(), cert: cert.clone(), ca: None }),
            _ => None,
        };
        if let (Some(key), Some(cert), Some(ca)) = (&self.gateway.key, &self.gateway.cert, &self.gateway.ca) {
            return ChannelPaths { key: key.clone(), cert: cert.clone(), ca: ca.clone(), rsa: named, roles };
        }
        let beside = directory_of(&self.identity.cert).join("channel_cert");
        let found = beside.join("node.crt").is_file().then(|| RsaPaths {
            key: beside.join("node.key"),
            cert: beside.join("node.crt"),
            ca: Some(beside.join("ca.crt")),
        });
        let Identity { key, cert, ca, .. } = self.identity.clone();
        ChannelPaths { key, cert, ca, rsa: named.or(found), roles }
    }

    /// What no single key can say.
    fn judge(&self) -> Result<(), (&'static str, String)> {
        let channel = [
            ("gateway.key", &self.gateway.key),
            ("gateway.cert", &self.gateway.cert),
            ("gateway.ca", &self.gateway.ca),
        ];
        let named = channel.iter().find(|(_, path)| path.is_some());
        if let (Some((key, _)), Some((missing, _))) = (named, channel.iter().find(|(_, path)| path.is_none())) {
            return Err((key, format!("key, cert and ca are set together or not at all, and {missing} is not set")));
        }
        match (&self.gateway.rsa_key, &self.gateway.rsa_cert) {
            (Some(_), None) => return Err(("gateway.rsa_key", "rsa_cert is not set".to_owned())),
            (None, Some(_)) => return Err(("gateway.rsa_cert", "rsa_key is not set".to_owned())),
            _ => {}
        }
        self.judge_web()?;
        self.judge_listeners()?;
        let is_secret = self.admin.tls || self.admin.allow_remote;
        if let Some(address) = self.admin.listen.filter(|a| !a.ip().is_loopback() && !is_secret) {
            return Err((
                "admin.listen",
                format!("{address} is not a loopback address, and neither [admin] tls nor allow_remote is set"),
            ));
        }
        self.judge_read_only()?;
        if !(1..=128).contains(&self.p2p.network.len()) || self.p2p.network.chars().any(char::is_control) {
            return Err(("p2p.network", "a network's name has 1 to 128 bytes, and no control characters".to_owned()));
        }
        if self.p2p.external.len() > nuncio_node::MAX_EXTERNAL {
            let (count, most) = (self.p2p.external.len(), nuncio_node::MAX_EXTERNAL);
            return Err(("p2p.external", format!("{count} addresses: others are told {most} at the most")));
        }
        if self.p2p.redial_longest < self.p2p.redial_first {
            return Err(("p2p.redial_longest", "is shorter than redial_first".to_owned()));
        }
        if self.gateway.publish_timeout < self.gateway.candidate_timeout {
            return Err(("gateway.publish_timeout", "is shorter than candidate_timeout".to_owned()));
        }
        if self.issuer.listen.is_some() && self.issuer.ca.is_none() {
            return Err(("issuer.listen", "there is no [issuer] ca to answer newcomers".to_owned()));
        }
        self.judge_limits()?;
        self.rights.in_force()?;
        self.priorities.in_force().map_err(|fault| ("priorities", fault))?;
        crate::logging::judge_filter(&self.log.filter).map_err(|error| ("log.filter", error.to_string()))
    }
}

/// Where a configuration comes from; reading it again is a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A `nuncio.toml`.
    File(PathBuf),
    /// A FISCO BCOS 2.x node directory, or its `config.ini`.
    Fisco(PathBuf),
}

impl Source {
    /// Reads it, with one line for each thing that was left out.
    ///
    /// # Errors
    /// See [`Config::load`] and [`Config::import_fisco`].
    pub fn load(&self) -> Result<Imported, ConfigError> {
        match self {
            Self::File(path) => Config::load(path).map(|config| Imported { config, notes: Vec::new() }),
            Self::Fisco(path) => Config::import_fisco(path),
        }
    }
}

/// The directory that relative paths of a file start at.
fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn environment_variables() -> impl Iterator<Item = (String, OsString)> {
    std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into_owned(), value))
}

#[cfg(test)]
mod tests;
