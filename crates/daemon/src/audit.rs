//! The audit log on disk: `audit-NUMBER.jsonl` in a directory of its own, each named by the number of its first line.

mod trail;
mod writer;

use std::{
    fs,
    io::{self, BufReader},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use nuncio_audit::{Audit, Position, Report, Verifier, VerifyError};
use nuncio_identity::{NodeId, Signer};
use nuncio_pki::open_file;

use self::{trail::Trail, writer::Writer};

/// Where an audit log is written, and how much of it is kept.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) directory: PathBuf,
    /// Bytes at which the next file begins.
    pub(crate) max_file: u64,
    /// Files kept.
    pub(crate) keep_files: usize,
}

/// How the log fares, for operators.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failing: Option<String>,
    written_to: Option<Position>,
}

impl Health {
    /// That nothing can be written now, or signed, and why.
    pub(crate) fn failing(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failing.clone()
    }

    /// The last line written.
    pub(crate) fn written_to(&self) -> Option<Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).written_to.clone()
    }

    fn set(&self, failing: Option<String>, written_to: Option<Position>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { failing, written_to };
    }
}

/// The thread that writes the log. Dropping it lets the thread end by itself.
#[derive(Debug)]
pub(crate) struct Keeper {
    audit: Audit,
    health: Arc<Health>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Keeper {
    /// Begins to write, signed by this key. A log that cannot be written stops no start.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(settings: Settings, key: impl Into<Signer>) -> io::Result<Self> {
        let (audit, records) = Audit::recorded();
        let health = Arc::new(Health::default());
        let writer = Writer::new(records, Trail::new(settings, key.into()), Arc::clone(&health));
        let thread = thread::Builder::new().name("audit".to_owned()).spawn(|| writer.run())?;
        Ok(Self { audit, health, thread: Some(thread) })
    }

    /// No log on disk.
    pub(crate) fn none() -> Self {
        Self { audit: Audit::default(), health: Arc::default(), thread: None }
    }

    /// Where judgements are told.
    pub(crate) fn audit(&self) -> Audit {
        self.audit.clone()
    }

    /// How the log fares.
    pub(crate) fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Writes what there is, signs it, and ends; leaves a disk that does not answer within `limit` to itself.
    pub(crate) async fn finish(mut self, limit: Duration) {
        let Some(thread) = self.thread.take() else { return };
        let audit = self.audit.clone();
        let ended = tokio::task::spawn_blocking(move || {
            audit.close();
            thread.join()
        });
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("the audit log was not written to its end: the disk does not answer");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.audit.close();
        }
    }
}

/// The files of a log, oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(is_name) {
            files.push(directory.join(name));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads a whole log and judges it; see [`Verifier`].
///
/// # Errors
/// The first broken line, or what cannot be read.
pub fn verify(files: &[PathBuf], node: Option<NodeId>, noted: Option<Position>) -> Result<Report, VerifyError> {
    let mut verifier = Verifier::new(node).noting(noted);
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        verifier.file(&name, &mut BufReader::new(open_file(path)?))?;
    }
    Ok(verifier.finish()?)
}

/// The name of the file whose first line has this number: as text they are in the order of their numbers.
fn name(first: u64) -> String {
    format!("audit-{first:020}.jsonl")
}

fn is_name(name: &str) -> bool {
    let number = name.strip_prefix("audit-").and_then(|rest| rest.strip_suffix(".jsonl"));
    number.is_some_and(|number| number.len() == 20 && number.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
