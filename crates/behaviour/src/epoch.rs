//! The epoch: grows at each start, also when the clock has gone back, and is on disk before it is used.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::state_file;

/// The epochs of a node are below this: milliseconds until the year 287396, exact in every reader of JSON. So no
/// file and no word of the network can leave a node without a next one.
pub const EPOCH_END: u64 = 1 << 53;

/// Where the clock is behind the last epoch, the next one is up to so much later: two copies of one data directory would else
/// take the same, and nobody could tell the two hosts apart.
const COPIES_APART: u64 = 1 << 20;

/// Longest file that can be an epoch, in bytes.
const MAX_FILE: u64 = 64;

/// The epochs of the node with one data directory. Its calls wait for the disk.
#[derive(Debug)]
pub struct EpochStore {
    path: PathBuf,
    /// 0 before the first.
    last: u64,
}

impl EpochStore {
    /// Reads the epoch of the last start; the directory is made when it does not exist. A file that is empty, torn or
    /// holds no epoch is told: the clock alone counts then.
    ///
    /// # Errors
    /// When the directory cannot be made, or the file is there and cannot be read.
    pub fn open(data_dir: &Path) -> Result<Self, EpochError> {
        let path = data_dir.join("epoch");
        let failed = |source| EpochError::Disk { path: path.clone(), source };
        fs::create_dir_all(data_dir).map_err(failed)?;
        let (last, is_whole) = match state_file::read(&path, MAX_FILE) {
            Ok(None) => (0, true),
            Ok(Some(bytes)) => parse(&bytes),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => (0, false),
            Err(error) => return Err(failed(error)),
        };
        if !is_whole {
            tracing::warn!(path = %path.display(), "the file of the epoch is empty, torn or holds none: made anew from the clock");
        }
        Ok(Self { path, last })
    }

    /// The epoch to run under from now on: the milliseconds since 1970, or by chance some more than last time if that is
    /// later. So fine, because two hosts with one key are told apart by it.
    ///
    /// # Errors
    /// When it cannot be written; then it must not be used.
    pub fn begin(&mut self) -> Result<u64, EpochError> {
        self.begin_above(0)
    }

    /// The same, above `floor` too: the network remembers that epoch of this node, which has forgotten it.
    ///
    /// # Errors
    /// When it cannot be written, or there is none above `floor` ([`EPOCH_END`]); then it must not be used.
    pub fn begin_above(&mut self, floor: u64) -> Result<u64, EpochError> {
        let past = self.last.max(floor);
        let now = clock();
        let later = || past.saturating_add(rand::random_range(1..=COPIES_APART)).min(EPOCH_END - 1);
        let epoch = if now > past { now } else { later() };
        if epoch <= past {
            return Err(EpochError::TooFar { floor: past });
        }
        let disk = |source| EpochError::Disk { path: self.path.clone(), source };
        state_file::replace(&self.path, format!("{epoch}\n").as_bytes()).map_err(disk)?;
        self.last = epoch;
        Ok(epoch)
    }
}

/// The epoch in a file, and whether the file is whole. What is left of a torn one is a lower epoch, so it may count.
fn parse(bytes: &[u8]) -> (u64, bool) {
    let text = str::from_utf8(bytes).unwrap_or_default();
    match text.trim().parse() {
        Ok(epoch) if epoch < EPOCH_END - 1 => (epoch, text.ends_with('\n')),
        _ => (0, false),
    }
}

/// Milliseconds since 1970, short of the end.
fn clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX).min(EPOCH_END / 2)
}

/// There is no next epoch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// The file cannot be read or written.
    #[error("cannot keep the epoch in {}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The network claims one that no clock can have given.
    #[error("no epoch can be above {floor}: they end before {EPOCH_END}")]
    TooFar {
        /// The claim.
        floor: u64,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn restart(data_dir: &Path) -> u64 {
        EpochStore::open(data_dir).unwrap().begin().unwrap()
    }

    #[test]
    fn an_epoch_grows_also_when_the_clock_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let first = restart(dir.path());
        assert!(restart(dir.path()) > first);
        fs::write(dir.path().join("epoch"), "99999999999999\n").unwrap();
        let next = restart(dir.path());
        assert!((100_000_000_000_000..=99_999_999_999_999 + COPIES_APART).contains(&next), "{next}");
        assert!(restart(dir.path()) > next, "it was on disk before it was used");
    }

    #[test]
    fn copies_of_a_directory_that_is_ahead_of_the_clock_run_in_epochs_of_their_own() {
        let epochs: BTreeSet<u64> = (0..4)
            .map(|_| {
                let copy = tempfile::tempdir().unwrap();
                fs::write(copy.path().join("epoch"), "99999999999999\n").unwrap();
                restart(copy.path())
            })
            .collect();
        // That all four meet by chance is as good as impossible.
        assert!(epochs.len() > 1, "{epochs:?}");
    }

    #[test]
    fn a_file_that_is_empty_torn_or_nonsense_is_made_anew_from_the_clock() {
        let long = "9".repeat(100_000);
        let end = format!("{EPOCH_END}\n");
        let last = format!("{}\n", EPOCH_END - 1);
        let texts = ["", "\n", "soon\n", "-4\n", "17", "17957530", "\0\0\0\0\0\0\0\0", &long, &end, &last];
        for bytes in texts.map(str::as_bytes).into_iter().chain([&b"\xff\xfe\n"[..]]) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("epoch"), bytes).unwrap();
            let before = clock();
            let epoch = restart(dir.path());
            assert!((before..=clock()).contains(&epoch), "{epoch} from {bytes:?}");
            assert!(restart(dir.path()) > epoch, "{bytes:?} is mended");
        }
    }

    #[test]
    fn what_cannot_be_made_anew_is_named_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("epoch")).unwrap();
        let error = EpochStore::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(dir.path().join("epoch").to_str().unwrap()) && error.contains("directory"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".epoch.new")).unwrap();
        assert!(EpochStore::open(dir.path()).unwrap().begin().is_err(), "it cannot be on disk, so it is not used");
    }

    #[test]
    fn an_epoch_above_what_the_network_remembers_is_on_disk_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = EpochStore::open(dir.path()).unwrap();
        let seen = clock() + 1_000_000;
        let taken = store.begin_above(seen).unwrap();
        assert!(taken > seen);
        assert_eq!(fs::read_to_string(dir.path().join("epoch")).unwrap(), format!("{taken}\n"));
        assert!(store.begin_above(7).unwrap() > taken, "an old claim lowers nothing");
    }

    #[test]
    fn the_last_epochs_are_used_up_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("epoch"), format!("{}\n", EPOCH_END - 3)).unwrap();
        let last = restart(dir.path());
        assert!((EPOCH_END - 2..EPOCH_END).contains(&last), "{last}");
    }

    #[test]
    fn an_absurd_claim_of_the_network_is_refused_and_leaves_a_next_epoch() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = EpochStore::open(dir.path()).unwrap();
        let before = store.begin().unwrap();
        for floor in [u64::MAX, u64::MAX - 1, EPOCH_END, EPOCH_END - 1] {
            assert!(matches!(store.begin_above(floor), Err(EpochError::TooFar { .. })), "{floor}");
        }
        let after = store.begin().unwrap();
        assert!(after > before && after < EPOCH_END / 2);
    }
}
