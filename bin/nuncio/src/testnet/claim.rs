//! A directory that is being filled, and is either whole or marked as not.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// There as long as the directory is not whole; locked while somebody fills it.
const MARK: &str = ".unfinished";

/// The right to fill a directory.
#[derive(Debug)]
pub(crate) struct Claim {
    mark: PathBuf,
    _lock: File,
}

impl Claim {
    /// Makes the directory. What an interrupted run left there is removed; anything else in it is never touched.
    pub(crate) fn take(directory: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(directory).map_err(|error| Failure::file("cannot create", directory, &error))?;
        let mark = directory.join(MARK);
        if !mark.exists() && entries(directory)?.next().is_some() {
            return Err(not_empty(directory));
        }
        let lock = File::create(&mark).map_err(|error| Failure::file("cannot write", &mark, &error))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Failure::operation("exists", format_args!("another process is filling {}", directory.display()))
                    .hint("wait for it, or name another directory with --out")
            }
            TryLockError::Error(error) => Failure::file("cannot lock", &mark, &error),
        })?;
        remove_unfinished(directory)?;
        Ok(Self { mark, _lock: lock })
    }

    /// The directory is whole.
    pub(crate) fn fulfil(self) -> Result<(), Failure> {
        fs::remove_file(&self.mark).map_err(|error| Failure::file("cannot remove", &self.mark, &error))
    }
}

/// Removes the directories that `create` makes, if there is nothing else.
fn remove_unfinished(directory: &Path) -> Result<(), Failure> {
    let left: Vec<PathBuf> = entries(directory)?.filter(|path| !path.ends_with(MARK)).collect();
    if left.iter().any(|path| !is_ours(path)) {
        return Err(not_empty(directory));
    }
    left.iter()
        .try_for_each(|path| fs::remove_dir_all(path).map_err(|error| Failure::file("cannot remove", path, &error)))
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_node = name.strip_prefix("node").is_some_and(|rest| rest.parse::<u16>().is_ok());
    path.is_dir() && (is_node || ["ca", "agencies", "sdk"].contains(&name.as_str()))
}

fn entries(directory: &Path) -> Result<impl Iterator<Item = PathBuf>, Failure> {
    let entries = fs::read_dir(directory).map_err(|error| Failure::file("cannot read", directory, &error))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())))
}

fn not_empty(directory: &Path) -> Failure {
    Failure::operation("exists", format_args!("{} is not empty", directory.display()))
        .hint("name another directory with --out, or remove this one first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_run_left_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let claim = Claim::take(path).unwrap();
        assert!(Claim::take(path).is_err(), "one at a time");
        fs::create_dir_all(path.join("ca")).unwrap();
        fs::create_dir_all(path.join("node12/conf")).unwrap();
        drop(claim);
        fs::write(path.join("notes"), "mine").unwrap();
        assert!(Claim::take(path).is_err(), "somebody else's file");
        assert!(path.join("notes").exists() && path.join("ca").exists());
        fs::remove_file(path.join("notes")).unwrap();
        let claim = Claim::take(path).unwrap();
        assert_eq!(fs::read_dir(path).unwrap().count(), 1);
        fs::create_dir_all(path.join("ca")).unwrap();
        claim.fulfil().unwrap();
        assert!(Claim::take(path).is_err(), "whole ones stay");
        assert!(path.join("ca").exists() && !path.join(MARK).exists());
    }
}
