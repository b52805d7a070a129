//! Notices when the files of a node change.
//!
//! Looked at once a second rather than told by the kernel: that also holds on network file systems and where a whole
//! directory is swapped by a symbolic link, as containers get their secrets.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use nuncio_audit::Actor;
use tokio::time::{MissedTickBehavior, interval};

use crate::{Reloader, config::Config, config::Source, run::reload};

const INTERVAL: Duration = Duration::from_secs(1);

/// What a file was when it was looked at; `None` for one that is not there.
type Look = BTreeMap<PathBuf, Option<(u64, u64, i64, i64)>>;

/// The files of a node, as they were when it read them.
#[derive(Debug)]
pub(crate) struct Watched {
    source: Source,
    files: Vec<PathBuf>,
    loaded: Look,
}

impl Watched {
    /// Looks at the files; to be called before they are read, so that no change falls between.
    pub(crate) fn new(source: Source) -> Self {
        let files = files_of(&source);
        let loaded = look(&files);
        Self { source, files, loaded }
    }

    /// Reloads whenever files have changed and then stayed the same for one interval, so that a half-written one is
    /// not read.
    pub(crate) async fn reload_when_changed(mut self, reloader: Reloader) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = self.loaded.clone();
        loop {
            ticks.tick().await;
            let now = look(&self.files);
            let settled = now == last;
            last = now;
            if !settled || last == self.loaded {
                continue;
            }
            let changed = last.iter().filter(|(path, look)| self.loaded.get(*path) != Some(*look));
            let changed: Vec<_> = changed.map(|(path, _)| path.display().to_string()).collect();
            tracing::info!(files = changed.join(", "), "files have changed");
            self = Self::new(self.source);
            last.clone_from(&self.loaded);
            reload(reloader.clone(), Actor::Files).await;
        }
    }
}

/// The configuration and every file it names; the configuration alone while it cannot be read.
fn files_of(source: &Source) -> Vec<PathBuf> {
    let (Source::File(path) | Source::Fisco(path)) = source;
    let own = if path.is_dir() { path.join("config.ini") } else { path.clone() };
    let named = source.load().map(|imported| named_by(&imported.config)).unwrap_or_default();
    let groups = if matches!(source, Source::Fisco(_)) { Config::fisco_groups(&own) } else { Vec::new() };
    std::iter::once(own).chain(groups).chain(named).collect()
}

fn named_by(config: &Config) -> Vec<PathBuf> {
    let identity = config.identity_paths();
    let mut files = vec![identity.key, identity.cert, identity.ca];
    files.extend(identity.crl);
    if config.gateway.enabled {
        files.extend(config.channel_paths().files().cloned());
    }
    files
}

fn look(files: &[PathBuf]) -> Look {
    files.iter().map(|path| (path.clone(), look_at(path))).collect()
}

fn look_at(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}
