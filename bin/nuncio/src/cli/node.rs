//! Which running node a command talks to.

use std::{
    env,
    path::{Path, PathBuf},
};

use nuncio_admin::{
    api::ErrorCode,
    client::{Address, Client, ClientError},
};

use super::config;
use crate::{exit_code::Exit, failure::Failure};

/// Read when no flag and no `nuncio.toml` names the node.
const ADMIN_VARIABLE: &str = "NUNCIO_ADMIN";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which node")]
pub(crate) struct NodeArguments {
    /// The node's admin API
    #[arg(long, global = true, value_name = "unix:PATH|http://HOST:PORT")]
    admin: Option<String>,
    /// The node's configuration file [default: ./nuncio.toml, else $NUNCIO_ADMIN]
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "admin")]
    config: Option<PathBuf>,
}

impl NodeArguments {
    /// A client of the node these arguments name; nothing is connected yet.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        self.address().map(Client::new)
    }

    fn address(&self) -> Result<Address, Failure> {
        if let Some(text) = &self.admin {
            return text.parse().map_err(|error| Failure::usage(format_args!("--admin: {error}")));
        }
        if let Some(file) = &self.config {
            return config::admin_address(file);
        }
        let here = Path::new("nuncio.toml");
        if here.is_file() {
            return config::admin_address(here);
        }
        match env::var(ADMIN_VARIABLE) {
            Ok(text) if !text.is_empty() => {
                text.parse().map_err(|error| Failure::usage(format_args!("${ADMIN_VARIABLE}: {error}")))
            }
            _ => Err(Failure::usage("no node is named: there is no ./nuncio.toml and $NUNCIO_ADMIN is not set")
                .hint("add --config node0/nuncio.toml or --admin unix:node0/data/admin.sock")),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error.failure() {
            _ if error.is_unreachable() => Exit::Unreachable,
            Some(ErrorCode::NotReady | ErrorCode::Stopped) => Exit::NotReady,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, error.code(), &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
