//! Configuration files as editors save them.

use std::path::Path;

use encoding_rs::{Encoding, GB18030, UTF_8};
use nuncio_pki::read_file;

use super::{ConfigError, position};

/// Longest file read, in bytes: peers, rights and lists of nodes by the ten thousand.
const MAX_FILE: u64 = 16 << 20;

/// Reads a `nuncio.toml`: UTF-8, as TOML demands, or UTF-16 with a byte order mark.
pub(super) fn of_toml(path: &Path) -> Result<String, ConfigError> {
    let bytes = read(path)?;
    if let Some(text) = marked(&bytes) {
        return Ok(text);
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..offset]).into_owned();
        let (line, column) = position::of_offset(&before, before.len());
        let message = "is not UTF-8 from here on: save the file as UTF-8 (iconv -f gbk -t utf-8)".to_owned();
        ConfigError::Invalid { path: path.to_owned(), line, column, key: None, message }
    })
}

/// Reads a `config.ini`, for which FISCO BCOS demands no encoding: UTF-8, UTF-16 with a byte order mark, or else GBK. What
/// is none of them stands in comments, and there it does no harm.
pub(super) fn of_ini(path: &Path) -> Result<String, ConfigError> {
    let bytes = read(path)?;
    if let Some(text) = marked(&bytes) {
        return Ok(text);
    }
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| GB18030.decode_without_bom_handling(error.as_bytes()).0.into_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, ConfigError> {
    read_file(path, MAX_FILE).map_err(|source| ConfigError::Read { path: path.to_owned(), source })
}

/// The text behind a byte order mark, if there is one and all of it is text.
fn marked(bytes: &[u8]) -> Option<String> {
    let (encoding, length) = Encoding::for_bom(bytes).filter(|(encoding, _)| *encoding != UTF_8)?;
    encoding.decode_without_bom_handling_and_without_replacement(&bytes[length..]).map(std::borrow::Cow::into_owned)
}
