//! A FISCO BCOS 2.x node directory as a configuration.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    Config, ConfigError, directory_of,
    ini::{self, Entry},
    value::Peer,
};

/// A configuration and what was left out of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The configuration; paths are resolved.
    pub config: Config,
    /// One line for each key that has no counterpart here.
    pub notes: Vec<String>,
}

/// Keys of `config.ini` that say nothing to this node, and why.
const WITHOUT_COUNTERPART: &[(&str, &str)] = &[
    ("rpc.channel_thread_count", "the runtime sizes its own threads"),
    ("rpc.jsonrpc_", "there is no JSON-RPC over HTTP; SDKs use the channel port, operators the admin socket"),
    ("rpc.disable_dynamic_group", "there are no groups"),
    ("rpc.act_as_group_member", "there are no groups"),
    ("p2p.enable_compress", "links are not compressed"),
    ("p2p.peers_param_limit", "it limits a JSON-RPC call that is not there"),
    ("p2p.connection_warning", "the log filter says what is logged"),
    ("network_security.ca_path", "list all authorities in ca_cert"),
    ("network_security.", "there is no SM cryptography and no hardware key"),
    ("storage_security.", "there is no ledger to encrypt"),
    ("storage.", "there is no ledger"),
    ("group.", "there are no groups"),
    ("consensus.", "there is no consensus"),
    ("chain.sm_crypto", "it is false"),
    ("log.", "the log goes to standard error; only its level is taken over"),
    ("flow_control.", "the gateway has its own limits"),
];

pub(super) fn import(text: &str, file: &Path) -> Result<Imported, ConfigError> {
    let entries = ini::parse(text).map_err(|bad| ConfigError::Invalid {
        path: file.to_owned(),
        line: bad.line,
        column: 1,
        key: None,
        message: bad.message.to_owned(),
    })?;
    let mut reader = Reader { file, config: Config::default(), notes: Vec::new(), found: Found::default() };
    for entry in &entries {
        reader.take(entry)?;
    }
    reader.finish()
}

struct Reader<'a> {
    file: &'a Path,
    config: Config,
    notes: Vec<String>,
    found: Found,
}

/// Values that mean something only together.
#[derive(Default)]
struct Found {
    p2p_ip: Option<IpAddr>,
    p2p_port: Option<u16>,
    rpc_ip: Option<IpAddr>,
    channel_ip: Option<IpAddr>,
    channel_port: Option<u16>,
    data_path: Option<PathBuf>,
    key: Option<PathBuf>,
    cert: Option<PathBuf>,
    ca: Option<PathBuf>,
    is_rsa_channel: bool,
}

