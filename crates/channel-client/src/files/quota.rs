//! What a receiver takes in all.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes and files that an inbox still takes.
#[derive(Debug)]
pub(super) struct Quota {
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    bytes: u64,
    files: u64,
}

/// A transfer's share. What it did not use goes back when it is dropped; bytes that came count whatever becomes of them.
#[derive(Debug)]
pub(super) struct Share {
    quota: Arc<Quota>,
    bytes: u64,
    files: u64,
}

impl Quota {
    pub(super) fn new(bytes: u64, files: u64) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(Left { bytes, files }) })
    }

    /// Sets room for one file aside, or says in words why there is none.
    pub(super) fn share(self: &Arc<Self>, bytes: u64) -> Result<Share, String> {
        self.with(|left| {
            if bytes > left.bytes {
                return Err(format!("it has {bytes} bytes, and the receiver takes {} more in all", left.bytes));
            }
            left.files = left.files.checked_sub(1).ok_or("the receiver has taken as many files as it does in all")?;
            left.bytes -= bytes;
            Ok(Share { quota: Arc::clone(self), bytes, files: 1 })
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut Left) -> R) -> R {
        work(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Share {
    /// Uses bytes up, some of which may not have been set aside. False when there are not so many.
    pub(super) fn spend(&mut self, bytes: u64) -> bool {
        let lacking = bytes.saturating_sub(self.bytes);
        let granted = self.quota.with(|left| left.bytes.checked_sub(lacking).map(|bytes| left.bytes = bytes).is_some());
        if granted {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        granted
    }

    /// The file is whole: it counts.
    pub(super) fn count(&mut self) {
        self.files = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.with(|left| {
            left.bytes = left.bytes.saturating_add(self.bytes);
            left.files = left.files.saturating_add(self.files);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_counts_and_what_did_not_goes_back() {
        let quota = Quota::new(100, 2);
        let mut first = quota.share(60).unwrap();
        assert!(quota.share(41).is_err());
        assert!(first.spend(50));
        drop(first);
        let mut second = quota.share(50).unwrap();
        assert!(quota.share(1).is_err());
        assert!(second.spend(50));
        assert!(!second.spend(1), "a file fetched twice needs room twice");
        second.count();
        drop(second);
        quota.share(0).unwrap().count();
        assert!(quota.share(0).is_err(), "two files came");
    }
}
