//! `nuncio run`: one node in the foreground.

use std::path::PathBuf;

use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node's configuration file [default: ./nuncio.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A node directory of FISCO BCOS 2.x (config.ini and conf/) instead
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    fisco: Option<PathBuf>,
    /// Stop when standard input ends: for a program that starts nodes and must not leave them behind
    #[arg(long)]
    stop_with_stdin: bool,
}
