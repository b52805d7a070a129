//! `nuncio ca`: the chain's root and its agencies.

mod rotate;

use std::path::{Path, PathBuf};

use nuncio_pki::{
    CertificateRequest, DirectoryError,
    authority::{AGENCY_DAYS, Authority, AuthorityError, ROOT_DAYS, Validity},
    read_file,
};
use serde_json::json;

use super::cert::{self, Days, For};
use crate::{
    exit_code::Exit,
    failure::{Failure, causes},
    output::Output,
};

/// Longest file of a certificate request, in bytes.
const MAX_REQUEST: u64 = 1 << 20;

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
        #[arg(long, value_name = "N", default_value_t = ROOT_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
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
        /// How long it is valid; never longer than the root
        #[arg(long, value_name = "N", default_value_t = AGENCY_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
        days: u32,
    },
    /// Issue a certificate for a request, which `cert request` or openssl made
    Sign {
        /// The request
        #[arg(value_name = "FILE.csr")]
        request: PathBuf,
        /// The directory of the agency (or of the root)
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// The certificate to write, with what stands above it
        #[arg(long, value_name = "FILE.crt")]
        out: PathBuf,
        /// For whom it is; the request does not decide it
        #[arg(long, value_enum, default_value_t = For::Node)]
        kind: For,
        #[command(flatten)]
        validity: Days,
    },
    /// Make an authority's next revocation list, which revokes whom the last one did for another year, or its first
    Crl {
        /// The directory of the authority
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
    },
    /// Replace a root or an agency while its network runs, step by step
    Rotate(rotate::Arguments),
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let (authority, what) = match arguments.action {
        Action::Init { out, name, days } => (Authority::init(&out, &name, Validity::days(days))?, "root"),
        Action::Agency { name, ca, out, days } => {
            (Authority::open(&ca)?.agency(&name, &out, Validity::days(days))?, "agency")
        }
        Action::Sign { request, ca, out, kind, validity } => {
            if out.is_dir() {
                let file = out.join("node.crt");
                return Err(Failure::usage(format_args!("--out {} is a directory", out.display()))
                    .hint(format_args!("name the file to write, such as {}", file.display())));
            }
            let request = read_request(&request)?;
            let days = Validity::days(validity.days);
            let certificate = Authority::open(&ca)?.sign_request(&request, kind.into(), &out, days)?;
            return cert::tell("signed", &certificate, &out, output);
        }
        Action::Crl { ca } => return next_lists(&ca, output),
        Action::Rotate(arguments) => return rotate::run(arguments, output).await,
    };
    let subject = authority.certificate().subject();
    let directory = authority.directory().display().to_string();
    output.show(&json!({ "kind": what, "subject": subject, "directory": directory }), || {
        format!("{what} {subject} is in {directory}; whoever has its key can issue certificates")
    })
}

fn next_lists(ca: &Path, output: Output) -> Result<(), Failure> {
    let authority = Authority::open(ca)?;
    let place = authority.crl_path().display().to_string();
    for list in authority.next_lists()? {
        let (issuer, number, revoked) = (list.issuer(), list.edition().to_string(), list.len());
        let end = list.next_update_text().unwrap_or_default();
        let object = json!({
            "done": "listed", "issuer": issuer, "number": number, "revoked": revoked, "next_update": end, "path": place,
        });
        output.show(&object, || {
            format!("revocation list {number} of {issuer}, with {revoked} certificates, the next due {end}: {place}")
        })?;
    }
    output.note("name the list in [identity] crl of one node; from there it spreads to all");
    Ok(())
}

fn read_request(file: &Path) -> Result<CertificateRequest, Failure> {
    let bytes = read_file(file, MAX_REQUEST).map_err(|error| Failure::file("cannot read", file, &error))?;
    CertificateRequest::from_pem(bytes).map_err(|error| {
        let failure = Failure::from(AuthorityError::from(error));
        Failure { message: format!("{}: {}", file.display(), failure.message), ..failure }
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
