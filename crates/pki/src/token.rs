//! Keys in a PKCS#11 token, a hardware module or SoftHSM: they sign there and never leave it.

mod inside;
mod steps;
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
use inside::OpenSession;
pub use inside::leave_tokens;
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

/// What a key signs when it is opened.
const PROBE: &[u8] = b"nuncio";

/// A secp256k1 key in a token.
#[derive(Clone)]
pub struct TokenKey {
    inner: Arc<Inner>,
    /// How long a signature is waited for; `None` is as long as it takes.
    patience: Option<Duration>,
}

struct Inner {
    node: NodeId,
    worker: Worker,
}

struct Opened {
    session: OpenSession,
    key: ObjectHandle,
    node: NodeId,
}

impl TokenKey {
    /// Opens the key that a key file names. The PIN is the first line of the URI's `pin-source`, else what a passphrase
    /// would be. Each step waits for the token for [`steps::LIMIT`] at the most; whoever types a PIN has all the time.
    pub(crate) fn open(content: &[u8], file: &Path) -> Result<Self, KeyError> {
        let uri = Arc::new(Uri::parse(content)?);
        let first = open(&uri, || passphrase::pin(file), file)?;
        // A token that signs by another key than it shows is found out before anything is issued.
        let (mut opened, proof) = steps::within(steps::LIMIT, &uri.module, "sign", move || {
            let proof = first.sign(&Sha256::digest(PROBE).into())?;
            Ok((first, proof))
        })?;
        let node = opened.node;
        checked(node, PROBE, &proof)?;
        let file = file.to_owned();
        let worker = Worker::start(move |digest| {
            opened.sign(digest).or_else(|_| {
                // Somebody waits for this signature; nobody is asked for a PIN now.
                opened = open(&uri, || passphrase::known(&file), &file)?;
                opened.sign(digest)
            })
        })?;
        Ok(Self { inner: Arc::new(Inner { node, worker }), patience: None })
    }

    /// The same key, for those who wait for a signature no longer than so.
    pub(crate) fn with_patience(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The node ID that the key would have.
    pub fn node_id(&self) -> NodeId {
        self.inner.node
    }

    /// ECDSA over the SHA-256 of `message`, with a low S. It waits as long as the token takes, or its owner, unless it was given
    /// less patience.
    ///
    /// # Errors
    /// When the token does not sign, or signs with another key.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let (worker, digest) = (&self.inner.worker, Sha256::digest(message).into());
        let made = match self.patience {
            Some(limit) => worker.sign_within(digest, limit),
            None => worker.sign(digest),
        };
        checked(self.inner.node, message, &made?)
    }

    /// The same in DER, as X.509 and TLS have it.
    pub(crate) fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Ok(tls::signature_der(&self.sign(message)?))
    }
}

/// For a running node: statuses, gossip, handshakes.
impl RemoteKey for TokenKey {
    fn node_id(&self) -> NodeId {
        self.inner.node
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let made = self.inner.worker.sign_within(Sha256::digest(message).into(), LIMIT);
        let signature = made.and_then(|made| checked(self.inner.node, message, &made));
        signature.map_err(|error| SignError { reason: error.to_string() })
    }
}

impl Opened {
    fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, KeyError> {
        let made = self.session.get()?.sign(&Mechanism::Ecdsa, self.key, digest);
        made.map_err(|error| failed("it does not sign", &error))
    }
}

fn checked(node: NodeId, message: &[u8], made: &[u8]) -> Result<Signature, KeyError> {
    let wrong = || KeyError::Token { reason: "the token's signature is not by the key that it shows".into() };
    let mut signature = ecdsa::Signature::from_compact(made).map_err(|_| wrong())?;
    signature.normalize_s();
    let signature = Signature::from_bytes(&signature.serialize_compact()).ok_or_else(wrong)?;
    if node.verify(message, &signature) { Ok(signature) } else { Err(wrong()) }
}

fn open(uri: &Arc<Uri>, typed: impl Fn() -> Result<Pin, KeyError>, file: &Path) -> Result<Opened, KeyError> {
    let of = Arc::clone(uri);
    let (session, slot, is_in) = steps::within(steps::LIMIT, &uri.module, "open a session", move || begin(&of))?;
    // All sessions of a process share one login.
    let pin = match &uri.pin_source {
        _ if is_in => None,
        Some(source) => Some(pin_in(source)?),
        None => Some(typed()?),
    };
    let (of, shown) = (Arc::clone(uri), pin.clone());
    let opened = steps::within(steps::LIMIT, &uri.module, "log in and show the key", move || {
        let held = session.get()?;
        if let Some(pin) = shown {
            log_in(held, (of.module.clone(), slot.id()), &pin)?;
        }
        let key = only(find(held, &of, ObjectClass::PRIVATE_KEY)?, "private EC keys of that name")?;
        let node = public_key(held, key)?;
        Ok(Opened { session, key, node })
    })?;
    if let Some(pin) = pin.filter(|_| uri.pin_source.is_none()) {
        passphrase::remember(file, pin);
    }
    Ok(opened)
}

/// A session, and whether this process is logged in already.
fn begin(uri: &Uri) -> Result<(OpenSession, Slot, bool), KeyError> {
    let module = module(&uri.module)?;
    let slot = slot(&module, uri)?;
    let session = module.open_ro_session(slot).map_err(|error| failed("no session", &error))?;
    let session = OpenSession::new(session);
    let info = session.get()?.get_session_info().map_err(|error| failed("no session", &error))?;
    let is_in = matches!(info.session_state(), SessionState::RoUser | SessionState::RwUser);
    Ok((session, slot, is_in))
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
fn log_in(session: &Session, token: (PathBuf, u64), pin: &Pin) -> Result<(), KeyError> {
    once(token, pin, || session.login(UserType::User, Some(&AuthPin::from(pin.as_str()))))
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
    let content =
        file::read_secret(source).map_err(|error| KeyError::NoPassphrase { reason: format!("pin-source: {error}") })?;
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
fn public_key(session: &Session, key: ObjectHandle) -> Result<NodeId, KeyError> {
    let unreadable = |error| failed("the key's attributes cannot be read", &error);
    let id = session.get_attributes(key, &[AttributeType::Id]).map_err(unreadable)?;
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
        write!(f, "TokenKey({})", self.inner.node.short())
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
    fn who_has_little_patience_waits_no_longer_and_a_wrong_signature_is_none() {
        let (held, holding) = std::sync::mpsc::channel::<()>();
        let worker = Worker::start(move |_| holding.recv().map_or_else(|_| Ok(vec![1; 64]), |()| Ok(Vec::new())));
        let node = nuncio_identity::NodeKey::generate().node_id();
        let key = TokenKey { inner: Arc::new(Inner { node, worker: worker.unwrap() }), patience: None };
        let refused = key.clone().with_patience(Duration::from_millis(5)).sign(b"x").unwrap_err().to_string();
        assert!(refused.contains("has not answered within 5ms"), "{refused}");
        drop(held);
        let refused = key.sign(b"x").unwrap_err().to_string();
        assert!(refused.contains("not by the key that it shows"), "{refused}");
    }

    #[test]
    fn nobody_is_asked_for_a_pin_while_somebody_waits_for_a_signature() {
        let refused = passphrase::known(Path::new("/no/such/key")).unwrap_err();
        assert!(matches!(refused, KeyError::NoPassphrase { .. }));
    }
}
