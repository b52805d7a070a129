//! `nuncio audit`: what a node judged and operators did, from its files or as it happens.

mod show;

use std::path::{Path, PathBuf};

use nuncio_audit::{Position, Report, VerifyError};
use nuncio_daemon::{Config, audit};
use nuncio_identity::NodeId;
use nuncio_pki::{Certificate, read_file};
use serde_json::{Value, json};
use tokio::signal;

use super::{node::NodeArguments, text};
use crate::{failure::Failure, output::Output};

/// Longest file of certificates that is looked into, in bytes.
const MAX_CERTIFICATES: u64 = 4 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check every line and signature; name the first line that is broken, and how
    ///
    /// With --json, one object: `ok`, `node_id`, `files`, `entries`, `first` and `last` (numbers of lines), `position` (of the
    /// last line, for --noted), `seals` (signatures), `sealed_at`, `unsealed` (lines after the last signature), `unvouched`
    /// (lines that were not signed when the node was started again), `missed` (events that were counted only) and `stopped`.
    Verify {
        #[command(flatten)]
        log: Log,
        /// The node that must have signed it; a beginning of its ID is enough where the configuration names its certificate
        /// [default: that one]
        #[arg(long, value_name = "NODEID", value_parser = text::node_id)]
        node: Option<String>,
        /// A position that was printed before: it must still be there, so that a cut end is found
        #[arg(long, value_name = "SEQ:HASH")]
        noted: Option<Position>,
    },
    /// Print entries, oldest first
    Show(show::Arguments),
    /// Print events as they happen, until Ctrl-C
    Follow {
        /// Only events of this kind; may be given several times
        #[arg(long = "kind", value_name = "KIND")]
        kinds: Vec<String>,
        #[command(flatten)]
        node: NodeArguments,
    },
}

/// Which log, on this machine.
#[derive(Debug, clap::Args)]
struct Log {
    /// The log's directory, or one file of it [default: that of the configuration]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// The node's configuration file [default: ./nuncio.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "path")]
    config: Option<PathBuf>,
}

/// A log's files, and whose it is, where that is known.
struct Found {
    files: Vec<PathBuf>,
    node: Option<NodeId>,
}

impl Log {
    fn find(&self) -> Result<Found, Failure> {
        let (path, node) = match &self.path {
            Some(path) => (path.clone(), None),
            None => {
                let config = Config::load(self.config.as_deref().unwrap_or(Path::new("nuncio.toml")))?;
                (config.audit_directory(), node_of(&config.identity.cert))
            }
        };
        if path.is_file() {
            return Ok(Found { files: vec![path], node });
        }
        let files = audit::files(&path).map_err(|error| Failure::file("cannot read", &path, &error))?;
        if files.is_empty() {
            return Err(Failure::operation("not_found", format_args!("{} holds no audit log", path.display())).hint(
                "name the directory, or the node's configuration with --config; [audit] says whether one is written",
            ));
        }
        Ok(Found { files, node })
    }
}

impl Found {
    /// The node that is meant. A log proves no beginning of an ID: whoever makes keys for a second has one that begins so.
    fn whole(&self, node: &str) -> Result<NodeId, Failure> {
        let own = self.node.filter(|own| own.to_string().starts_with(node));
        node.parse().ok().or(own).ok_or_else(|| {
            let why = "is the beginning of an ID, and not of the node whose certificate the configuration names";
            Failure::usage(format_args!("--node: {node} {why}"))
                .hint("give all 128 digits: anybody can make a key whose ID begins so")
        })
    }
}

fn node_of(certificate: &Path) -> Option<NodeId> {
    let bundle = Certificate::from_pem_bundle(&read_file(certificate, MAX_CERTIFICATES).ok()?).ok()?;
    bundle.iter().filter(|one| !one.is_ca()).find_map(Certificate::node_id)
}

