//! What lies in an inbox, for its operator.

use std::{collections::BTreeMap, fs::Metadata, path::Path, time::SystemTime};

use nuncio_wire::service::FileState;

use super::{Entry, Inbox, PARTS, Phase};
use crate::usage::{entries, sender_in, sender_of_part};

/// A file that is there, or of which something is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The ID of the node that sends it.
    pub sender: String,
    /// Its name; `None` of a part whose sender has not offered it again: only an offer tells.
    pub name: Option<String>,
    /// Bytes that are there.
    pub received: u64,
    /// Its length, where it is known.
    pub length: Option<u64>,
    /// Receiving, also of what waits to go on; checking; or done.
    pub state: FileState,
    /// When something was last written.
    pub modified: Option<SystemTime>,
}

impl Inbox {
    /// All that is there, as many as may be; reads the directory.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> std::io::Result<Vec<Listed>> {
        let most = self.limits.files.saturating_add(self.limits.open);
        // The disk first: what becomes whole meanwhile is told twice rather than not at all.
        let (whole, parts) = (whole(&self.directory, most)?, parts(&self.directory)?);
        let table = self.table();
        let open = table.entries.iter().filter(|(_, entry)| entry.phase.is_open() && entry.reserves);
        let coming: Vec<_> = open.map(|(key, entry)| entry.listed(parts.get(key).copied().flatten())).collect();
        let is_open = |key: &str| table.entries.get(key).is_some_and(|entry| entry.phase.is_open());
        let waiting = parts.iter().filter(|(key, _)| !is_open(key)).filter_map(|(key, found)| waiting(key, *found));
        Ok(coming.into_iter().chain(waiting).chain(whole).take(most).collect())
    }
}

/// Its length and when it was written, while it is there.
type Found = Option<(u64, Option<SystemTime>)>;

impl Entry {
    fn listed(&self, found: Found) -> Listed {
        let (received, state) = match &self.phase {
            Phase::Receiving(open) => (open.received(), FileState::Receiving),
            _ => (self.length, FileState::Checking),
        };
        Listed {
            sender: self.sender.clone(),
            name: Some(self.name.clone()),
            received,
            length: Some(self.length),
            state,
            modified: found.and_then(|(_, modified)| modified),
        }
    }
}

fn waiting(key: &str, found: Found) -> Option<Listed> {
    let (received, modified) = found?;
    let sender = sender_of_part(key)?.to_owned();
    Some(Listed { sender, name: None, received, length: None, state: FileState::Receiving, modified })
}

fn whole(directory: &Path, most: usize) -> std::io::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for (name, _) in entries(directory)? {
        let Some(sender) = sender_in(&name) else { continue };
        for (file, found) in entries(&directory.join(&name))?.into_iter().filter(|(_, found)| found.is_file()) {
            if listed.len() == most {
                return Ok(listed);
            }
            let (received, modified) = written(&found);
            let name = Some(file).filter(|file| !file.is_empty());
            let (sender, length) = (sender.to_owned(), Some(received));
            listed.push(Listed { sender, name, received, length, state: FileState::Done, modified });
        }
    }
    listed.sort_by(|one, other| (&one.sender, &one.name).cmp(&(&other.sender, &other.name)));
    Ok(listed)
}

fn parts(directory: &Path) -> std::io::Result<BTreeMap<String, Found>> {
    let found = entries(&directory.join(PARTS))?.into_iter();
    Ok(found.map(|(name, found)| (name, Some(written(&found)))).collect())
}

fn written(found: &Metadata) -> (u64, Option<SystemTime>) {
    (found.len(), found.modified().ok())
}
