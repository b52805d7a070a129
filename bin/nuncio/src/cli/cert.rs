//! `nuncio cert`: certificates of nodes and SDK clients.

use std::path::{Path, PathBuf};

use clap::{ValueEnum, value_parser};
use nuncio_pki::{
    Certificate, Summary,
    authority::{Authority, CERTIFICATE_DAYS, Kind, Validity},
    inspect,
};
use rustls_pki_types::UnixTime;
use serde_json::json;

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
    /// Make a key and a certificate: node.key, node.crt, ca.crt and node.nodeid, or sdk.key, sdk.crt and ca.crt
    Issue {
        /// The node's or client's name
        name: String,
        /// The directory of the agency (or of the root)
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// The directory to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// For whom it is
        #[arg(long, value_enum, default_value_t = For::Node)]
        kind: For,
        #[command(flatten)]
        validity: Days,
    },
    /// Say who a certificate is for, until when, and whether its chain holds
    Inspect {
        /// A PEM file with one certificate or more
        file: PathBuf,
        /// The authorities to trust [default: ca.crt beside the file, else a root in the file]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
    },
    /// Put a certificate on the authority's revocation list, ca.crl in its directory
    Revoke {
        /// The certificate
        file: PathBuf,
        /// The directory of the authority that issued it
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
    },
    /// Replace a certificate by a new one for the same name and key
    Renew {
        /// The certificate, or the directory with node.crt or sdk.crt
        file: PathBuf,
        /// The directory of the authority that issued it
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        #[command(flatten)]
        validity: Days,
    },
}

#[derive(Debug, clap::Args)]
struct Days {
    /// How long it is valid; never longer than its authority
    #[arg(long, value_name = "N", default_value_t = CERTIFICATE_DAYS, value_parser = value_parser!(u32).range(1..))]
    days: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum For {
    /// A node, on secp256k1
    Node,
    /// An SDK client, on secp256k1
    Sdk,
    /// An SDK client, with an RSA key
    SdkRsa,
}

impl From<For> for Kind {
    fn from(kind: For) -> Self {
        match kind {
            For::Node => Self::Node,
            For::Sdk => Self::Sdk,
            For::SdkRsa => Self::SdkRsa,
        }
    }
}

pub(crate) fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.action {
        Action::Issue { name, ca, out, kind, validity } => {
            let authority = Authority::open(&ca)?;
            let issued = authority.issue(kind.into(), &name, &out, Validity::days(validity.days))?;
            tell("issued", issued.certificate(), &out, output)
        }
        Action::Inspect { file, ca } => show(&inspect(&file, ca.as_deref(), UnixTime::now())?, output),
        Action::Revoke { file, ca } => {
            let authority = Authority::open(&ca)?;
            let certificate = first(&file)?;
            authority.revoke(&certificate)?;
            tell("revoked", &certificate, &authority.crl_path(), output)?;
            output.note("name the list in [identity] crl of one node; from there it spreads to all");
            Ok(())
        }
        Action::Renew { file, ca, validity } => {
            let file = certificate_of(file);
            let renewed = Authority::open(&ca)?.renew(&file, Validity::days(validity.days))?;
            tell("renewed", &renewed, &file, output)
        }
    }
}

fn tell(done: &str, certificate: &Certificate, place: &Path, output: Output) -> Result<(), Failure> {
    let (subject, serial) = (certificate.subject(), certificate.serial());
    let node_id = certificate.node_id().map(|node| node.to_string());
    let place = place.display().to_string();
    let object = json!({ "done": done, "subject": subject, "serial": serial, "node_id": node_id, "path": place });
    output.show(&object, || format!("{done} {subject}, serial {serial}: {place}"))
}

fn show(summaries: &[Summary], output: Output) -> Result<(), Failure> {
    if output.json {
        return summaries.iter().try_for_each(|summary| output.object(summary));
    }
    for summary in summaries {
        let chain = match &summary.chain_problem {
            None => output.good("valid"),
            Some(problem) => format!("{}: {problem}", output.bad("not valid")),
        };
        let kind = if summary.is_ca { "authority" } else { "leaf" };
        output.line(&format!(
            "{}\n  issuer      {}\n  valid       {} to {}\n  chain       {chain}\n  key         {}, {kind}, X.509 v{}\n  \
             serial      {}\n  fingerprint {}",
            summary.subject,
            summary.issuer,
            summary.not_before,
            summary.not_after,
            summary.key,
            summary.version,
            summary.serial,
            summary.fingerprint,
        ))?;
        if let Some(node) = summary.node_id.as_ref().filter(|_| !summary.is_ca) {
            output.line(&format!("  node        {node}"))?;
        }
    }
    Ok(())
}

fn first(file: &Path) -> Result<Certificate, Failure> {
    let bundle = Certificate::load(file);
    let mut bundle =
        bundle.map_err(|error| Failure::configuration("certificates", causes(&error)).hint(error.hint()))?;
    Ok(bundle.swap_remove(0))
}

fn certificate_of(path: PathBuf) -> PathBuf {
    if !path.is_dir() {
        return path;
    }
    let node = path.join("node.crt");
    if node.exists() { node } else { path.join("sdk.crt") }
}
