use std::{io, path::PathBuf};

use nuncio_plain::argument;

use crate::{ChainError, DirectoryError, FileError, KeyError, RequestError};

/// Why an authority cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A file cannot be read, or is a key that others can read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A certificate or revocation file cannot be used.
    #[error(transparent)]
    Directory(Box<DirectoryError>),
    /// A request is not acceptable.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is something already, and it is not overwritten.
    #[error("{} exists already", path.display())]
    Exists {
        /// What.
        path: PathBuf,
    },
    /// A file of certificates holds something else too, which would be gone if it were replaced.
    #[error(
        "{} holds something beside certificates, such as a private key, that a new certificate in its place would destroy; \
         nothing was changed",
        path.display()
    )]
    HoldsMore {
        /// The file.
        path: PathBuf,
    },
    /// A file of certificates is for nobody in particular.
    #[error("{} begins with the certificate of {authority}, an authority, and holds that of {leaf} and others: it is not known which is meant", path.display())]
    Ambiguous {
        /// The file.
        path: PathBuf,
        /// Whose is the first, RFC 4514.
        authority: String,
        /// Whose is the first that is no authority's, RFC 4514.
        leaf: String,
    },
    /// What is asked for was taken back.
    #[error("{what} gets no new certificate: {} takes {taken} back", list.display())]
    TakenBack {
        /// Whose.
        what: String,
        /// The file with the list that says so.
        list: PathBuf,
        /// Its certificate, or its key.
        taken: &'static str,
    },
    /// The folder holds no authority.
    #[error("{} holds no authority: neither agency.crt with agency.key nor ca.crt with ca.key", path.display())]
    NoAuthority {
        /// The folder.
        path: PathBuf,
    },
    /// The authority's key is not usable.
    #[error("{}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The key is under a passphrase that is not known here.
    #[error("{}: {source}", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Why it does not open.
        source: KeyError,
    },
    /// A PKCS#11 token does not sign.
    #[error(transparent)]
    Token {
        /// Why not.
        source: KeyError,
    },
    /// The authority's certificate does not let it issue: nobody would accept what it signs.
    #[error("{} is no authority's certificate: {reason}", path.display())]
    MayNotIssue {
        /// The file.
        path: PathBuf,
        /// What forbids it.
        reason: String,
    },
    /// The authority's key is not its certificate's.
    #[error("{} does not belong to {}", key.display(), cert.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        cert: PathBuf,
    },
    /// The name cannot be a certificate's common name.
    #[error(
        "{name:?} cannot be a name: 1 to 64 letters, digits, '-', '_', '.' or inner spaces, a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Only a root makes agencies.
    #[error("{authority} is an agency; only the root can make agencies")]
    NotARoot {
        /// Who was asked.
        authority: String,
    },
    /// The authority's own certificate has ended, so nothing it issues would be valid.
    #[error("the certificate of {authority} expired on {not_after}")]
    Expired {
        /// Whose.
        authority: String,
        /// When, RFC 3339.
        not_after: String,
    },
    /// A certificate to renew or revoke is not this authority's.
    #[error("certificate of {subject} was issued by {issuer}, {}", not_by(issuer, authority))]
    NotIssuedHere {
        /// Whose.
        subject: String,
        /// By whom.
        issuer: String,
        /// Who was asked.
        authority: String,
    },
    /// A renewed certificate would not be for what the old one was; nothing was overwritten.
    #[error("the new certificate of {subject} would not be for the same purpose as the old one; nothing was changed")]
    Changed {
        /// Whose.
        subject: String,
    },
    /// A renewed certificate would not hold; nothing was overwritten.
    #[error("the new certificate of {subject} would not hold, so nothing was changed: {source}")]
    Unsound {
        /// Whose.
        subject: String,
        /// Why.
        source: Box<ChainError>,
    },
    /// The revocation list in the folder is not the last that was made there.
    #[error("{} is not the last list made here, which had the number 0x{number}: a new one would take revocations back", path.display())]
    ListLost {
        /// The list's file.
        path: PathBuf,
        /// The last number, hexadecimal.
        number: String,
    },
    /// What was revoked stands in the authority's own list, and not in those of all that it took the place of, or that took its:
    /// whoever shows a certificate of theirs is let in.
    #[error(
        "it is revoked, but {} could not be written, so that certificates of that authority count on: {source}",
        named(lists)
    )]
    Unsaid {
        /// The lists that lack it.
        lists: Vec<PathBuf>,
        /// Why the first of them does.
        source: Box<AuthorityError>,
    },
    /// Another process issues from the folder.
    #[error("another process issues certificates from {}", path.display())]
    Issuing {
        /// The folder.
        path: PathBuf,
    },
    /// No RSA key could be made or used.
    #[error("RSA: {reason}")]
    Rsa {
        /// Why.
        reason: String,
    },
    /// A value does not fit X.509.
    #[error("cannot be written as X.509: {reason}")]
    Encoding {
        /// What the encoder says.
        reason: String,
    },
}