impl Reader<'_> {
    fn take(&mut self, entry: &Entry<'_>) -> Result<(), ConfigError> {
        match (entry.section, entry.key) {
            ("p2p", "listen_ip") => self.found.p2p_ip = Some(self.parse(entry, "an IP address")?),
            ("p2p", "listen_port") => self.found.p2p_port = Some(self.parse(entry, "a port")?),
            ("p2p", "max_nodes_limit") => self.config.p2p.max_links = self.parse(entry, "a number")?,
            ("p2p", key) if is_numbered(key, "node.") => {
                let peer = entry.value.parse::<Peer>().map_err(|error| self.invalid(entry, error.to_string()))?;
                self.config.p2p.peers.push(peer);
            }
            ("rpc", "listen_ip") => self.found.rpc_ip = Some(self.parse(entry, "an IP address")?),
            ("rpc", "channel_listen_ip") => self.found.channel_ip = Some(self.parse(entry, "an IP address")?),
            ("rpc", "channel_listen_port") => self.found.channel_port = Some(self.parse(entry, "a port")?),
            ("certificate_blacklist" | "crl", key) if is_numbered(key, "crl.") => {
                let node =
                    entry.value.parse().map_err(|error: super::ValueError| self.invalid(entry, error.to_string()))?;
                self.config.access.deny.push(node);
            }
            ("certificate_whitelist" | "cal", key) if is_numbered(key, "cal.") => {
                let node =
                    entry.value.parse().map_err(|error: super::ValueError| self.invalid(entry, error.to_string()))?;
                self.config.access.allow.push(node);
            }
            ("network_security" | "secure", key) => self.take_security(entry, key)?,
            ("chain", key) => self.take_chain(entry, key)?,
            ("storage_security", "enable") if self.flag(entry)? => {
                return Err(self.unsupported(entry, "node.key is encrypted by a key manager, which is not supported"));
            }
            ("compatibility", "supported_version") => {
                self.config.gateway.supported_version = entry.value.to_owned();
            }
            ("log", "level") => self.config.log.filter = self.log_filter(entry)?,
            _ => self.note(entry),
        }
        Ok(())
    }

    fn take_security(&mut self, entry: &Entry<'_>, key: &str) -> Result<(), ConfigError> {
        match key {
            "data_path" => self.found.data_path = Some(entry.value.into()),
            "key" => self.found.key = Some(entry.value.into()),
            "cert" => self.found.cert = Some(entry.value.into()),
            "ca_cert" => self.found.ca = Some(entry.value.into()),
            "check_cert_issuer" => self.config.gateway.same_agency = self.flag(entry)?,
            "crypto_provider" if entry.value.eq_ignore_ascii_case("hsm") => {
                return Err(self.unsupported(entry, "the key is in a hardware module, which is not supported"));
            }
            _ => self.note(entry),
        }
        Ok(())
    }

    fn take_chain(&mut self, entry: &Entry<'_>, key: &str) -> Result<(), ConfigError> {
        match key {
            "id" => self.config.gateway.chain_id = entry.value.to_owned(),
            "rsa_crypto_channel" => self.found.is_rsa_channel = self.flag(entry)?,
            "sm_crypto" | "sm_crypto_channel" if self.flag(entry)? => {
                return Err(self.unsupported(entry, "SM cryptography is not supported"));
            }
            _ => self.note(entry),
        }
        Ok(())
    }

    /// FISCO BCOS resolves paths against the directory it is started in: the one of config.ini.
    fn finish(mut self) -> Result<Imported, ConfigError> {
        let found = std::mem::take(&mut self.found);
        let any = IpAddr::from([0, 0, 0, 0]);
        let conf = found.data_path.unwrap_or_else(|| "conf".into());
        let config = &mut self.config;
        config.p2p.listen = SocketAddr::new(found.p2p_ip.unwrap_or(any), found.p2p_port.unwrap_or(30300));
        config.gateway.listen =
            SocketAddr::new(found.channel_ip.or(found.rpc_ip).unwrap_or(any), found.channel_port.unwrap_or(20200));
        config.identity.key = conf.join(found.key.unwrap_or_else(|| "node.key".into()));
        config.identity.cert = conf.join(found.cert.unwrap_or_else(|| "node.crt".into()));
        config.identity.ca = conf.join(found.ca.unwrap_or_else(|| "ca.crt".into()));
        // data/ is where FISCO BCOS keeps its ledger.
        config.data_dir = "nuncio-data".into();
        let channel = if found.is_rsa_channel { conf.join("channel_cert") } else { conf };
        let own = (!found.is_rsa_channel).then(|| config.identity.clone());
        config.gateway.key = Some(own.as_ref().map_or_else(|| channel.join("node.key"), |own| own.key.clone()));
        config.gateway.cert = Some(own.as_ref().map_or_else(|| channel.join("node.crt"), |own| own.cert.clone()));
        config.gateway.ca = Some(own.map_or_else(|| channel.join("ca.crt"), |own| own.ca));
        self.drop_own_address();
        self.config.resolve(directory_of(self.file));
        let Self { config, notes, file, .. } = self;
        config.judge().map_err(|(key, message)| ConfigError::Unsupported {
            path: file.to_owned(),
            key: key.to_owned(),
            message,
        })?;
        Ok(Imported { config, notes })
    }

    /// FISCO BCOS lists every node of the chain in every config.ini, the node itself too.
    fn drop_own_address(&mut self) {
        let listen = self.config.p2p.listen;
        let is_own = |peer: &Peer| {
            peer.host_and_port().is_some_and(|(host, port)| {
                let ip = host.parse::<IpAddr>().ok();
                let is_here = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback() || ip == listen.ip());
                port == listen.port() && is_here
            })
        };
        let (own, others) = std::mem::take(&mut self.config.p2p.peers).into_iter().partition::<Vec<_>, _>(is_own);
        self.notes.extend(own.iter().map(|peer| format!("p2p.node {peer} left out: it is this node")));
        self.config.p2p.peers = others;
    }

    fn log_filter(&self, entry: &Entry<'_>) -> Result<String, ConfigError> {
        match entry.value.to_ascii_lowercase().as_str() {
            level @ ("trace" | "debug" | "info") => Ok(level.to_owned()),
            "warning" | "warn" => Ok("warn".to_owned()),
            "error" | "fatal" => Ok("error".to_owned()),
            _ => Err(self.invalid(entry, format!("`{}` is not a log level", entry.value))),
        }
    }

    fn note(&mut self, entry: &Entry<'_>) {
        let name = format!("{}.{}", entry.section, entry.key);
        let reason = WITHOUT_COUNTERPART.iter().find(|(prefix, _)| name.starts_with(prefix));
        let reason = reason.map_or("not known here", |(_, reason)| reason);
        self.notes.push(format!("{}:{}: {name} ignored: {reason}", self.file.display(), entry.line));
    }

    fn parse<T: FromStr>(&self, entry: &Entry<'_>, expected: &str) -> Result<T, ConfigError> {
        entry.value.parse().map_err(|_| self.invalid(entry, format!("`{}` is not {expected}", entry.value)))
    }

    fn flag(&self, entry: &Entry<'_>) -> Result<bool, ConfigError> {
        match entry.value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(self.invalid(entry, format!("`{}` is neither true nor false", entry.value))),
        }
    }

    fn invalid(&self, entry: &Entry<'_>, message: String) -> ConfigError {
        ConfigError::Invalid {
            path: self.file.to_owned(),
            line: entry.line,
            column: 1,
            key: Some(format!("{}.{}", entry.section, entry.key)),
            message,
        }
    }

    fn unsupported(&self, entry: &Entry<'_>, message: &str) -> ConfigError {
        ConfigError::Unsupported {
            path: self.file.to_owned(),
            key: format!("{}.{}", entry.section, entry.key),
            message: message.to_owned(),
        }
    }
}

fn is_numbered(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
