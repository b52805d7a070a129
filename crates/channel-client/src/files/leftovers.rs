//! Parts that earlier runs left.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use tokio::task::spawn_blocking;

/// Most parts that wait to be resumed; the oldest go first.
const MAX_PARTS: usize = 16;

/// How long a part waits to be resumed.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// [`tidy`], where it may wait for the disk.
pub(super) async fn tidy_later(directory: &Path, max_bytes: u64) {
    let directory = directory.to_owned();
    let _ = spawn_blocking(move || tidy(&directory, max_bytes)).await;
}

/// Removes the parts in a directory that are old, many, or together longer than `max_bytes`, the oldest first. One that
/// another receiver has open stays.
fn tidy(directory: &Path, max_bytes: u64) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut parts: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let is_part = name.to_str().is_some_and(|name| name.starts_with(".nuncio-") && name.ends_with(".part"));
            let found = entry.metadata().ok().filter(|found| is_part && found.is_file())?;
            Some((found.modified().ok()?, found.len(), entry.path()))
        })
        .collect();
    parts.sort_by_key(|(modified, ..)| std::cmp::Reverse(*modified));
    let now = SystemTime::now();
    let mut bytes: u64 = 0;
    for (place, (modified, length, path)) in parts.into_iter().enumerate() {
        bytes = bytes.saturating_add(length);
        let is_old = now.duration_since(modified).is_ok_and(|age| age > KEPT);
        let stays = place < MAX_PARTS && bytes <= max_bytes && !is_old;
        let is_open = || File::open(&path).is_ok_and(|file| file.try_lock().is_err());
        if !stays && !is_open() {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_are_bounded_in_number_bytes_and_age_and_other_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let made = |name: &str, bytes: usize, age: u64| {
            let path = directory.path().join(name);
            fs::write(&path, vec![0; bytes]).unwrap();
            let modified = SystemTime::now() - Duration::from_secs(age);
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
            path
        };
        let parts: Vec<_> = (0..20).map(|age| made(&format!(".nuncio-{age}.part"), 10, 60 + age)).collect();
        let (old, other) = (made(".nuncio-old.part", 1, 8 * 24 * 3600), made("mine.part", 1000, 8 * 24 * 3600));
        let there = || parts.iter().filter(|path| path.exists()).count();

        tidy(directory.path(), 1 << 20);
        assert_eq!((there(), old.exists(), other.exists()), (MAX_PARTS, false, true));
        let oldest = File::open(&parts[15]).unwrap();
        oldest.try_lock().unwrap();
        tidy(directory.path(), 45);
        assert_eq!(there(), 5, "four of ten bytes, and the one that is open");
        assert!(parts[0].exists() && parts[15].exists());
    }
}
