//! `nuncio cert`: certificates of nodes and SDK clients.

use std::path::{Path, PathBuf};

use clap::{ValueEnum, value_parser};
use nuncio_pki::{
    Certificate, Summary,
    authority::{Authority, CERTIFICATE_DAYS, Kind, Validity, request},
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
    /// Make a key and a certificate: node.key, node.crt, ca.crt and node.nodeid; sdk.* or operator.* for those
    Issue {
        /// The node's, client's or operator's name
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
    /// Make a key, or take the one that lies there, and a request for a certificate: node.key and node.csr
    Request {
        /// The node's, client's or operator's name
        name: String,
        /// The directory to write; the key stays there
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// For whom it is
        #[arg(long, value_enum, default_value_t = For::Node)]
        kind: For,
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
    /// Replace a certificate by a new one for the same name, key and purpose; authorities' too, a root's by itself
    Renew {
        /// The certificate, or the directory with node.crt, sdk.crt or operator.crt
        file: PathBuf,
        /// The directory of the authority that issued it
        #[arg(long, value_name = "DIR")]
        ca: PathBuf,
        /// How long it is valid; never longer than its authority [default: 365, an agency 3650, a root 7300]
        #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
        days: Option<u32>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Days {
    /// How long it is valid; never longer than its authority
    #[arg(long, value_name = "N", default_value_t = CERTIFICATE_DAYS, value_parser = value_parser!(u32).range(1..))]
    pub(super) days: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum For {
    /// A node, on secp256k1
    Node,
    /// An SDK client, on secp256k1
    Sdk,
    /// An SDK client, with an RSA key
    SdkRsa,
    /// An operator of nodes, on secp256k1
    Operator,
}

impl From<For> for Kind {
    fn from(kind: For) -> Self {
        match kind {
            For::Node => Self::Node,
            For::Sdk => Self::Sdk,
            For::SdkRsa => Self::SdkRsa,
            For::Operator => Self::Operator,
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
        Action::Request { name, out, kind } => {
            let request = request(kind.into(), &name, &out)?;
            let node_id = request.node_id().map(|node| node.to_string());
            let place = out.display().to_string();
            let object =
                json!({ "done": "requested", "subject": request.subject(), "node_id": node_id, "path": place });
            output.show(&object, || format!("requested {}: {place}", request.subject()))?;
            output.note("give the .csr to the authority: nuncio ca sign FILE --ca DIR --out FILE");
            Ok(())
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
        Action::Renew { file, ca, days } => {
            let file = certificate_of(file);
            let renewed = Authority::open(&ca)?.renew(&file, days)?;
            tell("renewed", &renewed, &file, output)
        }
    }
}

pub(super) fn tell(done: &str, certificate: &Certificate, place: &Path, output: Output) -> Result<(), Failure> {
    let (subject, serial) = (certificate.subject(), certificate.serial());
    let node_id = certificate.node_id().map(|node| node.to_string());
    let (place, end) = (place.display().to_string(), certificate.not_after_text());
    let object = json!({
        "done": done, "subject": subject, "serial": serial, "node_id": node_id, "path": place, "not_after": end,
    });
    output.show(&object, || format!("{done} {subject}, serial {serial}, valid until {end}: {place}"))
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
        let role = match summary.roles[..] {
            _ if summary.is_ca => "none, an authority".to_owned(),
            [] => "none stated, so no door lets it in by default".to_owned(),
            _ => summary.roles.join(", "),
        };
        output.line(&format!(
            "{}\n  issuer      {}\n  role        {role}\n  valid       {} to {}\n  chain       {chain}\n  key         {}, {kind}, X.509 v{}\n  \
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
    let mut files = ["node.crt", "sdk.crt", "operator.crt"].map(|name| path.join(name)).into_iter();
    files.find(|file| file.exists()).unwrap_or_else(|| path.join("node.crt"))
}
