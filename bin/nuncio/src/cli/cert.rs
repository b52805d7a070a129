//! `nuncio cert`: certificates of nodes and SDK clients.

use std::path::{Path, PathBuf};

use clap::{ValueEnum, value_parser};
use nuncio_identity::NodeId;
use nuncio_pki::{
    Certificate, ListSummary, RevocationFile, RevocationList, Summary,
    authority::{Authority, AuthorityError, CERTIFICATE_DAYS, Kind, Validity, holder, issued_to, request},
    inspect, inspect_lists, read_file,
};
use rustls_pki_types::UnixTime;
use serde_json::json;

use crate::{
    failure::{Failure, causes},
    output::Output,
};

/// How a revocation list begins in PEM.
const PEM_LIST: &[u8] = b"-----BEGIN X509 CRL-----";

/// Longest file in which lists are looked for, in bytes; what reads them says the same of longer ones.
const MAX_LISTS: u64 = 64 << 20;

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
    /// Say who a certificate is for, until when, and whether its chain holds and it is revoked; or what a revocation list says
    Inspect {
        /// A file with certificates (PEM), or with revocation lists (PEM or DER)
        file: PathBuf,
        /// The authorities to trust [default: ca.crt beside the file, else a root in the file]
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// The revocation lists to look in [default: ca.crl beside the file]
        #[arg(long, value_name = "FILE")]
        crl: Option<PathBuf>,
    },
    /// Put a certificate on the revocation list of the authority that issued it, ca.crl in its directory
    Revoke {
        /// The certificate, or the directory with node.crt or sdk.crt
        #[arg(required_unless_present = "node")]
        file: Option<PathBuf>,
        /// Instead, all that the agency has given the key of this node, whichever of its issuers it was
        #[arg(long, value_name = "NODEID", conflicts_with = "file")]
        node: Option<NodeId>,
        /// With it every other one that the authority has given the same key, such as those before and after a renewal
        #[arg(long, conflicts_with = "node")]
        key: bool,
        /// The directory of that authority, or one with it somewhere below
        #[arg(long, value_name = "DIR", default_value = ".")]
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
        Action::Inspect { file, ca, .. } if holds_lists(&file) => {
            inspect_lists(&file, ca.as_deref(), UnixTime::now())?.iter().try_for_each(|list| show_list(list, output))
        }
        Action::Inspect { file, ca, crl } => {
            // What mends a bad certificate elsewhere is to look at it here.
            let seen = inspect(&file, ca.as_deref(), crl.as_deref(), UnixTime::now());
            let seen = seen
                .map_err(|error| Failure::from(error).hint("name a file with certificates, such as conf/node.crt"))?;
            show(&seen, output)
        }
        Action::Revoke { file, node, key, ca } => {
            let unsaid = match (file, node) {
                (Some(file), _) => revoke(file, key, &ca, output)?,
                (None, Some(node)) => revoke_node(node, &ca, output)?,
                (None, None) => None,
            };
            output.note("name the list in [identity] crl of one node; from there it spreads to all");
            unsaid.map_or(Ok(()), |error| Err(error.into()))
        }
        Action::Renew { file, ca, days } => {
            let file = certificate_of(file)?;
            let renewed = Authority::open(&ca)?.renew(&file, days)?;
            tell("renewed", &renewed, &file, output)
        }
    }
}

/// A certificate, or all for its key; gives what is to be told last.
fn revoke(file: PathBuf, key: bool, ca: &Path, output: Output) -> Result<Option<AuthorityError>, Failure> {
    let certificate = held_in(&certificate_of(file)?)?;
    let authority = Authority::open_issuer_of(&certificate, ca)?;
    let revoked = if key { authority.revoke_key(&certificate) } else { authority.distrust(&certificate) };
    let unsaid = unsaid(revoked)?;
    tell("revoked", &certificate, &authority.crl_path(), output)?;
    // The RSA authority of an agency stays what it is when that is replaced.
    if certificate.is_signed_by(authority.certificate()) {
        tell_kin(&kin(&authority, unsaid.as_ref()), &certificate, output)?;
    }
    Ok(unsaid)
}

/// Whatever an agency has certified for a node's key: what the ledger of its issuer here knows, and what others issue. Gives what
/// is to be told last.
fn revoke_node(node: NodeId, ca: &Path, output: Output) -> Result<Option<AuthorityError>, Failure> {
    let authority = Authority::open(ca)?;
    let mut held = issued_to(node, ca)?;
    let now = UnixTime::now().as_secs();
    held.retain(|certificate| certificate.not_after().as_secs() >= now);
    let unsaid = unsaid(authority.revoke_node(&node, &held))?;
    let kin = kin(&authority, unsaid.as_ref());
    let line: Vec<_> = std::iter::once(authority).chain(kin).collect();
    for certificate in &held {
        // What the agency issued before it was rotated stands in the list of its former key.
        match line.iter().find(|one| certificate.is_signed_by(one.certificate())) {
            Some(issuer) => tell("revoked", certificate, &issuer.crl_path(), output)?,
            None => output.note(&format!(
                "{} was issued with a key that is not in {} any more: the authority above that agency can revoke it with all it issued",
                certificate.serial(),
                ca.display()
            )),
        }
    }
    for one in &line {
        let (agency, place) = (one.certificate().subject(), one.crl_path().display().to_string());
        let serial = one.certificate().serial();
        let object = json!({
            "done": "key_refused", "node_id": node.to_string(), "agency": agency, "agency_serial": serial, "path": place,
        });
        let whose = if line.len() > 1 { format!("{agency}, serial {serial},") } else { agency.clone() };
        output.show(&object, || {
            format!("refused every certificate of {whose} for the key of node {}: {place}", node.short())
        })?;
    }
    if held.is_empty() {
        output.note(&format!(
            "{} knows no certificate of this node; nuncio certs shows of which agency it is",
            ca.display()
        ));
    }
    Ok(unsaid)
}

