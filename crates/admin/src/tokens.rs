//! Bearer tokens of operators: a file of hashes, readable by its owner only.

mod owner;

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use nuncio_audit::Scope;
use nuncio_node::state_file;
use nuncio_plain::argument;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Longest file, in bytes: some thousands of tokens.
const MAX_FILE: u64 = 1 << 20;

/// What a token begins with, so that people and scanners of leaked secrets know it.
const PREFIX: &str = "nuncio_";

const HEAD: &str =
    "# Tokens of the admin API, as hashes; written by `nuncio token`. Their names stand in the audit log.\n\n";

/// One token, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name, which the audit log shows.
    pub name: String,
    /// What its holder may do.
    pub scope: Scope,
    /// SHA-256 of the token, hexadecimal. It has 256 random bits: nobody finds it by trying.
    pub hash: String,
    /// When it was made.
    pub made: Timestamp,
    /// When it ends; never, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

/// The file of an admin API's tokens.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Look, Vec<Token>)>>,
    /// What is wrong with it, as the log has it.
    told: Mutex<Option<String>>,
}

/// What the file was when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    token: Vec<Token>,
}

impl Token {
    /// Whether it has ended.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }
}

impl TokenFile {
    /// The file there; it need not be there yet.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None), told: Mutex::new(None) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token that somebody shows. A changed file counts at once.
    ///
    /// # Errors
    /// When it is none, has ended, or the file cannot be used.
    pub fn find(&self, shown: &str) -> Result<Token, TokenError> {
        let hash = hash(shown);
        let token = self.current()?.into_iter().find(|token| token.hash == hash).ok_or(TokenError::Unknown)?;
        if token.has_ended(Timestamp::now()) { Err(TokenError::Ended { name: token.name }) } else { Ok(token) }
    }

    /// The same for somebody who may be a stranger. What is wrong with the file is for the node's operator: it is logged, once
    /// until something else is or nothing.
    ///
    /// # Errors
    /// Why it is none, in words for whoever shows it.
    pub fn judge(&self, shown: &str) -> Result<Token, String> {
        let found = self.find(shown);
        let unusable = found.as_ref().err().filter(|error| !error.is_of_token());
        let words = unusable.map(ToString::to_string);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != words {
            if let Some(error) = unusable {
                tracing::error!(hint = error.hint(), "no token counts: {error}");
            }
            *told = words;
        }
        found.map_err(|error| match error.is_of_token() {
            true => error.to_string(),
            false => "the tokens of this node cannot be read; its log says why".to_owned(),
        })
    }

    /// Every token; none where there is no file.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn list(&self) -> Result<Vec<Token>, TokenError> {
        self.load()
    }

    /// Makes a token and says it: this is the only time that it can be known. The folder is made too, as the node itself
    /// would, where it has not started yet.
    ///
    /// # Errors
    /// When there is one of that name, or the file cannot be used.
    pub fn make(&self, name: &str, scope: Scope, ends: Option<Timestamp>) -> Result<String, TokenError> {
        if name.is_empty()
            || name.len() > 64
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        {
            return Err(TokenError::Name { name: name.chars().take(64).collect() });
        }
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(|source| TokenError::File { path: folder.to_owned(), source })?;
        }
        let _alone = self.lock()?;
        let mut tokens = self.load()?;
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Exists { name: name.to_owned() });
        }
        let secret = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        tokens.push(Token { name: name.to_owned(), scope, hash: hash(&secret), made: Timestamp::now(), ends });
        self.store(tokens)?;
        Ok(secret)
    }

    /// Takes a token back; a running node refuses it from its next request on.
    ///
    /// # Errors
    /// When there is none of that name, or the file cannot be used.
    pub fn revoke(&self, name: &str) -> Result<(), TokenError> {
        if self.look()?.is_none() {
            return Err(TokenError::NoSuch { name: name.to_owned() });
        }
        let _alone = self.lock()?;
        let mut tokens = self.load()?;
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        if tokens.len() == before {
            return Err(TokenError::NoSuch { name: name.to_owned() });
        }
        self.store(tokens)
    }

    fn current(&self) -> Result<Vec<Token>, TokenError> {
        let look = self.look()?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*read, look) {
            (Some((known, tokens)), Some(look)) if *known == look => return Ok(tokens.clone()),
            (_, None) => return Ok(Vec::new()),
            _ => {}
        }
        let tokens = self.load()?;
        *read = look.map(|look| (look, tokens.clone()));
        Ok(tokens)
    }

    fn look(&self) -> Result<Option<Look>, TokenError> {
        match fs::metadata(&self.path) {
            Ok(found) => {
                let changed = (found.ctime(), found.ctime_nsec());
                Ok(Some(Look { inode: found.ino(), length: found.len(), changed }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.unusable(source)),
        }
    }

    fn load(&self) -> Result<Vec<Token>, TokenError> {
        match fs::metadata(&self.path) {
            Ok(found) if nuncio_pki::is_exposed(&found) => return Err(TokenError::Open { path: self.path.clone() }),
            _ => {}
        }
        let Some(bytes) = state_file::read(&self.path, MAX_FILE).map_err(|source| self.unusable(source))? else {
            return Ok(Vec::new());
        };
        let content: Content = std::str::from_utf8(&bytes)
            .map_err(|error| error.to_string())
            .and_then(|text| toml::from_str(text).map_err(|error| error.message().to_owned()))
            .map_err(|reason| TokenError::Unreadable { path: self.path.clone(), reason })?;
        Ok(content.token)
    }

    fn store(&self, token: Vec<Token>) -> Result<(), TokenError> {
        let text = toml::to_string(&Content { token }).unwrap_or_default();
        let whole = format!("{HEAD}{text}");
        // A running node could not read what is root's for a moment, and would end the sessions of every token.
        let stored =
            state_file::replace_prepared(&self.path, whole.as_bytes(), |file| owner::follow_to(&self.path, file));
        stored.map_err(|source| self.unusable(source))
    }

    /// One change at a time.
    fn lock(&self) -> Result<File, TokenError> {
        let path = self.path.with_extension("lock");
        let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).clone();
        let file = options.open(&path).map_err(|source| self.unusable(source))?;
        owner::follow(&path).map_err(|source| self.unusable(source))?;
        flock(&file, FlockOperation::LockExclusive).map_err(|error| self.unusable(error.into()))?;
        Ok(file)
    }

    fn unusable(&self, source: io::Error) -> TokenError {
        TokenError::File { path: self.path.clone(), source }
    }
}

