//! `nuncio doctor`: what is wrong with a port.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_daemon::Config;
use nuncio_doctor::{
    Credentials, CredentialsError, CredentialsPaths, Finding, Owner, Port, Question, Severity, Target,
};
use nuncio_pki::{IdentityPaths, RoleRule};
use serde::Serialize;

use super::text;
use crate::{failure::Failure, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The port to look at
    #[arg(value_name = "HOST:PORT")]
    target: Target,
    /// The directory with ca.crt, sdk.crt and sdk.key, or with ca.crt, node.crt and node.key
    #[arg(long, value_name = "DIR", conflicts_with_all = ["config", "key"])]
    certs: Option<PathBuf>,
    /// The configuration file of the node that asks [default: ./nuncio.toml if it is there]
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    config: Option<PathBuf>,
    /// A private key, with --cert and --ca
    #[arg(long, value_name = "FILE", requires_all = ["cert", "ca"])]
    key: Option<PathBuf>,
    /// Its certificate
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The authorities to trust
    #[arg(long, value_name = "FILE", requires = "key")]
    ca: Option<PathBuf>,
    /// What the port is meant to be [default: channel with an SDK's certificates, else whatever it is]
    #[arg(long, value_enum, value_name = "KIND")]
    expect: Option<Expected>,
    /// How long each single answer is waited for
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = text::time_limit)]
    timeout: Duration,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Expected {
    /// Where nodes speak to nodes
    P2p,
    /// Where SDKs connect
    Channel,
    /// Without TLS
    Plain,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    check: &'static str,
    ok: bool,
    severity: &'static str,
    detail: String,
    hint: Option<&'a str>,
}

impl From<Expected> for Port {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::P2p => Self::P2p,
            Expected::Channel => Self::Channel,
            Expected::Plain => Self::Plain,
        }
    }
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    let patience = arguments.timeout;
    let probing = nuncio_doctor::probe(question(arguments)?, patience);
    let findings = nuncio_doctor::diagnose(&output.waiting("asking the port", probing).await);
    findings.iter().try_for_each(|finding| show(finding, output))?;
    let faults = findings.iter().filter(|finding| finding.severity == Severity::Fault).count();
    match faults {
        0 => {
            output.note("nothing is wrong");
            Ok(())
        }
        1 => Err(Failure::operation("unhealthy", "1 thing is wrong")),
        _ => Err(Failure::operation("unhealthy", format_args!("{faults} things are wrong"))),
    }
}

fn question(arguments: Arguments) -> Result<Question, Failure> {
    let Arguments { target, certs, config, key, cert, ca, expect, .. } = arguments;
    let mut question = Question::new(target);
    if let Some(expected) = expect {
        question = question.expecting(expected.into());
    }
    if let (Some(key), Some(cert), Some(ca)) = (key, cert, ca) {
        let paths = CredentialsPaths { key, cert, ca, crl: Vec::new(), roles: RoleRule::default() };
        let owner = if matches!(expect, Some(Expected::Channel)) { Owner::Sdk } else { Owner::Node };
        return Ok(question.with_credentials(Credentials::load(paths, owner)?));
    }
    if let Some(directory) = certs {
        return Ok(question.with_credentials(Credentials::in_directory(&directory)?));
    }
    let here = Path::new("nuncio.toml");
    match config.as_deref().or(here.is_file().then_some(here)) {
        Some(file) => of_node(question, file),
        None => Ok(question),
    }
}

fn of_node(question: Question, file: &Path) -> Result<Question, Failure> {
    let config = Config::load(file)?;
    let IdentityPaths { key, cert, ca, crl, roles, .. } = config.identity_paths();
    let paths = CredentialsPaths { key, cert, ca, crl, roles };
    let own = Credentials::load(paths, Owner::Node)?;
    Ok(question.with_credentials(own).in_network(config.p2p.network))
}

fn show(finding: &Finding, output: Output) -> Result<(), Failure> {
    let ok = finding.severity != Severity::Fault;
    let hint = (!finding.fix.is_empty()).then_some(finding.fix.as_str());
    let (check, severity) = (finding.check.as_str(), finding.severity.as_str());
    let shown = Shown { check, ok, severity, detail: finding.detail(), hint };
    output.show_lines(&shown, || {
        let mark = format!("{severity:5}");
        let mark = if ok { output.good(&mark) } else { output.bad(&mark) };
        let fix = hint.map(|hint| format!("      hint: {hint}"));
        std::iter::once(format!("{mark} {check}: {}", finding.detail())).chain(fix).collect()
    })
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        Self::configuration("certificates", &error).hint(error.hint())
    }
}
