//! Reading the files of a node or client directory.

use std::{
    fs::{File, FileType, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use nuncio_plain::argument;
use zeroize::Zeroizing;

use crate::revocation;

/// Most bytes read from one key or certificate file.
pub(crate) const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Most bytes read for a passphrase or a PIN, of which the first line counts.
const MAX_SECRET: u64 = 64 << 10;

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
    /// It is a private key that others can read. A file of root's that the process's group may read is accepted.
    #[error("private key {} can be read by others (mode {mode:04o})", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is in it is run, and others than this user and root decide what that is.
    #[error("{} says what is run here, and others can change it (owner {owner}, mode {mode:04o})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
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
                if matches!(
                    source.kind(),
                    io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput
                ) =>
            {
                format!("name a file: {} is not one (ls -ld {0} shows what it is)", path.display())
            }
            Self::Read { path, .. } => format!("check who owns {} and its permissions: ls -l {0}", path.display()),
            Self::TooLarge { path, .. } => format!("check what {} is: file {0}", path.display()),
            Self::Exposed { path, .. } => format!("chmod 600 {}", argument(path)),
            Self::Foreign { path, .. } => format!("chown root {0} && chmod go-w {0}", argument(path)),
        }
    }
}

pub(crate) fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    read_up_to(path, MAX_FILE)
}

/// The bytes of a file with revocation lists.
pub(crate) fn read_lists(path: &Path) -> Result<Vec<u8>, FileError> {
    read_up_to(path, revocation::MAX_FILE)
}

/// The bytes of a file that has its own limit.
pub(crate) fn read_up_to(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    read_whole(open(path)?, most).map_err(|source| failed(path, most, source))
}

/// Refuses a key that others than this process may read, or write.
pub(crate) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read_private_of(path).map(|(content, _)| content)
}

/// Reads a passphrase or a PIN, at most [`MAX_SECRET`] bytes, and refuses it as a key. It may come from a pipe, such as that of
/// another program: then its writer is waited for, and it can be read once.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let failed = |source| FileError::Read { path: path.into(), source };
    let file = open_unless(refuse_no_source, path).map_err(failed)?;
    refuse_exposed(path, &file)?;
    let metadata = file.metadata().map_err(failed)?;
    let length = if is_pipe(metadata.file_type()) { None } else { known_length(&metadata) };
    read_in_place(file, length, MAX_SECRET).map_err(|source| self::failed(path, MAX_SECRET, source))
}

/// The same as [`read_private`], and whose it is.
pub(crate) fn read_private_of(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Metadata), FileError> {
    let file = open(path)?;
    refuse_exposed(path, &file)?;
    let metadata = file.metadata().map_err(|source| FileError::Read { path: path.into(), source })?;
    let content = read_in_place(file, known_length(&metadata), MAX_FILE);
    Ok((content.map_err(|source| failed(path, MAX_FILE, source))?, metadata))
}

/// Reads a file of at most `most` bytes. Whatever is no file is refused at once: a pipe that nobody writes to would be waited
/// for, and a device has no end.
///
/// # Errors
/// When it cannot be read, is no file ([`io::ErrorKind::InvalidInput`], or [`io::ErrorKind::IsADirectory`]), or is longer
/// ([`io::ErrorKind::FileTooLarge`]).
pub fn read_file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_whole(open_file(path)?, most)
}

/// Opens a file for reading; see [`read_file`].
///
/// # Errors
/// When it cannot be opened, or is no file.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_unless(refuse_no_file, path)
}

fn open_unless(refuse: fn(FileType) -> io::Result<()>, path: &Path) -> io::Result<File> {
    // To open a pipe is to wait for its writer, and some devices do things when they are opened.
    refuse(path.metadata()?.file_type())?;
    let file = File::open(path)?;
    // Another may have been put in its place meanwhile.
    refuse(file.metadata()?.file_type())?;
    Ok(file)
}