/// Makes a folder and those above it.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|one| !one.as_os_str().is_empty() && !one.exists()).collect();
    DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    missing.into_iter().rev().try_for_each(owner::follow)
}

fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// Why a token is none, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Nobody was given it.
    #[error("the token is not known here: it was never made, or was taken back")]
    Unknown,
    /// It has ended.
    #[error("the token {name} has ended")]
    Ended {
        /// Its name.
        name: String,
    },
    /// There is one already.
    #[error("there is a token {name} already")]
    Exists {
        /// Its name.
        name: String,
    },
    /// There is none.
    #[error("there is no token {name}")]
    NoSuch {
        /// Its name.
        name: String,
    },
    /// Its name is none.
    #[error("`{name}` is no name of a token: write 1 to 64 letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// Others can read the file.
    #[error("{}: others than its owner can read or write it, so no token counts", path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is not as `nuncio token` writes it.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl TokenError {
    /// Whether the token is none, and not the file.
    const fn is_of_token(&self) -> bool {
        matches!(self, Self::Unknown | Self::Ended { .. })
    }

    /// What mends it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown | Self::Ended { .. } | Self::NoSuch { .. } => {
                "nuncio token list shows those there are, nuncio token make NAME makes one".to_owned()
            }
            Self::Exists { name } => format!("nuncio token revoke {name}, or choose another name"),
            Self::Name { .. } => "nuncio token make grafana --scope read".to_owned(),
            Self::Open { path } => format!("chmod 600 {}", argument(path)),
            Self::Unreadable { path, .. } => format!("move {} away and make the tokens again", path.display()),
            Self::File { path, source } if source.kind() == io::ErrorKind::StorageFull => {
                format!("free space on the disk of {}", path.display())
            }
            Self::File { path, .. } => format!("make {} readable and writable for this user", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing_subscriber::{Layer, layer::SubscriberExt as _};

    use super::*;

    /// Counts what is logged.
    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<AtomicUsize>);

    impl<S: tracing::Subscriber> Layer<S> for Lines {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_wrong_with_the_file_is_logged_once_until_it_changes_and_told_to_no_stranger() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        let token = file.make("a", Scope::Full, None).unwrap();
        let lines = Lines::default();
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let open = |mode| fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        let logged = |shown: &str| {
            let words = file.judge(shown).unwrap_err();
            assert!(!words.contains("tokens.toml"), "{words}");
            lines.0.load(Ordering::Relaxed)
        };
        assert_eq!(logged("nuncio_wrong"), 0);
        open(0o644);
        assert_eq!((0..1000).map(|_| logged("nuncio_wrong")).max(), Some(1));
        open(0o600);
        file.judge(&token).unwrap();
        open(0o644);
        assert_eq!(logged(&token), 2, "it was well meanwhile");
        open(0o600);
        fs::write(file.path(), "token = 1").unwrap();
        assert_eq!((0..10).map(|_| logged(&token)).max(), Some(3));
    }

    #[test]
    fn a_token_is_known_by_its_hash_until_it_is_taken_back_or_ends() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        assert!(matches!(file.find("x"), Err(TokenError::Unknown)));
        let reader = file.make("grafana", Scope::Read, None).unwrap();
        let ended = file.make("old", Scope::Full, Some(Timestamp::UNIX_EPOCH)).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&reader) && text.contains("grafana"), "{text}");
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.find(&reader).unwrap().scope, Scope::Read);
        assert!(matches!(file.find(&ended), Err(TokenError::Ended { .. })));
        let running = TokenFile::new(file.path().to_owned());
        running.find(&reader).unwrap();
        file.revoke("grafana").unwrap();
        assert!(matches!(running.find(&reader), Err(TokenError::Unknown)), "at once, in the node too");
        assert!(matches!(file.revoke("grafana"), Err(TokenError::NoSuch { .. })));
        assert!(matches!(file.make("old", Scope::Read, None), Err(TokenError::Exists { .. })));
        for name in ["", "a b", "a\nb", &"x".repeat(65)] {
            assert!(matches!(file.make(name, Scope::Read, None), Err(TokenError::Name { .. })), "{name:?}");
        }
    }

    #[test]
    fn what_root_makes_belongs_to_whose_directory_it_is_and_nothing_of_others_does() {
        let dir = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(dir.path(), Some(4711), Some(4712)).is_err() {
            eprintln!("NOT RUN: only root gives a directory to somebody else");
            return;
        }
        let file = TokenFile::new(dir.path().join("data/tokens.toml"));
        file.make("a", Scope::Read, None).unwrap();
        for path in ["data", "data/tokens.toml", "data/tokens.lock"] {
            let found = fs::metadata(dir.path().join(path)).unwrap();
            assert_eq!((found.uid(), found.gid()), (4711, 4712), "{path}");
        }
        // A file of root's that the directory's owner has linked to.
        let [foreign, lock] = ["foreign", "data/tokens.lock"].map(|path| dir.path().join(path));
        fs::write(&foreign, "root's").unwrap();
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&foreign, &lock).unwrap();
        assert!(file.make("b", Scope::Read, None).is_err());
        fs::remove_file(&lock).unwrap();
        std::os::unix::fs::symlink(&foreign, &lock).unwrap();
        assert!(file.make("b", Scope::Read, None).is_err());
        assert_eq!(fs::metadata(&foreign).unwrap().uid(), 0);
    }

    #[test]
    fn a_file_that_root_changes_is_its_owners_at_every_moment() {
        let dir = tempfile::tempdir().unwrap();
        if std::os::unix::fs::chown(dir.path(), Some(4711), Some(4712)).is_err() {
            eprintln!("NOT RUN: only root gives a directory to somebody else");
            return;
        }
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        file.make("a", Scope::Read, None).unwrap();
        std::thread::scope(|scope| {
            let changing = scope.spawn(|| {
                for _ in 0..50 {
                    file.make("b", Scope::Read, None).unwrap();
                    file.revoke("b").unwrap();
                }
            });
            while !changing.is_finished() {
                assert_eq!(fs::metadata(file.path()).unwrap().uid(), 4711);
            }
        });
    }

    #[test]
    fn the_first_token_may_be_made_before_the_node_has_ever_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("deep/data/tokens.toml"));
        assert!(file.list().unwrap().is_empty());
        assert!(matches!(file.revoke("a"), Err(TokenError::NoSuch { .. })));
        assert!(!dir.path().join("deep").exists(), "who only looks makes nothing");
        assert!(file.make("a b", Scope::Read, None).is_err() && !dir.path().join("deep").exists());
        let token = file.make("a", Scope::Read, None).unwrap();
        assert_eq!(file.find(&token).unwrap().name, "a");
        for (path, mode) in [("deep", 0o700), ("deep/data", 0o700), ("deep/data/tokens.toml", 0o600)] {
            let found = fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, mode, "{path}");
        }
        // A folder that is there stays as it is.
        fs::set_permissions(dir.path().join("deep/data"), fs::Permissions::from_mode(0o750)).unwrap();
        file.make("b", Scope::Read, None).unwrap();
        assert_eq!(fs::metadata(dir.path().join("deep/data")).unwrap().permissions().mode() & 0o777, 0o750);
    }

    #[test]
    fn a_file_that_others_can_read_or_that_is_nonsense_gives_nobody_anything() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::new(dir.path().join("tokens.toml"));
        let token = file.make("a", Scope::Full, None).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.find(&token), Err(TokenError::Open { .. })));
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        file.find(&token).unwrap();
        fs::write(file.path(), "token = 1").unwrap();
        assert!(matches!(file.find(&token), Err(TokenError::Unreadable { .. })));
    }

    #[test]
    fn tokens_made_at_once_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let file = TokenFile::new(path.clone());
                scope.spawn(move || file.make(&format!("t{number}"), Scope::Read, None).unwrap());
            }
        });
        assert_eq!(TokenFile::new(path).list().unwrap().len(), 8);
    }
}
