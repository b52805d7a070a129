//! `nuncio ca`: the chain's root and its agencies.

use std::path::PathBuf;

use nuncio_pki::{
    DirectoryError,
    authority::{AUTHORITY_DAYS, Authority, AuthorityError, Validity},
};
use serde_json::json;

use crate::{
    exit_code::Exit,
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
    /// Make a chain's root: ca.crt and ca.key
    Init {
        /// The directory to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The chain's name
        #[arg(long, default_value = "chain")]
        name: String,
        /// How long it is valid
        #[arg(long, value_name = "N", default_value_t = AUTHORITY_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Make an agency below the root: agency.crt and agency.key
    Agency {
        /// The agency's name
        name: String,
        /// The root's directory
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// The directory to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// How long it is valid
        #[arg(long, value_name = "N", default_value_t = AUTHORITY_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let (authority, what) = match arguments.action {
        Action::Init { out, name, days } => (Authority::init(&out, &name, Validity::days(days))?, "root"),
        Action::Agency { name, ca, out, days } => {
            (Authority::open(&ca)?.agency(&name, &out, Validity::days(days))?, "agency")
        }
    };
    let subject = authority.certificate().subject();
    let directory = authority.directory().display().to_string();
    output.show(&json!({ "kind": what, "subject": subject, "directory": directory }), || {
        format!("{what} {subject} is in {directory}; whoever has its key can issue certificates")
    })
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        let (exit, code) = match &error {
            AuthorityError::Exists { .. } => (Exit::Failed, "exists"),
            AuthorityError::Write { .. } => (Exit::Failed, "file"),
            AuthorityError::Name { .. } => (Exit::Usage, "usage"),
            _ => (Exit::Configuration, "certificates"),
        };
        let failure = Self::new(exit, code, causes(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<DirectoryError> for Failure {
    fn from(error: DirectoryError) -> Self {
        Self::configuration("certificates", causes(&error)).hint(error.hint())
    }
}
