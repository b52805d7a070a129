//! The files at hand: certificates and lists of whom to trust in the folders that a plan names.

use std::path::{Path, PathBuf};

use super::{RotationError, succession::Succession};
use crate::{
    Certificate,
    authority::{
        draft::Draft,
        layout::{bundle, holds_more},
        revoking::folders,
    },
    directory::read_certificates,
};

/// Folders of rotations, in which nothing is looked for.
pub(in crate::authority) const FOLDER: &str = "rotation";
pub(in crate::authority) const FORMER: &str = "former";

/// In the folder of a root's rotation: the old root's certificate for the new one.
pub(in crate::authority) const CROSS: &str = "cross.crt";

/// In the folder of a rotation: what was issued, and in the place of which.
pub(in crate::authority) const PAIRS: &str = "pairs";

/// What the files at hand hold that have to do with the old authority.
#[derive(Debug, Default)]
pub(super) struct AtHand {
    /// Whom somebody trusts.
    pub(super) trust: Vec<Found>,
    /// What somebody shows.
    pub(super) chains: Vec<Found>,
    /// Either, beside something that is no certificate, such as a private key: to write the file would destroy that.
    pub(super) mixed: Vec<Found>,
}

impl AtHand {
    /// What is said of the files that are not written.
    pub(super) fn left_out(&self) -> impl Iterator<Item = String> {
        self.mixed.iter().map(|Found { path, .. }| {
            format!("{}: it holds something beside certificates, so it is not written: do it by hand", path.display())
        })
    }
}

#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) content: Vec<Certificate>,
}

/// Looks through the folders, but not in the authority's own.
pub(super) fn find(places: &[PathBuf], own: &Path, succession: &Succession<'_>) -> AtHand {
    let mut found = AtHand::default();
    for path in certificates(places, own) {
        let Ok(content) = read_certificates(&path) else { continue };
        if !succession.is_trust(&content) && !succession.concerns(&content) {
            continue;
        }
        if holds_more(&path) {
            found.mixed.push(Found { path, content });
        } else if succession.is_trust(&content) {
            found.trust.push(Found { path, content });
        } else {
            found.chains.push(Found { path, content });
        }
    }
    found
}

/// Every certificate file in the folders, in order.
pub(super) fn certificates(places: &[PathBuf], own: &Path) -> Vec<PathBuf> {
    let is_apart = |folder: &Path, place: &Path| {
        let below = folder.strip_prefix(place).unwrap_or(folder);
        folder.starts_with(own)
            || below.components().any(|part| [FOLDER, FORMER].iter().any(|name| part.as_os_str() == *name))
    };
    let inside =
        |place: &PathBuf| folders(place).into_iter().filter(|folder| !is_apart(folder, place)).collect::<Vec<_>>();
    let mut files: Vec<PathBuf> = places
        .iter()
        .flat_map(inside)
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "crt") && path.is_file())
        .collect();
    files.sort();
    files.dedup();
    files
}

/// Replaces a file once what was written has been read back and is as it should be.
pub(super) fn replace(
    path: &Path,
    content: &[Certificate],
    check: impl FnOnce(&[Certificate]) -> Result<(), RotationError>,
) -> Result<(), RotationError> {
    let draft = Draft::public(path, &bundle(content))?;
    let written = read_certificates(draft.written())?;
    if written != content {
        let reason = "what was written reads otherwise".to_owned();
        return Err(RotationError::Unsound { path: path.into(), reason });
    }
    check(&written)?;
    Ok(draft.replace()?)
}
