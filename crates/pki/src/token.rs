//! Keys in a PKCS#11 token, a hardware module or SoftHSM: they sign there and never leave it.

mod uri;
mod worker;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
    mechanism::Mechanism,
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
    session::{Session, SessionState, UserType},
    slot::Slot,
    types::AuthPin,
};
use nuncio_identity::{NodeId, RemoteKey, SignError, Signature};
use secp256k1::ecdsa;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{KeyError, file, passphrase, tls};
use uri::Uri;
pub(crate) use uri::is_uri;
use worker::Worker;

/// secp256k1 as an object identifier, DER.
const SECP256K1: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];

/// Every module that this process has loaded: each is initialized once. Bound: those that its key files name.
static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());

type Pin = Zeroizing<String>;

/// The last PIN that each token refused. Bound: the tokens of the modules.
static WRONG_PINS: Mutex<BTreeMap<(PathBuf, u64), Pin>> = Mutex::new(BTreeMap::new());

/// How long a running node waits for a signature: less than peers and SDKs give a handshake.
const LIMIT: Duration = Duration::from_secs(2);

/// A secp256k1 key in a token.
#[derive(Clone)]
pub struct TokenKey(Arc<Inner>);

struct Inner {
    node: NodeId,
    worker: Worker,
}

struct Opened {
    session: Session,
    key: ObjectHandle,
}

impl TokenKey {
    /// Opens the key that a key file names. The PIN is the first line of the URI's `pin-source`, else what a passphrase
    /// would be.
    pub(crate) fn open(content: &[u8], file: &Path) -> Result<Self, KeyError> {
        let uri = Uri::parse(content)?;
        let mut opened = open(&uri, || passphrase::again(file), file)?;
        let node = public_key(&opened)?;
        let file = file.to_owned();
        let worker = Worker::start(move |digest| {
            opened.sign(digest).or_else(|_| {
                // Somebody waits for this signature; nobody is asked for a PIN now.
                opened = open(&uri, || passphrase::known(&file), &file)?;
                opened.sign(digest).map_err(|error| failed("it does not sign", &error))
            })
        })?;
        let key = Self(Arc::new(Inner { node, worker }));
        // A token that signs by another key than it shows is found out before anything is issued.
        key.sign(b"nuncio")?;
        Ok(key)
    }

    /// The node ID that the key would have.
    pub fn node_id(&self) -> NodeId {
        self.0.node
    }

    /// ECDSA over the SHA-256 of `message`, with a low S. It waits as long as the token takes, or its owner.
    ///
    /// # Errors
    /// When the token does not sign, or signs with another key.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        self.checked(message, self.0.worker.sign(Sha256::digest(message).into())?)
    }

    fn checked(&self, message: &[u8], made: Vec<u8>) -> Result<Signature, KeyError> {
        let wrong = || KeyError::Token { reason: "the token's signature is not by the key that it shows".into() };
        let mut signature = ecdsa::Signature::from_compact(&made).map_err(|_| wrong())?;
        signature.normalize_s();
        let signature = Signature::from_bytes(&signature.serialize_compact()).ok_or_else(wrong)?;
        if self.0.node.verify(message, &signature) { Ok(signature) } else { Err(wrong()) }
    }

    /// The same in DER, as X.509 and TLS have it.
    pub(crate) fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(tls::signature_der(&self.sign(message)?))
    }
}

/// For a running node: statuses, gossip, handshakes.
impl RemoteKey for TokenKey {
    fn node_id(&self) -> NodeId {
        self.0.node
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let made = self.0.worker.sign_within(Sha256::digest(message).into(), LIMIT);
        made.and_then(|made| self.checked(message, made)).map_err(|error| SignError { reason: error.to_string() })
    }
}

impl Opened {
    fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, Error> {
        self.session.sign(&Mechanism::Ecdsa, self.key, digest)
    }
}

fn open(uri: &Uri, pin: impl Fn() -> Result<Pin, KeyError>, file: &Path) -> Result<Opened, KeyError> {
    let module = module(&uri.module)?;
    let slot = slot(&module, uri)?;
    let session = module.open_ro_session(slot).map_err(|error| failed("no session", &error))?;
    let info = session.get_session_info().map_err(|error| failed("no session", &error))?;
    // All sessions of a process share one login.
    if !matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser) {
        log_in(&session, slot, uri, pin, file)?;
    }
    let key = only(find(&session, uri, ObjectClass::PRIVATE_KEY)?, "private EC keys of that name")?;
    Ok(Opened { session, key })
}

fn module(path: &Path) -> Result<Pkcs11, KeyError> {
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let unseen = |error| KeyError::Token { reason: format!("{} cannot be loaded: {error}", path.display()) };
    // What is checked is what is loaded: a link could be turned meanwhile.
    let library = fs::canonicalize(path).map_err(unseen)?;
    file::refuse_replaceable(&library).map_err(|error| KeyError::Token { reason: error.to_string() })?;
    let named = |error| failed(&format!("{} cannot be loaded", path.display()), &error);
    let module = Pkcs11::new(&library).map_err(named)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(named(error)),
    }
    modules.insert(path.into(), module.clone());
    Ok(module)
}

