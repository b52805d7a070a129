//! What is known of an authority's last list apart from it, so that one that was lost or put back is not continued.

use std::{cmp::Ordering, path::Path};

use super::{AuthorityError, draft::Draft};
use crate::{
    RevocationList, file,
    revocation::{Edition, compare},
};

/// The highest number that was given, and when the last list was made: another tool may make the next one without a number.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Big-endian, without leading zeros.
    pub(super) number: Vec<u8>,
    /// Seconds since 1970. Earlier releases noted the number alone.
    this_update: Option<u64>,
}

impl Kept {
    /// What stands in a file; `None` where there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, AuthorityError> {
        if !path.exists() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&file::read_public(path)?).into_owned();
        let damaged = |reason: &str| AuthorityError::Key { path: path.into(), reason: reason.into() };
        let mut lines = text.lines().map(str::trim);
        let number = hex::decode(lines.next().unwrap_or_default());
        let number = number.map_err(|_| damaged("it holds no number in hexadecimal"))?;
        let this_update = lines.next().map(str::parse).transpose();
        Ok(Some(Self { number, this_update: this_update.map_err(|_| damaged("its second line is no date"))? }))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), AuthorityError> {
        let date = self.this_update.map(|second| format!("{second}\n")).unwrap_or_default();
        Draft::public(path, &format!("{}\n{date}", hex::encode(&self.number)))?.replace()
    }

    /// With one more list.
    #[must_use]
    pub(super) fn after(self, list: &RevocationList) -> Self {
        let number = list.edition().number().filter(|number| compare(number, &self.number) == Ordering::Greater);
        Self { number: number.map_or(self.number, <[u8]>::to_vec), this_update: Some(list.this_update().as_secs()) }
    }

    /// Whether a list comes before the last one that was made here. One without a number does unless it is younger.
    fn is_after(&self, edition: &Edition) -> bool {
        match (edition.number(), self.this_update) {
            (Some(number), _) => compare(number, &self.number) == Ordering::Less,
            (None, Some(last)) => edition.this_update() <= last && !self.number.is_empty(),
            (None, None) => !self.number.is_empty(),
        }
    }
}

/// Refuses to go on from a list that is not the last one made, or from none where there was one.
pub(super) fn refuse_lost(path: &Path, last: Option<&RevocationList>, numbers: &Path) -> Result<(), AuthorityError> {
    let Some(kept) = Kept::read(numbers)? else { return Ok(()) };
    let is_lost = last.map_or(!kept.number.is_empty(), |list| kept.is_after(list.edition()));
    if is_lost {
        return Err(AuthorityError::ListLost { path: path.into(), number: hex::encode(kept.number) });
    }
    Ok(())
}
