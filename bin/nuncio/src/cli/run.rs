//! `nuncio run`: one node in the foreground.

use std::{path::PathBuf, time::Duration};

use nuncio_daemon::{RunError, Shutdown, Source};
use tokio::io::{AsyncReadExt, stdin};

use crate::{
    exit_code::Exit,
    failure::{Failure, causes},
};

/// How long a node may drain after its standard input ended.
const GRACE: Duration = Duration::from_secs(8);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The node's configuration file
    #[arg(long, value_name = "FILE", default_value = "nuncio.toml")]
    config: PathBuf,
    /// A node directory of FISCO BCOS 2.x (config.ini and conf/) instead
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    fisco: Option<PathBuf>,
    /// Stop when standard input ends: for a program that starts nodes and must not leave them behind
    #[arg(long)]
    stop_with_stdin: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let source = match arguments.fisco {
        Some(directory) => Source::Fisco(directory),
        None => Source::File(arguments.config),
    };
    let shutdown = Shutdown::new();
    if arguments.stop_with_stdin {
        tokio::spawn(stop_with_stdin(shutdown.clone()));
    }
    Ok(nuncio_daemon::run(source, shutdown).await?)
}

/// A node that was just set up.
pub(super) async fn run_file(file: PathBuf) -> Result<(), Failure> {
    Ok(nuncio_daemon::run(Source::File(file), Shutdown::new()).await?)
}

async fn stop_with_stdin(shutdown: Shutdown) {
    let mut input = stdin();
    let mut ignored = [0; 64];
    // An error is an end too: who started this node can no longer be heard.
    while input.read(&mut ignored).await.is_ok_and(|bytes| bytes > 0) {}
    shutdown.drain.cancel();
    tokio::time::sleep(GRACE).await;
    shutdown.now.cancel();
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let exit = if error.is_configuration() { Exit::Configuration } else { Exit::Failed };
        let failure = Self::new(exit, error.code(), causes(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
