//! The epoch: grows at each start, also when the clock has gone back.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The epoch could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep the epoch in {}: {source}", path.display())]
pub struct EpochError {
    path: PathBuf,
    source: io::Error,
}

/// The next epoch of the node with this data directory: the milliseconds since 1970, or one more than last time if that is
/// later. It is on disk before it is used. So fine, because two hosts with one key are told apart by it.
///
/// # Errors
/// When the directory cannot be made or the file not be read or written.
pub(crate) fn next(data_dir: &Path) -> Result<u64, EpochError> {
    let path = data_dir.join("epoch");
    let failed = |source| EpochError { path: path.clone(), source };
    fs::create_dir_all(data_dir).map_err(failed)?;
    let last = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| failed(io::Error::other("it holds no number; delete it")))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(failed(error)),
    };
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    let epoch = clock.max(last + 1);
    let new = data_dir.join("epoch.new");
    fs::write(&new, format!("{epoch}\n")).map_err(failed)?;
    fs::rename(&new, &path).map_err(failed)?;
    Ok(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_grows_also_when_the_clock_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let first = next(dir.path()).unwrap();
        assert!(next(dir.path()).unwrap() > first);
        fs::write(dir.path().join("epoch"), "99999999999999\n").unwrap();
        assert_eq!(next(dir.path()).unwrap(), 100_000_000_000_000);
        fs::write(dir.path().join("epoch"), "soon").unwrap();
        assert!(next(dir.path()).unwrap_err().to_string().contains("delete it"));
    }
}
