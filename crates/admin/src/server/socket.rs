use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

use super::BindError;

/// Bytes of a socket's path on Linux, the closing zero not counted.
const MAX_PATH: usize = 107;

/// A listening unix socket and its file.
pub(super) struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

impl Socket {
    /// Makes the socket with this mode, in place of a stale one.
    pub(super) fn bind(path: &Path, mode: u32) -> Result<Self, BindError> {
        refuse_unless_free(path)?;
        let failed = |source| BindError::Socket { path: path.to_owned(), source };
        // Under its own name the socket would be open to others for the moment between bind and chmod.
        let nursery = path.with_file_name(format!(".{}", std::process::id()));
        let born = nursery.join("s");
        if path.as_os_str().len().max(born.as_os_str().len()) > MAX_PATH {
            return Err(BindError::PathTooLong { path: path.to_owned() });
        }
        let _ = fs::remove_file(&born);
        let _ = fs::remove_dir(&nursery);
        fs::DirBuilder::new().mode(0o700).create(&nursery).map_err(failed)?;
        let moved = UnixListener::bind(&born).and_then(|listener| {
            fs::set_permissions(&born, fs::Permissions::from_mode(mode))?;
            let file = SocketFile { path: path.to_owned(), identity: identity(&born)? };
            fs::rename(&born, path)?;
            Ok(Self { listener, file })
        });
        let _ = fs::remove_file(&born);
        let _ = fs::remove_dir(&nursery);
        moved.map_err(failed)
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

/// Removes the socket's file when dropped, unless another process has put its own there.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn refuse_unless_free(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(BindError::Socket { path: path.to_owned(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(BindError::NotASocket { path: path.to_owned() }),
        // A full queue (WouldBlock) is a listener too; only a refused connection proves that there is none.
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            _ => Err(BindError::SocketInUse { path: path.to_owned() }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let first = Socket::bind(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path, 0o600), Err(BindError::SocketInUse { .. })));
        std::os::unix::net::UnixStream::connect(&path).unwrap();
        drop(first);
        assert!(!path.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn the_file_of_another_is_not_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        let socket = Socket::bind(&path, 0o600).unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::bind(&path, 0o600), Err(BindError::NotASocket { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let long = dir.path().join("x".repeat(120));
        assert!(matches!(Socket::bind(&long, 0o600), Err(BindError::PathTooLong { .. })));
        assert!(matches!(Socket::bind(&dir.path().join("no/a.sock"), 0o600), Err(BindError::Socket { .. })));
    }
}