pub(crate) async fn run(arguments: Arguments, output: Output) -> Result<(), Failure> {
    match arguments.action {
        Action::Verify { log, node, noted } => {
            let found = log.find()?;
            let node = node.map(|node| found.whole(&node)).transpose()?;
            verify(&found, node, noted, output)
        }
        Action::Show(arguments) => show::run(&arguments, output),
        Action::Follow { kinds, node } => follow(&kinds, &node, output).await,
    }
}

fn verify(log: &Found, node: Option<NodeId>, noted: Option<Position>, output: Output) -> Result<(), Failure> {
    let node = node.or(log.node);
    let report = audit::verify(&log.files, node, noted).map_err(|error| match error {
        VerifyError::Broken(broken) => Failure::operation("broken", broken)
            .hint("what comes before that line holds; compare the files with a copy of them"),
        other => Failure::operation("file", other),
    })?;
    let position = report.last.as_ref().map(ToString::to_string);
    let object = json!({
        "ok": true,
        "node_id": report.node.map(|node| node.to_string()),
        "files": report.files,
        "entries": report.entries,
        "first": report.first,
        "last": report.last.as_ref().map(|last| last.seq),
        "position": position,
        "seals": report.seals,
        "sealed_at": report.sealed_at.map(|time| time.to_string()),
        "unsealed": report.unsealed,
        "unvouched": report.unvouched,
        "missed": report.missed,
        "stopped": report.is_stopped,
    });
    output.show_lines(&object, || lines(&report, node.is_some(), position.as_deref().unwrap_or("-")))
}

fn lines(report: &Report, is_named: bool, position: &str) -> Vec<String> {
    let node = report.node.map_or_else(|| "no node".to_owned(), |node| format!("node {}", node.short()));
    let mut lines = vec![
        format!("it holds    {} entries in {} files of {node}", report.entries, report.files),
        match report.sealed_at {
            Some(time) => format!("signed      {} times, last at {time}", report.seals),
            None => "signed      not yet".to_owned(),
        },
        format!("position    {position}"),
    ];
    let mut note = |holds: bool, text: String| lines.extend(holds.then(|| format!("note        {text}")));
    note(!is_named, "whose log it is was taken from itself: --node NODEID or --config FILE prove more".to_owned());
    note(
        report.first > 0,
        format!("it begins with entry {}: older files were removed for age, as it says", report.first),
    );
    let open = "entries at the end are not signed: if more stood there, nothing here would show it";
    note(report.unsealed > 0, format!("{} {open}", report.unsealed));
    let unvouched = "entries were not signed when the node was started again, as after a crash";
    note(report.unvouched > 0, format!("{} {unvouched}", report.unvouched));
    note(
        report.missed > 0,
        format!("{} events were counted only; the entries `gap` say which and when", report.missed),
    );
    lines
}

async fn follow(kinds: &[String], node: &NodeArguments, output: Output) -> Result<(), Failure> {
    let client = node.connect()?;
    let mut events = client.events(kinds).await?;
    output.note(&format!("following {}; stop with Ctrl-C", client.address()));
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = signal::ctrl_c() => return Ok(()),
        };
        let event: Value = event.ok_or_else(Failure::from_stopped_node)??;
        output.show(&event, || show::line(&event))?;
    }
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_beginning_of_an_id_names_the_configurations_own_node_and_no_other() {
        let [own, other] = [(); 2].map(|()| NodeKey::generate().node_id());
        let found = Found { files: Vec::new(), node: Some(own) };
        let whole = |node: &str| found.whole(node).ok();
        assert_eq!(whole(&own.to_string()[..12]), Some(own));
        assert_eq!(whole(&other.to_string()), Some(other));
        assert_eq!(whole(&other.to_string()[..12]), None);
        let unknown = Found { files: Vec::new(), node: None };
        assert!(unknown.whole(&own.to_string()[..127]).is_err(), "a log says itself whose it is");
    }
}