fn read_whole(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// `None` of a file that does not say how long it is, as those that a kernel or a driver makes when they are read.
fn known_length(metadata: &Metadata) -> Option<u64> {
    Some(metadata.len()).filter(|length| *length > 0)
}

/// Reads a secret into one place that is never moved: a vector that grows leaves what it held in memory that others get. It has
/// room for what the file holds by its own account, or for the most where that is not known.
fn read_in_place(mut source: impl Read, length: Option<u64>, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let expected = length.map_or(most, |length| length.min(most));
    let room = usize::try_from(expected).unwrap_or(usize::MAX).saturating_add(1);
    let (mut bytes, mut read) = (Zeroizing::new(vec![0; room]), 0);
    while read < room {
        match source.read(&mut bytes[read..]) {
            Ok(0) => {
                bytes.truncate(read);
                return Ok(bytes);
            }
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    if expected < most {
        return Err(io::Error::other("it has become longer while it was read"));
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")))
}

fn refuse_no_file(kind: FileType) -> io::Result<()> {
    if kind.is_dir() {
        Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory, not a file"))
    } else if !kind.is_file() {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {}, not a file", name_of(kind))))
    } else {
        Ok(())
    }
}

/// Refuses what is neither a file nor a pipe.
fn refuse_no_source(kind: FileType) -> io::Result<()> {
    if is_pipe(kind) { Ok(()) } else { refuse_no_file(kind) }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

#[cfg(unix)]
fn name_of(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn name_of(_: FileType) -> &'static str {
    "something else"
}

fn open(path: &Path) -> Result<File, FileError> {
    open_file(path).map_err(|source| FileError::Read { path: path.into(), source })
}

fn failed(path: &Path, most: u64, source: io::Error) -> FileError {
    match source.kind() {
        io::ErrorKind::FileTooLarge => FileError::TooLarge { path: path.into(), most },
        _ => FileError::Read { path: path.into(), source },
    }
}

/// Refuses a file of which others than this user and root decide what is in it.
#[cfg(unix)]
pub(crate) fn refuse_foreign(path: &Path, metadata: &Metadata) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let is_trusted = owner == 0 || owner == rustix::process::geteuid().as_raw();
    if is_trusted && mode & 0o022 == 0 { Ok(()) } else { Err(FileError::Foreign { path: path.into(), owner, mode }) }
}

/// Refuses a file, named without links, that others than this user and root can write or put another in the place of: every
/// directory above it is looked at too. In one where each may remove only what is his own (`/tmp`), others replace nothing.
#[cfg(unix)]
pub(crate) fn refuse_replaceable(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt;
    const STICKY: u32 = 0o1000;
    for (depth, place) in path.ancestors().enumerate() {
        let metadata = place.metadata().map_err(|source| FileError::Read { path: place.into(), source })?;
        let is_shared = depth > 0 && metadata.uid() == 0 && metadata.mode() & STICKY != 0;
        if !is_shared {
            refuse_foreign(place, &metadata)?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn refuse_replaceable(_: &Path) -> Result<(), FileError> {
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn refuse_foreign(_: &Path, _: &Metadata) -> Result<(), FileError> {
    Ok(())
}

#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> Result<(), FileError> {
    let metadata = file.metadata().map_err(|source| FileError::Read { path: path.into(), source })?;
    match access::exposed(&metadata) {
        Some(mode) => Err(FileError::Exposed { path: path.into(), mode }),
        None => Ok(()),
    }
}

/// Whether others than this process can read a file; what root lends to the process's group is not exposed.
#[cfg(unix)]
pub fn is_exposed(metadata: &Metadata) -> bool {
    access::exposed(metadata).is_some()
}

#[cfg(unix)]
mod access {
    //! Whether others than this process can read a file.

    use std::{fs::Metadata, os::unix::fs::MetadataExt};

    use rustix::process::{getegid, geteuid, getgroups};

    /// The permission bits of a file that others than this process may use.
    pub(super) fn exposed(metadata: &Metadata) -> Option<u32> {
        let owned = Owned { mode: metadata.mode() & 0o7777, user: metadata.uid(), group: metadata.gid() };
        let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
        let process = Process { user: geteuid().as_raw(), groups: groups.map(|group| group.as_raw()).collect() };
        owned.is_exposed_to_others_than(&process).then_some(owned.mode)
    }

    struct Owned {
        mode: u32,
        user: u32,
        group: u32,
    }

    struct Process {
        user: u32,
        groups: Vec<u32>,
    }

    const ROOT: u32 = 0;
    const GROUP_READS: u32 = 0o040;

    impl Owned {
        /// What Kubernetes hands out is root's, and read by the group made for the process. What root keeps for its own
        /// group, root could keep for itself.
        fn is_exposed_to_others_than(&self, process: &Process) -> bool {
            let others = self.mode & 0o077;
            let is_lent = self.user == ROOT
                && (self.group != ROOT || process.user != ROOT)
                && process.groups.contains(&self.group);
            others != 0 && !(others == GROUP_READS && is_lent)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_root_lends_to_the_group_of_the_process_is_not_exposed() {
            let of_kubernetes = Process { user: 65532, groups: vec![65532] };
            let of_openshift = Process { user: 1_000_650_000, groups: vec![0] };
            let root = Process { user: 0, groups: vec![0, 65532] };
            let table = [
                (0o600, 1000, 1000, &of_kubernetes, false),
                (0o400, 65532, 65532, &of_kubernetes, false),
                (0o440, 0, 65532, &of_kubernetes, false),
                (0o640, 0, 65532, &of_kubernetes, false),
                (0o440, 0, 0, &of_openshift, false),
                (0o440, 0, 65532, &root, false),
                (0o440, 0, 1000, &of_kubernetes, true),
                (0o440, 65532, 65532, &of_kubernetes, true),
                (0o640, 0, 0, &root, true),
                (0o660, 0, 65532, &of_kubernetes, true),
                (0o444, 0, 65532, &of_kubernetes, true),
                (0o604, 0, 65532, &of_kubernetes, true),
                (0o644, 65532, 65532, &of_kubernetes, true),
            ];
            for (mode, user, group, process, exposed) in table {
                let owned = Owned { mode, user, group };
                assert_eq!(owned.is_exposed_to_others_than(process), exposed, "{mode:o} {user}:{group}");
            }
        }
    }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> Result<(), FileError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
        let _socket = std::os::unix::net::UnixListener::bind(place("socket")).unwrap();
        std::os::unix::fs::symlink(place("pipe"), place("link")).unwrap();
        std::os::unix::fs::symlink(place("loop"), place("loop")).unwrap();
        fs::write(place("file"), "12345").unwrap();
        let refused = |path: &Path| read_file(path, 4).unwrap_err().to_string();
        for (path, says) in [
            (place("pipe"), "it is a pipe, not a file"),
            (place("link"), "it is a pipe, not a file"),
            (place("socket"), "it is a socket, not a file"),
            ("/dev/zero".into(), "it is a device, not a file"),
            (place("."), "it is a directory, not a file"),
            (place("loop"), "symbolic links"),
            (place("file"), "it is longer than 4 bytes"),
        ] {
            assert!(refused(&path).contains(says), "{}: {}", path.display(), refused(&path));
        }
        assert_eq!(read_file(&place("file"), 5).unwrap(), b"12345");
        let private = read_private(&place("pipe")).unwrap_err();
        assert!(private.hint().starts_with("name a file"), "{}", private.hint());
    }

    /// Gives one byte at a time, and notes where each was put.
    struct Drop<'a> {
        left: &'a [u8],
        places: Vec<usize>,
    }

    impl Read for Drop<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.left.split_first() else { return Ok(0) };
            (into[0], self.left) = (*first, rest);
            self.places.push(into.as_ptr() as usize);
            Ok(1)
        }
    }

    #[test]
    fn a_secret_is_read_into_one_place_that_is_not_moved() {
        for length in [Some(300), None] {
            let mut source = Drop { left: &[7; 300], places: Vec::new() };
            let secret = read_in_place(&mut source, length, 4096).unwrap();
            assert_eq!(secret.as_slice(), [7; 300]);
            let first = secret.as_ptr() as usize;
            assert_eq!(source.places, (first..first + 300).collect::<Vec<_>>());
            assert_eq!(secret.capacity(), if length.is_some() { 301 } else { 4097 });
        }
        let refused = |length, most| {
            let mut source = Drop { left: &[7; 300], places: Vec::new() };
            let error = read_in_place(&mut source, length, most).unwrap_err();
            (error.kind(), source.places.len())
        };
        assert_eq!(refused(Some(300), 299), (io::ErrorKind::FileTooLarge, 300));
        assert_eq!(refused(None, 99), (io::ErrorKind::FileTooLarge, 100));
        assert_eq!(refused(Some(100), 4096), (io::ErrorKind::Other, 101), "it grew");
    }

    #[test]
    fn a_secret_may_come_from_a_pipe_of_ones_own_and_from_no_device() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap();
        assert!(made.success());
        let say = |length| {
            let pipe = pipe.clone();
            // What is too long is not read to its end, so not all of it may be taken.
            let writer = std::thread::spawn(move || drop(fs::write(pipe, vec![b'a'; length])));
            let read = read_secret(&directory.path().join("pipe"));
            writer.join().unwrap();
            read
        };
        assert_eq!(say(9).unwrap().as_slice(), [b'a'; 9]);
        assert!(matches!(say(1 << 20).unwrap_err(), FileError::TooLarge { .. }));
        fs::set_permissions(&pipe, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(say(9).unwrap_err(), FileError::Exposed { .. }));
        let device = read_secret(Path::new("/dev/zero")).unwrap_err();
        assert!(device.hint().starts_with("name a file"), "{}", device.hint());
    }

    #[test]
    fn a_file_is_refused_when_others_can_put_another_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let (outer, inner) = (top.join("outer"), top.join("outer/inner"));
        let library = inner.join("module.so");
        fs::create_dir_all(&inner).unwrap();
        fs::write(&library, "").unwrap();
        let judge = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = refuse_replaceable(&library).err().map(|error| error.to_string());
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
            refused
        };
        assert_eq!(judge(&library, 0o755), None);
        for place in [&library, &inner, &outer] {
            for mode in [0o775, 0o757] {
                let refused = judge(place, mode);
                let names = format!("{} says what is run here", place.display());
                assert!(refused.is_some_and(|words| words.starts_with(&names)), "{} {mode:o}", place.display());
            }
        }
    }
}