fn slot(module: &Pkcs11, uri: &Uri) -> Result<Slot, KeyError> {
    let slots = module.get_slots_with_initialized_token().map_err(|error| failed("no tokens", &error))?;
    let fits = |slot: &Slot| {
        module.get_token_info(*slot).is_ok_and(|info| {
            uri.token.as_deref().is_none_or(|label| label == info.label().trim_end())
                && uri.serial.as_deref().is_none_or(|serial| serial == info.serial_number().trim_end())
        })
    };
    only(slots.into_iter().filter(fits).collect(), "tokens of that name")
}

/// Each PIN once and no more: a token locks itself after a few wrong ones.
fn log_in(
    session: &Session,
    slot: Slot,
    uri: &Uri,
    typed: impl Fn() -> Result<Pin, KeyError>,
    file: &Path,
) -> Result<(), KeyError> {
    let pin = match &uri.pin_source {
        Some(source) => pin_in(source)?,
        None => typed()?,
    };
    let login = || session.login(UserType::User, Some(&AuthPin::from(pin.as_str())));
    once((uri.module.clone(), slot.id()), &pin, login)?;
    if uri.pin_source.is_none() {
        passphrase::remember(file, pin);
    }
    Ok(())
}

fn once(token: (PathBuf, u64), pin: &Pin, login: impl FnOnce() -> Result<(), Error>) -> Result<(), KeyError> {
    let wrong = || Err(KeyError::Token { reason: "the PIN is wrong".into() });
    let mut refused = WRONG_PINS.lock().unwrap_or_else(PoisonError::into_inner);
    if refused.get(&token).is_some_and(|refused| refused == pin) {
        return wrong();
    }
    match login() {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
            refused.remove(&token);
            Ok(())
        }
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            refused.insert(token, pin.clone());
            wrong()
        }
        Err(error) => Err(failed("it lets nobody in", &error)),
    }
}

fn pin_in(source: &Path) -> Result<Zeroizing<String>, KeyError> {
    let content = file::read_private(source)
        .map_err(|error| KeyError::NoPassphrase { reason: format!("pin-source: {error}") })?;
    let text = str::from_utf8(&content)
        .map_err(|_| KeyError::NoPassphrase { reason: format!("{} is no UTF-8", source.display()) })?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn find(session: &Session, uri: &Uri, class: ObjectClass) -> Result<Vec<ObjectHandle>, KeyError> {
    let mut wanted = vec![Attribute::Class(class), Attribute::KeyType(KeyType::EC)];
    wanted.extend(uri.object.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    wanted.extend(uri.id.clone().map(Attribute::Id));
    session.find_objects(&wanted).map_err(|error| failed("it cannot be searched", &error))
}

/// Of the public key that has the private one's identifier.
fn public_key(opened: &Opened) -> Result<NodeId, KeyError> {
    let unreadable = |error| failed("the key's attributes cannot be read", &error);
    let session = &opened.session;
    let id = session.get_attributes(opened.key, &[AttributeType::Id]).map_err(unreadable)?;
    let wanted = [vec![Attribute::Class(ObjectClass::PUBLIC_KEY), Attribute::KeyType(KeyType::EC)], id].concat();
    let public =
        only(session.find_objects(&wanted).map_err(unreadable)?, "public keys with the identifier of the private one")?;
    let attributes = [AttributeType::EcParams, AttributeType::EcPoint];
    let (mut curve, mut point) = (Vec::new(), Vec::new());
    for attribute in session.get_attributes(public, &attributes).map_err(unreadable)? {
        match attribute {
            Attribute::EcParams(value) => curve = value,
            Attribute::EcPoint(value) => point = value,
            _ => {}
        }
    }
    if curve != SECP256K1 {
        return Err(KeyError::NotSecp256k1 { kind: "a key in a token, on another curve".into() });
    }
    // An OCTET STRING around the point, which some tokens leave out.
    let bare = point.strip_prefix(&[0x04, 0x41]).filter(|bare| bare.len() == 65).unwrap_or(&point);
    crate::certificate::node_of(bare)
        .ok_or_else(|| KeyError::Token { reason: "its public key is no point of secp256k1".into() })
}

fn only<T>(mut found: Vec<T>, what: &str) -> Result<T, KeyError> {
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        count => Err(KeyError::Token { reason: format!("there are {count} {what}, and one is needed") }),
    }
}

fn failed(what: &str, error: &Error) -> KeyError {
    KeyError::Token { reason: format!("{what}: {error}") }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.0.node.short())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn a_wrong_pin_reaches_a_token_once() {
        let tried = Cell::new(0);
        let attempt = |pin: &str| {
            let answer =
                if pin == "1234" { Ok(()) } else { Err(Error::Pkcs11(RvError::PinIncorrect, Function::Login)) };
            let login = || {
                tried.set(tried.get() + 1);
                answer
            };
            once(("/a/token.so".into(), 7), &Zeroizing::new(pin.to_owned()), login).is_ok()
        };
        assert!((0..9).all(|_| !attempt("4321")));
        assert_eq!(tried.get(), 1);
        assert!(attempt("1234") && tried.get() == 2, "another PIN is another attempt");
        assert!(!attempt("4321") && tried.get() == 3, "a token's PIN may have been changed");
    }

    #[test]
    fn nobody_is_asked_for_a_pin_while_somebody_waits_for_a_signature() {
        let refused = passphrase::known(Path::new("/no/such/key")).unwrap_err();
        assert!(matches!(refused, KeyError::NoPassphrase { .. }));
    }
}
