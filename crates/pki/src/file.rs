//! Reading the files of a node or client directory.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::revocation;

/// Most bytes read from one key or certificate file.
pub(crate) const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Why a file could not be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is far larger than any key or certificate file.
    #[error("{} is larger than {most} bytes, so it is no key, certificate or revocation list", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        most: u64,
    },
    /// It is a private key that others can read.
    #[error("private key {} can be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl FileError {
    /// The command that mends it, or what to look at.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                format!(
                    "create {} (nuncio cert issue NAME --ca DIR --out DIR writes a whole directory)",
                    path.display()
                )
            }
            Self::Read { path, source }
                if matches!(source.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory) =>
            {
                format!("name a file: {} is not one (ls -ld {0} shows what it is)", path.display())
            }
            Self::Read { path, .. } => format!("check who owns {} and its permissions: ls -l {0}", path.display()),
            Self::TooLarge { path, .. } => format!("check what {} is: file {0}", path.display()),
            Self::Exposed { path, .. } => format!("chmod 600 {}", path.display()),
        }
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    let file = open(path)?;
    let bytes = read(path, file, MAX_FILE)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of a file with revocation lists.
pub(crate) fn read_lists(path: &Path) -> Result<Vec<u8>, FileError> {
    read(path, open(path)?, revocation::MAX_FILE)
}

/// Refuses a key that group or others may read or write.
pub(crate) fn read_private_key(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let file = open(path)?;
    refuse_exposed(path, &file)?;
    let bytes = Zeroizing::new(read(path, file, MAX_FILE)?);
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|source| FileError::Read { path: path.into(), source })
}

fn read(path: &Path, file: File, most: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|source| FileError::Read { path: path.into(), source })?;
    if bytes.len() as u64 > most { Err(FileError::TooLarge { path: path.into(), most }) } else { Ok(bytes) }
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| FileError::Read { path: path.into(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(FileError::Exposed { path: path.into(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), FileError> {
    Ok(())
}