/// What is told once all is that was done: lists of others of the line that lack it.
fn unsaid(revoked: Result<RevocationList, AuthorityError>) -> Result<Option<AuthorityError>, AuthorityError> {
    match revoked {
        Ok(_) => Ok(None),
        Err(error @ AuthorityError::Unsaid { .. }) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// Those of an authority's line whose lists have it.
fn kin(authority: &Authority, unsaid: Option<&AuthorityError>) -> Vec<Authority> {
    let is_unsaid = |one: &Authority| match unsaid {
        Some(AuthorityError::Unsaid { lists, .. }) => lists.contains(&one.crl_path()),
        _ => false,
    };
    authority.kin().into_iter().flatten().filter(|one| !is_unsaid(one)).collect()
}

/// The lists of those whose place the authority took, or who took its own, in which the same is said of the key.
fn tell_kin(kin: &[Authority], certificate: &Certificate, output: Output) -> Result<(), Failure> {
    for one in kin {
        let (agency, place) = (one.certificate().subject(), one.crl_path().display().to_string());
        let serial = one.certificate().serial();
        let object = json!({
            "done": "said_too", "subject": certificate.subject(), "agency": agency, "agency_serial": serial, "path": place,
        });
        output.show(&object, || format!("said of its key in the list of {agency}, serial {serial}, too: {place}"))?;
    }
    Ok(())
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
    summaries.iter().try_for_each(|summary| output.show_lines(summary, || lines_of(summary, output)))
}

fn lines_of(summary: &Summary, output: Output) -> Vec<String> {
    let chain = match &summary.chain_problem {
        None => output.good("valid"),
        Some(problem) => format!("{}: {problem}", output.bad("not valid")),
    };
    let kind = if summary.is_ca { "authority" } else { "leaf" };
    let role = match summary.roles[..] {
        _ if summary.is_ca => "none, an authority".to_owned(),
        [] if summary.taken_as.is_empty() => "none stated, so no door lets it in by default".to_owned(),
        // By a tool that knows none.
        [] => format!("none stated: taken as {}, never as operator", summary.taken_as.join(" and as ")),
        _ => summary.roles.join(", "),
    };
    let mut lines = vec![
        summary.subject.clone(),
        format!("  issuer      {}", summary.issuer),
        format!("  role        {role}"),
        format!("  valid       {} to {}", summary.not_before, summary.not_after),
        format!("  chain       {chain}"),
    ];
    if let Some(list) = &summary.revoked {
        lines.push(format!("  revoked     {}", output.bad(&format!("yes, by revocation list {list}"))));
    }
    lines.extend([
        format!("  key         {}, {kind}, X.509 v{}", summary.key, summary.version),
        format!("  serial      {}", summary.serial),
        format!("  fingerprint {}", summary.fingerprint),
    ]);
    if !summary.is_ca {
        lines.extend(summary.node_id.iter().map(|node| format!("  node        {node}")));
        lines.push(format!("  in lists    key:{}", summary.key_id));
        lines.push(format!("              {}@{}", summary.serial, summary.issuer));
    }
    lines
}

fn show_list(list: &ListSummary, output: Output) -> Result<(), Failure> {
    output.show_lines(list, || {
        let next = match &list.next_update {
            Some(next) if list.current => next.clone(),
            Some(next) => output.bad(&format!("{next}, overdue")),
            None => "not said".to_owned(),
        };
        let signature = if list.signature_valid {
            output.good("valid")
        } else {
            output.bad("by nobody in ca.crt; --ca names the authorities")
        };
        let mut lines = vec![
            format!("revocation list {} of {}", list.number, list.issuer),
            format!("  made        {}", list.this_update),
            format!("  next        {next}"),
            format!("  signature   {signature}"),
            format!("  revokes     {} certificates", list.serials.len()),
        ];
        lines.extend(list.serials.iter().map(|serial| format!("              {serial}")));
        lines.extend(list.keys.iter().map(|key| format!("              all of key:{key}")));
        lines
    })
}

/// Whether a file holds revocation lists rather than certificates.
fn holds_lists(file: &Path) -> bool {
    let Ok(content) = read_file(file, MAX_LISTS) else { return false };
    match RevocationFile::parse(&content) {
        Ok(_) => true,
        Err(_) => content.windows(PEM_LIST.len()).any(|window| window == PEM_LIST),
    }
}

/// The certificate that a file is for.
fn held_in(file: &Path) -> Result<Certificate, Failure> {
    let bundle = Certificate::load(file);
    let mut bundle =
        bundle.map_err(|error| Failure::configuration("certificates", causes(&error)).hint(error.hint()))?;
    let place = holder(&bundle, file)?;
    Ok(bundle.swap_remove(place))
}

/// The certificate that a path names, which may be the directory of whoever holds it.
fn certificate_of(path: PathBuf) -> Result<PathBuf, Failure> {
    if !path.is_dir() {
        return Ok(path);
    }
    let there = |names: &[&str]| names.iter().map(|name| path.join(name)).find(|file| file.exists());
    if let Some(file) = there(&["node.crt", "sdk.crt", "operator.crt"]) {
        return Ok(file);
    }
    // An authority's is renewed or revoked by nobody who meant another directory.
    let hint = match there(&["conf/node.crt", "agency.crt", "ca.crt"]) {
        Some(file) => format!("is {} meant? Name it", file.display()),
        None => "name the directory with one of them, such as conf of a node, or a certificate".to_owned(),
    };
    let missing = format!("there is no node.crt, sdk.crt or operator.crt in {}", path.display());
    Err(Failure::configuration("certificates", missing).hint(hint))
}
