//! What was issued, and to whom: a line of JSON for each certificate, on disk before the certificate is given away.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use nuncio_identity::NodeId;
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use super::IssueError;
use crate::{
    AuthorityError, Certificate, FileError,
    authority::draft::{Draft, open_lock},
    read_file,
};

const NAME: &str = "issued.jsonl";
const LOCK: &str = ".issued.lock";

/// Most certificates noted that still hold, and of one node.
const MAX: usize = 16_384;
const MAX_OF_NODE: usize = 64;

/// Longest file read: all of them, and as many that have ended.
const MAX_FILE: u64 = 64 << 20;

/// The file is written anew once it has so many lines more than there are certificates that hold.
const WASTE: usize = 4096;

/// The certificates that nodes had when they asked, and that they got.
///
/// Bound: [`MAX`], [`MAX_OF_NODE`] of one node; beyond, nothing is issued. Each is forgotten when it ends.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    issues: BTreeMap<NodeId, Vec<Issue>>,
    count: usize,
    lines: usize,
    /// No other process issues from the folder as long as this is open.
    _lock: File,
}

/// A certificate that a node has.
#[derive(Debug)]
struct Issue {
    node: NodeId,
    certificate: Certificate,
}

#[derive(Serialize, Deserialize)]
struct Line {
    node: String,
    name: String,
    serial: String,
    not_after: String,
    /// DER.
    certificate: String,
}

/// What is noted in an authority's folder as issued to `node`, ended or not, the oldest first.
///
/// # Errors
/// When the file cannot be read.
pub fn issued_to(node: NodeId, directory: &Path) -> Result<Vec<Certificate>, AuthorityError> {
    let issues = read(&directory.join(NAME))?.into_iter();
    Ok(issues.filter(|issue| issue.node == node).map(|issue| issue.certificate).collect())
}

/// Whether certificates are, or were, issued from a folder by a node.
pub(in crate::authority) fn is_issued_from(directory: &Path) -> bool {
    directory.join(NAME).exists()
}

impl Ledger {
    pub(super) fn open(directory: &Path, now: UnixTime) -> Result<Self, AuthorityError> {
        let lock = open_lock(&directory.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuthorityError::Issuing { path: directory.into() },
            TryLockError::Error(source) => AuthorityError::Write { path: directory.join(LOCK), source },
        })?;
        let path = directory.join(NAME);
        let mut issues: BTreeMap<NodeId, Vec<Issue>> = BTreeMap::new();
        for issue in read(&path)?.into_iter().filter(|issue| holds(issue, now)) {
            issues.entry(issue.node).or_default().push(issue);
        }
        let count = issues.values().map(Vec::len).sum();
        let file = rewrite(&path, &issues)?;
        Ok(Self { path, file, issues, count, lines: count, _lock: lock })
    }

    /// Serial numbers of the certificates that this node has.
    pub(super) fn serials(&self, node: NodeId) -> impl Iterator<Item = &[u8]> {
        self.issues.get(&node).into_iter().flatten().map(|issue| issue.certificate.serial_bytes())
    }

    pub(super) fn refuse_full(&self, node: NodeId) -> Result<(), IssueError> {
        let held = self.issues.get(&node).map_or(0, Vec::len);
        if held + 2 > MAX_OF_NODE {
            return Err(IssueError::TooMany { held });
        }
        if self.count + 2 > MAX { Err(IssueError::Full { held: self.count }) } else { Ok(()) }
    }

    /// On disk when this returns; what is noted already is not noted twice.
    pub(super) fn note(&mut self, node: NodeId, certificate: &Certificate) -> Result<(), AuthorityError> {
        let held = self.issues.entry(node).or_default();
        if held.iter().any(|issue| issue.certificate == *certificate) {
            return Ok(());
        }
        let issue = Issue { node, certificate: certificate.clone() };
        let written = self.file.write_all(line(&issue).as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // A part of the line may be there: the next time, all is written anew.
            self.lines += WASTE + 1;
            return Err(AuthorityError::Write { path: self.path.clone(), source });
        }
        held.push(issue);
        (self.count, self.lines) = (self.count + 1, self.lines + 1);
        Ok(())
    }

    /// Forgets what has ended, on disk too when there is much of it.
    pub(super) fn forget_ended(&mut self, now: UnixTime) {
        self.issues.retain(|_, issues| {
            issues.retain(|issue| holds(issue, now));
            !issues.is_empty()
        });
        self.count = self.issues.values().map(Vec::len).sum();
        if self.lines > self.count + WASTE {
            match rewrite(&self.path, &self.issues) {
                Ok(file) => (self.file, self.lines) = (file, self.count),
                Err(error) => tracing::warn!(%error, "the ledger of what was issued grows: it cannot be written anew"),
            }
        }
    }
}

fn holds(issue: &Issue, now: UnixTime) -> bool {
    issue.certificate.not_after().as_secs() >= now.as_secs()
}

/// Every line that can be read: a crash may have torn the last.
fn read(path: &Path) -> Result<Vec<Issue>, AuthorityError> {
    let bytes = match read_file(path, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FileError::Read { path: path.into(), source }.into()),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(parse).collect();
    let broken = lines.iter().filter(|line| line.is_none()).count();
    if broken > 0 {
        tracing::warn!(path = %path.display(), lines = broken, "lines of the ledger cannot be read and are left out");
    }
    Ok(lines.into_iter().flatten().collect())
}

fn parse(line: &str) -> Option<Issue> {
    let Line { node, certificate, .. } = serde_json::from_str(line).ok()?;
    let certificate = Certificate::from_der(STANDARD.decode(certificate).ok()?.into()).ok()?;
    Some(Issue { node: node.parse().ok()?, certificate })
}

fn line(issue: &Issue) -> String {
    let Issue { node, certificate } = issue;
    let line = Line {
        node: node.to_string(),
        name: certificate.common_name().unwrap_or_default(),
        serial: certificate.serial(),
        not_after: certificate.not_after_text(),
        certificate: STANDARD.encode(certificate.der()),
    };
    let json = serde_json::to_string(&line).expect("texts are JSON");
    json + "\n"
}

/// Puts the ledger into its place anew, and opens it to be continued.
fn rewrite(path: &Path, issues: &BTreeMap<NodeId, Vec<Issue>>) -> Result<File, AuthorityError> {
    let text: String = issues.values().flatten().map(line).collect();
    Draft::private(path, &text)?.replace()?;
    let opened = OpenOptions::new().append(true).open(path);
    opened.map_err(|source| AuthorityError::Write { path: path.into(), source })
}
