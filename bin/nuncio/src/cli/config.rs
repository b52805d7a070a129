//! `nuncio config`: configuration files. Nothing is bound and nothing is dialled.

mod bounds;
mod running;

use std::path::{Path, PathBuf};

use nuncio_admin::client::Address;
use nuncio_daemon::{Config, ConfigError};
use nuncio_pki::{Identity, RoleRule, tls::channel_server_config};
use serde_json::json;

use super::node::NodeArguments;
use crate::{
    failure::{Failure, causes},
    output::Output,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read a file, resolve its paths and verify the node's certificates
    Check(Which),
    /// Print a configuration with every key, its meaning and its default
    Default,
    /// Print what a file and the environment come to; says what of it the running node has not taken over
    Show(Which),
    /// Print what is in force in a running node: every key, when a change of it counts, and what waits for the next start
    Running(NodeArguments),
    /// Print how much memory others can make a node with this configuration take, at the most
    ///
    /// Every map and queue that peers, SDKs, strangers or operators can grow, with its bound and with what happens when it is
    /// reached; then what a link, an SDK and so on can cost, and the sum: what a machine or container must have for it beside
    /// the program itself. Without FILE and without ./nuncio.toml, the defaults count.
    ///
    /// With --json, one object: `rooms`, a list of objects with `name`, `bytes` and `bounds`, each of which has `what`, `per`
    /// (node, link, SDK, …), `count` (how many of those there may be), `entries` (null where bytes alone are counted), `bytes`
    /// (of one), `sum` (of all) and `when_full`; `per`, a list of objects with `name`, `count`, `bytes` (of one) and `sum`; and
    /// `bytes`, the sum of all.
    #[command(verbatim_doc_comment)]
    Bounds(Which),
    /// Print the configuration of a FISCO BCOS 2.x node directory as a nuncio.toml; with --json, one object of all its keys
    Import {
        /// The directory, or its config.ini
        #[arg(value_name = "config.ini")]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The file [default: ./nuncio.toml]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same, as the other commands name it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
}

impl Which {
    /// The configuration; the defaults where none is named and none is here.
    fn config_or_default(self) -> Result<Config, Failure> {
        let (is_named, path) = (self.file.is_some() || self.config.is_some(), self.path());
        if !is_named && !path.exists() { Ok(Config::default()) } else { Ok(Config::load(&path)?) }
    }

    fn path(self) -> PathBuf {
        self.file.or(self.config).unwrap_or_else(|| "nuncio.toml".into())
    }
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.action {
        Action::Check(which) => check(&which.path(), output),
        Action::Default if output.json => output.object(&Config::default()),
        Action::Default => output.bytes(Config::default_text().as_bytes()),
        Action::Show(which) => {
            // Whole paths: what is printed means the same wherever it is saved.
            let path = which.path();
            let config = Config::load(&std::path::absolute(&path).unwrap_or(path))?;
            show(&config, output)?;
            running::note_waiting(&config, output).await;
            Ok(())
        }
        Action::Running(node) => running::run(&node, output).await,
        Action::Bounds(which) => bounds::show(&which.config_or_default()?, output),
        Action::Import { file } => {
            let imported = Config::import_fisco(&file)?;
            imported.notes.iter().for_each(|note| output.note(note));
            match output.json {
                true => output.object(&imported.config),
                false => output.bytes(imported.config.to_toml().as_bytes()),
            }
        }
    }
}

/// Where the admin API of the node with this configuration is: a `nuncio.toml`, or FISCO BCOS's directory or `config.ini`.
pub(crate) fn admin_address(file: &Path) -> Result<Address, Failure> {
    // The file was meant where there is one: what is missing there of FISCO BCOS helps nobody.
    let is_directory = file.is_dir() && !file.join("nuncio.toml").is_file();
    let is_fisco = is_directory || file.extension().is_some_and(|extension| extension == "ini");
    let config = if is_fisco { Config::import_fisco(file)?.config } else { Config::load(file)? };
    Ok(Address::Unix(config.admin_socket()))
}

fn check(file: &Path, output: Output) -> Result<(), Failure> {
    let config = Config::load(file)?;
    let (identity, _) = Identity::load(&config.identity_paths())?;
    if config.gateway.enabled {
        channel_server_config(&config.channel_paths()).map_err(|error| {
            Failure::configuration("certificates", format_args!("[gateway]: {}", causes(&error))).hint(error.hint())
        })?;
    }
    if config.identity.roles == RoleRule::Any {
        output.note("[identity] roles = \"any\": whoever has an SDK's certificate can run a node with it");
    }
    let (certificate, node) = (&identity.certificate, identity.key.node_id().to_string());
    let object = json!({
        "ok": true,
        "node_id": node,
        "name": certificate.name,
        "agency": certificate.agency,
        "p2p": config.p2p.listen.to_string(),
        "gateway": config.gateway.enabled.then(|| config.gateway.listen.to_string()),
        "admin": config.admin_socket().display().to_string(),
    });
    output.show(&object, || {
        format!("{} is good: {} of {}, node {}", file.display(), certificate.name, certificate.agency, node)
    })
}

fn show(config: &Config, output: Output) -> Result<(), Failure> {
    if output.json { output.object(config) } else { output.bytes(config.to_commented_toml().as_bytes()) }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::configuration("configuration", causes(&error)).hint(error.hint())
    }
}
