//! A FISCO BCOS 2.x node directory as a configuration.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use super::{
    Config, ConfigError, Peer, directory_of,
    ini::{self, Entry},
    text,
    value::{Sdk, Size, ValueError},
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
    ("flow_control.", "only limit_req and outgoing_bandwidth_limit are taken over"),
];

/// Reads the text of a `config.ini`, and the `group.N.ini` files that lie where it says.
pub(super) fn import(text: &str, file: &Path) -> Result<Imported, ConfigError> {
    let entries = entries(text, file)?;
    if let Some(entry) = entries.iter().find(|entry| is_of_version_3(entry)) {
        return Err(unsupported(file, entry, VERSION_3));
    }
    let mut reader = Reader { file, config: Config::default(), notes: Vec::new(), found: Found::default() };
    for entry in &entries {
        reader.take(entry)?;
    }
    if reader.notes.len() == entries.len() {
        return Err(ConfigError::NotFisco { path: file.to_owned() });
    }
    reader.take_groups()?;
    reader.finish()
}

/// What a directory of FISCO BCOS 3.x is told.
const VERSION_3: &str = "this is a node directory of FISCO BCOS 3.x, whose nodes have RSA certificates (ssl.key, ssl.crt) and \
    speak another protocol; directories of 2.x are taken over";

/// Keys that only 3.x has; whole sections end in a dot.
const OF_VERSION_3: &[&str] = &[
    "p2p.nodes_file",
    "p2p.nodes_path",
    "p2p.sm_ssl",
    "rpc.sm_ssl",
    "rpc.thread_count",
    "cert.",
    "security.private_key_path",
    "chain.group_id",
    "chain.chain_id",
    "service.",
    "executor.",
];

fn is_of_version_3(entry: &Entry<'_>) -> bool {
    let name = format!("{}.{}", entry.section, entry.key);
    OF_VERSION_3.iter().any(|known| if known.ends_with('.') { name.starts_with(known) } else { name == *known })
}

