use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file says something that cannot be.
    #[error("{}:{line}:{column}: {}{message}", path.display(), KeyPrefix(key.as_deref()))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The dotted key, when it is about one.
        key: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// An environment variable says something that cannot be.
    #[error("environment variable {variable}: {message}")]
    Environment {
        /// The variable.
        variable: String,
        /// What is wrong.
        message: String,
    },
    /// A FISCO BCOS node directory asks for something that is not there.
    #[error("{}: {key}: {message}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Section and key.
        key: String,
        /// What it asks for.
        message: String,
    },
    /// What was to be taken over is not FISCO BCOS's.
    #[error("{}: none of its keys is one of FISCO BCOS 2.x that means something here", path.display())]
    NotFisco {
        /// The file.
        path: PathBuf,
    },
}

/// What can be taken over.
const OF_FISCO: &str = "name a node's directory of FISCO BCOS 2.x: config.ini and conf/ are in it";

impl ConfigError {
    /// What the operator can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::IsADirectory => {
                format!("name the file in it, {}", path.join("nuncio.toml").display())
            }
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound && is_ini(path) => {
                OF_FISCO.to_owned()
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "name the file with --config, or write one: nuncio config default > nuncio.toml".to_owned()
            }
            Self::Read { source, .. } if source.kind() == io::ErrorKind::InvalidInput => {
                "write the configuration into a file, and name that: it is read again with each reload".to_owned()
            }
            Self::Read { path, source } if source.kind() == io::ErrorKind::FileTooLarge => {
                format!("look what is in it: file {}", path.display())
            }
            Self::Read { path, .. } => format!("make {} readable for the user that runs the node", path.display()),
            Self::Invalid { path, .. } if is_ini(path) => {
                "correct the line; FISCO BCOS writes `key=value` under `[section]`".to_owned()
            }
            Self::Invalid { .. } => "`nuncio config default` prints every key with its meaning".to_owned(),
            Self::Environment { .. } => {
                "variables are NUNCIO_<SECTION>__<KEY>, as NUNCIO_P2P__LISTEN; unset it or correct it".to_owned()
            }
            Self::NotFisco { path } if path.extension().is_some_and(|extension| extension == "toml") => {
                format!("this is a nuncio.toml: nuncio config check {}", path.display())
            }
            Self::NotFisco { .. } => OF_FISCO.to_owned(),
            Self::Unsupported { .. } => "see the README on what is taken over from FISCO BCOS".to_owned(),
        }
    }
}

fn is_ini(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ini")
}

struct KeyPrefix<'a>(Option<&'a str>);

impl fmt::Display for KeyPrefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |key| write!(f, "{key}: "))
    }
}
