//! Which running node a command talks to.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use nuncio_admin::{
    api::ErrorCode,
    client::{Address, Client, ClientError},
};
use nuncio_pki::tls::{TlsConfigError, operator_client_config, operator_client_roles};

use super::config;
use crate::{
    exit_code::Exit,
    failure::{Failure, causes},
};

/// The token, where no file is named.
const TOKEN_VARIABLE: &str = "NUNCIO_TOKEN";

/// Read when no flag and no `nuncio.toml` names the node.
const ADMIN_VARIABLE: &str = "NUNCIO_ADMIN";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which node")]
pub(crate) struct NodeArguments {
    /// The node's admin API
    #[arg(long, global = true, value_name = "unix:PATH|http://HOST:PORT|https://HOST:PORT")]
    admin: Option<String>,
    /// The node's configuration file, where --admin is not given [default: ./nuncio.toml, else $NUNCIO_ADMIN]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A directory with ca.crt and, for who shows a certificate, operator.crt and operator.key; for https
    #[arg(long, global = true, value_name = "DIR", env = "NUNCIO_OPERATOR")]
    operator: Option<PathBuf>,
    /// A file with a token for http and https [default: $NUNCIO_TOKEN itself]
    #[arg(long, global = true, value_name = "FILE", env = "NUNCIO_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl NodeArguments {
    /// A client of the node these arguments name; nothing is connected yet.
    pub(crate) fn connect(&self) -> Result<Client, Failure> {
        let address = self.address()?;
        let (is_tls, is_local) = (matches!(address, Address::Https(_)), matches!(address, Address::Unix(_)));
        let mut client = Client::new(address);
        if is_tls {
            let directory = self.operator.as_ref().ok_or_else(|| {
                Failure::usage("https needs --operator DIR: a directory with the network's ca.crt, and operator.crt and operator.key for who has them")
                    .hint("nuncio cert issue NAME --ca DIR --out DIR --kind operator makes one")
            })?;
            let unusable =
                |error: TlsConfigError| Failure::configuration("certificates", causes(&error)).hint(error.hint());
            client = client
                .with_tls(operator_client_config(directory).map_err(unusable)?)
                .showing(operator_client_roles(directory).map_err(unusable)?);
        }
        // Over the socket the kernel says who asks.
        match self.token()?.filter(|_| !is_local) {
            Some(token) => Ok(client.with_token(token)),
            None => Ok(client),
        }
    }

    fn token(&self) -> Result<Option<String>, Failure> {
        let text = match &self.token_file {
            Some(path) => {
                let read = fs::read_to_string(path);
                Some(read.map_err(|error| Failure::file("cannot read", path, &error))?)
            }
            None => env::var(TOKEN_VARIABLE).ok(),
        };
        let token =
            text.map(|text| text.trim_start_matches('\u{feff}').trim().to_owned()).filter(|token| !token.is_empty());
        match token {
            Some(token) if !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(Failure::usage("what is shown as a token is none: it holds blanks or other characters"))
            }
            token => Ok(token),
        }
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
            // What was written cannot be meant, whoever noticed: an address, an ID, a filter.
            Some(ErrorCode::BadRequest) => Exit::Usage,
            _ => Exit::Failed,
        };
        let failure = Self::new(exit, error.code(), &error);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