fn not_by(issuer: &str, authority: &str) -> String {
    if issuer == authority { "with another key than it has now".to_owned() } else { format!("not by {authority}") }
}

fn named(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
}

impl AuthorityError {
    /// What mends it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => error.hint(),
            Self::Directory(error) => error.hint(),
            Self::Request(error) => error.hint(),
            Self::Write { path, source } => match source.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    format!("{} is a file: name a directory, or move it away", path.display())
                }
                io::ErrorKind::StorageFull => format!("make room: df -h {}", argument(path)),
                io::ErrorKind::ReadOnlyFilesystem => "name a directory of a file system that can be written".into(),
                _ => format!("check the permissions of {}", path.display()),
            },
            Self::Exists { path } => format!("choose another --out, or move {} away", path.display()),
            Self::HoldsMore { path } => format!(
                "move the certificates of {0} into a file of their own and name that one: openssl storeutl -certs {0} shows them",
                argument(path)
            ),
            Self::TakenBack { .. } => "give whoever it is another key: nuncio cert request NAME --out DIR".into(),
            Self::NoAuthority { path } if path.is_file() => {
                format!("name the directory that {} is in", path.display())
            }
            Self::NoAuthority { path } => {
                format!(
                    "nuncio ca init --out {} makes one; for an agency: nuncio ca agency NAME --ca DIR --out DIR",
                    argument(path)
                )
            }
            Self::Key { path, .. } => format!("openssl pkey -in {} -noout -text shows what it is", argument(path)),
            Self::Locked { source, .. } | Self::Token { source } => return source.hint(),
            Self::MayNotIssue { path, .. } => {
                format!("nuncio cert inspect {}; nuncio ca agency makes a good one", argument(path))
            }
            Self::Mismatch { cert, .. } => format!("nuncio cert inspect {}", argument(cert)),
            Self::NotARoot { .. } => "give the root's folder with --ca".into(),
            Self::Expired { .. } => "make a new root with nuncio ca init and add it to every ca.crt first".into(),
            Self::NotIssuedHere { issuer, authority, .. } if issuer == authority => {
                "a former key of that authority issued it, or another authority of that name: nuncio cert request NAME --out DIR takes \
                 the key that lies in DIR, and nuncio ca sign DIR/node.csr --ca DIR --out FILE gives it a certificate"
                    .into()
            }
            Self::NotIssuedHere { issuer, .. } => format!("give the folder of {issuer} with --ca"),
            Self::Ambiguous { .. } => "move the one that is meant into a file of its own and name that".into(),
            Self::Changed { .. } => "report it with the output of nuncio cert inspect of the certificate".into(),
            Self::Unsound { source, .. } => source.hint(),
            Self::ListLost { path, .. } => format!(
                "put the last list back as {}: nodes keep it in revocations.pem of their data directory",
                path.display()
            ),
            Self::Unsaid { source, .. } => {
                let lost = "where that key is lost, the authority above it can revoke it: nuncio cert revoke FILE --key --ca DIR";
                format!("{}then revoke it again; {lost}", source.hint().map(|hint| hint + "; ").unwrap_or_default())
            }
            Self::Issuing { .. } => "let one node alone have [issuer] ca of this folder".into(),
            Self::Name { .. } | Self::Rsa { .. } | Self::Encoding { .. } => return None,
        })
    }
}

impl From<der::Error> for AuthorityError {
    fn from(source: der::Error) -> Self {
        Self::Encoding { reason: source.to_string() }
    }
}

impl From<DirectoryError> for AuthorityError {
    fn from(source: DirectoryError) -> Self {
        Self::Directory(Box::new(source))
    }
}