/// Refuses a directory of 3.x whose `config.ini` is not there or lies elsewhere, as in its Pro and Max editions.
pub(super) fn refuse_version_3(file: &Path) -> Result<(), ConfigError> {
    let directory = directory_of(file);
    let trace = ["config.genesis", "nodes.json", "conf/nodes.json"].iter().find(|name| directory.join(name).is_file());
    match trace {
        Some(trace) if !file.is_file() => Err(ConfigError::Unsupported {
            path: directory.to_owned(),
            key: (*trace).to_owned(),
            message: VERSION_3.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The group files of a `config.ini` that can be read.
pub(super) fn group_files(file: &Path) -> Vec<PathBuf> {
    let text = text::of_ini(file).unwrap_or_default();
    let entries = ini::parse(&text).unwrap_or_default();
    let named = entries.iter().find(|one| (one.section, one.key) == GROUP_DIRECTORY);
    groups_in(&group_directory(file, named.map(|one| one.value.as_ref()))).unwrap_or_default()
}

/// Where group files are: as the `config.ini` says, or in `conf/` beside it.
fn group_directory(file: &Path, named: Option<&Path>) -> PathBuf {
    directory_of(file).join(named.unwrap_or(Path::new("conf")))
}

const GROUP_DIRECTORY: (&str, &str) = ("group", "group_config_path");

/// `group.N.ini`, in order; none where there is no such directory.
fn groups_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_suffix(".ini"))
            .is_some_and(|name| is_numbered(name, "group."))
        {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn entries<'a>(text: &'a str, file: &Path) -> Result<Vec<Entry<'a>>, ConfigError> {
    ini::parse(text).map_err(|bad| ConfigError::Invalid {
        path: file.to_owned(),
        line: bad.line,
        column: 1,
        key: None,
        message: bad.message.to_owned(),
    })
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
    groups: Option<PathBuf>,
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
                let node = entry.value.parse().map_err(|error: ValueError| self.invalid(entry, error.to_string()))?;
                self.config.access.deny.push(node);
            }
            ("certificate_whitelist" | "cal", key) if is_numbered(key, "cal.") => {
                let node = entry.value.parse().map_err(|error: ValueError| self.invalid(entry, error.to_string()))?;
                self.config.access.allow.push(node);
            }
            ("network_security" | "secure", key) => self.take_security(entry, key)?,
            ("chain", key) => self.take_chain(entry, key)?,
            ("storage_security", "enable") if self.flag(entry)? => {
                return Err(self.unsupported(entry, "node.key is encrypted by a key manager, which is not supported"));
            }
            ("flow_control", "limit_req") => {
                self.config.gateway.calls_per_second = Some(self.parse(entry, "a number of calls per second")?);
            }
            ("flow_control", "outgoing_bandwidth_limit") => {
                self.config.gateway.outgoing_limit = Some(self.bandwidth(entry)?);
            }
            GROUP_DIRECTORY => self.found.groups = Some(entry.value.into()),
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

    /// Lists of SDKs stand in the files of groups. Groups are not there, so an SDK on any list is let in, and none else.
    fn take_groups(&mut self) -> Result<(), ConfigError> {
        let directory = group_directory(self.file, self.found.groups.as_deref());
        let unreadable = |source| ConfigError::Read { path: directory.clone(), source };
        let mut without = Vec::new();
        for file in groups_in(&directory).map_err(unreadable)? {
            let of_group = allowed_sdks(&text::of_ini(&file)?, &file)?;
            if of_group.is_empty() {
                without.push(file.display().to_string());
            }
            self.config.gateway.allow.extend(of_group);
        }
        self.config.gateway.allow.sort();
        self.config.gateway.allow.dedup();
        let is_restricted = !self.config.gateway.allow.is_empty();
        if is_restricted && !without.is_empty() {
            self.notes.push(format!(
                "{} has no sdk_allowlist, but another group has one: without groups it holds for all SDKs ([gateway] allow)",
                without.join(", ")
            ));
        }
        Ok(())
    }

    /// Megabits per second, as FISCO BCOS counts them: 2^20 bits.
    fn bandwidth(&self, entry: &Entry<'_>) -> Result<Size, ConfigError> {
        let megabits: f64 = self.parse(entry, "a number of Mbit/s")?;
        let bytes = megabits * 131_072.0;
        if !(1.0..9.0e15).contains(&bytes) {
            return Err(self.invalid(entry, format!("`{}` is not a bandwidth in Mbit/s above zero", entry.value)));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its range is known")]
        Ok(Size(bytes as u64))
    }

    /// FISCO BCOS resolves paths against the directory it is started in: the one of config.ini.
    fn finish(mut self) -> Result<Imported, ConfigError> {
        let found = std::mem::take(&mut self.found);
        let any = IpAddr::from([0, 0, 0, 0]);
        let conf = found.data_path.unwrap_or_else(|| "conf".into());
        let config = &mut self.config;
        config.p2p.listen = SocketAddr::new(found.p2p_ip.unwrap_or(any), found.p2p_port.unwrap_or(30300)).into();
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
        let listen = self.config.p2p.listen.addresses().to_vec();
        let is_own = |peer: &Peer| {
            peer.host_and_port().is_some_and(|(host, port)| {
                let ip = host.parse::<IpAddr>().ok();
                let is_loopback = host == "localhost" || ip.is_some_and(|ip| ip.is_loopback());
                listen.iter().any(|own| own.port() == port && (is_loopback || ip == Some(own.ip())))
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
        invalid(self.file, entry, message)
    }

    fn unsupported(&self, entry: &Entry<'_>, message: &str) -> ConfigError {
        unsupported(self.file, entry, message)
    }
}

/// The SDKs that the file of a group lets in; empty when it lets in everyone.
fn allowed_sdks(text: &str, file: &Path) -> Result<Vec<Sdk>, ConfigError> {
    let entries = entries(text, file)?;
    let named = entries.iter().filter(|one| one.section == "sdk_allowlist" && is_numbered(one.key, "public_key."));
    named.map(|one| one.value.parse().map_err(|error: ValueError| invalid(file, one, error.to_string()))).collect()
}

fn invalid(file: &Path, entry: &Entry<'_>, message: String) -> ConfigError {
    ConfigError::Invalid {
        path: file.to_owned(),
        line: entry.line,
        column: 1,
        key: Some(format!("{}.{}", entry.section, entry.key)),
        message,
    }
}

fn unsupported(file: &Path, entry: &Entry<'_>, message: &str) -> ConfigError {
    ConfigError::Unsupported {
        path: file.to_owned(),
        key: format!("{}.{}", entry.section, entry.key),
        message: message.to_owned(),
    }
}

fn is_numbered(key: &str, prefix: &str) -> bool {
    key.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
