//! The passphrase of an encrypted key: from a file, from the environment, or from whoever sits at the terminal.

use std::{
    collections::BTreeMap,
    env::{self, VarError},
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use zeroize::Zeroizing;

use crate::{KeyError, file};

/// Names the file whose first line is the passphrase; nobody else may be able to read it.
pub const PASSPHRASE_FILE: &str = "NUNCIO_KEY_PASSPHRASE_FILE";

/// Is the passphrase itself.
pub const PASSPHRASE: &str = "NUNCIO_KEY_PASSPHRASE";

/// How often somebody at the terminal is asked.
const ATTEMPTS: usize = 3;

type Passphrase = Zeroizing<String>;

/// What was typed and was right: a node that reads its files again asks nobody. Bound: the key files of one process.
static TYPED: Mutex<BTreeMap<PathBuf, Passphrase>> = Mutex::new(BTreeMap::new());

/// Opens the key of a file, with its passphrase if it is under one.
pub(crate) fn unlock_if<T>(
    is_sealed: bool,
    key: &Path,
    open: impl Fn(Option<&str>) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    if !is_sealed { open(None) } else { unlock(key, |passphrase| open(Some(passphrase))) }
}

fn unlock<T>(key: &Path, open: impl Fn(&str) -> Result<T, KeyError>) -> Result<T, KeyError> {
    if let Some(passphrase) = given()? {
        return open(&passphrase);
    }
    // Keys of one authority often share a passphrase. It is this key's then, too.
    let opened = known_of(key).find_map(|passphrase| open(&passphrase).ok().map(|opened| (opened, passphrase)));
    if let Some((opened, passphrase)) = opened {
        typed().insert(key.into(), passphrase);
        return Ok(opened);
    }
    let mut attempts = (1..=ATTEMPTS).rev();
    loop {
        let left = attempts.next();
        let passphrase = ask(key)?;
        match open(&passphrase) {
            Err(KeyError::WrongPassphrase) if left > Some(1) => {}
            Err(error) => return Err(error),
            Ok(opened) => {
                typed().insert(key.into(), passphrase);
                return Ok(opened);
            }
        }
    }
}

/// The passphrase that opens the key of a file: that of its successor. One that does not would shut that off for good.
pub(crate) fn again(key: &Path, open: impl Fn(&str) -> Result<(), KeyError>) -> Result<Passphrase, KeyError> {
    unlock(key, |passphrase| open(passphrase).map(|()| Zeroizing::new(passphrase.to_owned())))
}

/// The PIN of the token that a key file names: whoever asks tries it once, and never another one.
pub(crate) fn pin(key: &Path) -> Result<Passphrase, KeyError> {
    let known = given()?.or_else(|| typed().get(key).cloned());
    known.map_or_else(|| ask(key), Ok)
}

/// The same, but nobody is asked.
pub(crate) fn known(key: &Path) -> Result<Passphrase, KeyError> {
    let known = given()?.or_else(|| typed().get(key).cloned());
    known.ok_or_else(|| KeyError::NoPassphrase { reason: "nobody is asked while it is needed".into() })
}

/// What was typed, that of this key first.
fn known_of(key: &Path) -> impl Iterator<Item = Passphrase> {
    let typed = typed();
    let own = typed.get(key).cloned();
    let others: Vec<_> =
        typed.iter().filter(|(path, _)| *path != key).map(|(_, passphrase)| passphrase.clone()).collect();
    own.into_iter().chain(others)
}

/// Keeps what was typed for a key and was right.
pub(crate) fn remember(key: &Path, passphrase: Passphrase) {
    typed().insert(key.into(), passphrase);
}

fn typed() -> MutexGuard<'static, BTreeMap<PathBuf, Passphrase>> {
    TYPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the file or the environment says.
fn given() -> Result<Option<Passphrase>, KeyError> {
    if let Some(path) = env::var_os(PASSPHRASE_FILE).filter(|path| !path.is_empty()) {
        let content = file::read_secret(Path::new(&path)).map_err(|error| {
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            KeyError::NoPassphrase { reason: format!("{PASSPHRASE_FILE}: {error}{source}") }
        })?;
        let text = str::from_utf8(&content).map_err(|_| KeyError::NoPassphrase {
            reason: format!("{PASSPHRASE_FILE} names a file that is no UTF-8"),
        })?;
        return Ok(Some(Zeroizing::new(first_line(text).to_owned())));
    }
    match env::var(PASSPHRASE) {
        Ok(text) => Ok(Some(Zeroizing::new(text)).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(KeyError::NoPassphrase {
            reason: format!("{PASSPHRASE} is no UTF-8; {PASSPHRASE_FILE} may name a file with the passphrase in UTF-8"),
        }),
    }
}

/// Without the mark that some editors put in front.
fn first_line(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').lines().next().unwrap_or_default()
}

fn ask(key: &Path) -> Result<Passphrase, KeyError> {
    if !io::stdin().is_terminal() {
        let reason = format!("neither {PASSPHRASE_FILE} nor {PASSPHRASE} is set, and there is no terminal to ask at");
        return Err(KeyError::NoPassphrase { reason });
    }
    let typed = rpassword::prompt_password(format!("passphrase of {}: ", key.display()));
    typed.map(Zeroizing::new).map_err(|error| KeyError::NoPassphrase { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(right: &'static str) -> impl Fn(&str) -> Result<(), KeyError> {
        move |passphrase| if passphrase == right { Ok(()) } else { Err(KeyError::WrongPassphrase) }
    }

    #[test]
    fn a_successor_is_sealed_under_what_opens_its_predecessor_and_under_nothing_else() {
        let [one, same, other] = ["one.key", "same.key", "other.key"].map(|name| Path::new("/passphrase").join(name));
        remember(&one, Zeroizing::new("shared".to_owned()));
        remember(&other, Zeroizing::new("mistyped".to_owned()));
        unlock(&same, opens("shared")).unwrap();
        assert_eq!(**known(&same).unwrap(), *"shared", "it opened this key, too");
        assert_eq!(**again(&same, opens("shared")).unwrap(), *"shared");
        assert_eq!(**again(&other, opens("shared")).unwrap(), *"shared");
    }
}
