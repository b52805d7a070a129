use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{self, PrivateKey, UnparsedPublicKey, X25519},
    hkdf::{HKDF_SHA256, Salt},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_protocol::MAX_NODES;

/// Bytes that a seal adds: the nonce and the tag.
pub(crate) const OVERHEAD: usize = NONCE + 16;

/// The part of the nonce that travels; the rest is zero.
const NONCE: usize = 8;

/// Bytes of a public key in a status record.
const PUBLIC: usize = 32;

/// The keys by which two nodes seal what relays carry between them.
///
/// Each node makes an X25519 key when it starts and puts the public half into its signed status record. From that, and both
/// epochs, two nodes derive one AES-256-GCM key for each direction, by HKDF-SHA256. Only these two have it, so whatever
/// opens was sealed by the other; it opens in the present epochs of both only; and what was recorded cannot be opened any
/// more once either has stopped. Nonces count up and never begin again, as the keys do not outlive the process.
///
/// Bound: twice [`MAX_NODES`] nodes, of 300 bytes or so; when full, the owner forgets those without a record.
pub struct Keyring {
    node: NodeId,
    network: Arc<str>,
    private: PrivateKey,
    public: Bytes,
    state: RwLock<State>,
    /// Counts all that was sealed: a key derived twice sees no nonce twice.
    sealed: AtomicU64,
}

#[derive(Default)]
struct State {
    epoch: u64,
    peers: HashMap<NodeId, Arc<Peer>>,
}

/// Another node in one of its epochs; its keys are derived when they are first used.
struct Peer {
    epoch: u64,
    own_epoch: u64,
    public: Bytes,
    keys: OnceLock<Option<Keys>>,
}

struct Keys {
    outgoing: LessSafeKey,
    incoming: LessSafeKey,
}

/// Why something sealed was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// The key of the node's epoch is not known here.
    NoKey,
    /// It was not sealed by that node for this one, or was changed since.
    Forged,
}

impl Keyring {
    /// Keys that other nodes' records make it hold.
    pub const BOUND: Bound = Bound::of_entries::<(NodeId, Arc<Peer>)>(
        "keys of other nodes",
        2 * MAX_NODES,
        size_of::<Peer>() + PUBLIC,
        "those without a record are forgotten",
    );

    pub(crate) fn new(node: NodeId, network: &str) -> Self {
        Self::of(node, network, PrivateKey::generate(&X25519).expect("the operating system gives randomness"))
    }

    /// With a secret that is none: what it seals is the same in every run.
    #[cfg(test)]
    pub(crate) fn of_secret(node: NodeId, network: &str, secret: &[u8; 32]) -> Self {
        Self::of(node, network, PrivateKey::from_private_key(&X25519, secret).expect("any 32 bytes are a key"))
    }

    fn of(node: NodeId, network: &str, private: PrivateKey) -> Self {
        let public = private.compute_public_key().expect("a private key has a public half");
        let public = Bytes::copy_from_slice(public.as_ref());
        Self { node, network: network.into(), private, public, state: RwLock::default(), sealed: AtomicU64::new(0) }
    }

    /// What this node's status record says, so that others can seal for it.
    pub fn public(&self) -> Bytes {
        self.public.clone()
    }

    /// This node begins an epoch: keys of an earlier one open nothing any more.
    pub fn begin(&self, epoch: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { epoch, peers: HashMap::new() };
    }

    /// Takes the key in a node's record; one that is none is ignored. `false` when there is no room.
    pub fn learn(&self, node: NodeId, epoch: u64, public: &Bytes) -> bool {
        let known = self.peer(&node);
        if public.len() != PUBLIC || known.is_some_and(|known| known.epoch == epoch && known.public == *public) {
            return true;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = state.peers.len() < 2 * MAX_NODES || state.peers.contains_key(&node);
        if has_room {
            let peer = Peer { epoch, own_epoch: state.epoch, public: public.clone(), keys: OnceLock::new() };
            state.peers.insert(node, Arc::new(peer));
        }
        has_room
    }

    /// Forgets all nodes but these.
    pub fn retain(&self, is_kept: impl Fn(&NodeId) -> bool) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).peers.retain(|node, _| is_kept(node));
    }

    /// The epoch of a node whose key is known.
    pub(crate) fn epoch_of(&self, node: &NodeId) -> Option<u64> {
        self.peer(node).map(|peer| peer.epoch)
    }

    /// Seals the rest of `plain` behind `start` for a node in an epoch; `None` when its key is not known.
    pub(crate) fn seal(&self, (node, epoch): (NodeId, u64), associated: &[u8], mut plain: BytesMut) -> Option<Bytes> {
        let peer = self.peer(&node).filter(|peer| peer.epoch == epoch)?;
        let keys = self.keys(&node, &peer)?;
        let nonce = self.sealed.fetch_add(1, Ordering::Relaxed);
        let tag = keys.outgoing.seal_in_place_separate_tag(nonce_of(nonce), Aad::from(associated), &mut plain[NONCE..]);
        plain[..NONCE].copy_from_slice(&nonce.to_be_bytes());
        plain.extend_from_slice(tag.ok()?.as_ref());
        Some(plain.freeze())
    }

    /// Opens what a node sealed for this one in an epoch of its.
    pub(crate) fn open(
        &self,
        (node, epoch): (NodeId, u64),
        associated: &[u8],
        sealed: &Bytes,
    ) -> Result<Bytes, OpenError> {
        let peer = self.peer(&node).filter(|peer| peer.epoch == epoch).ok_or(OpenError::NoKey)?;
        let keys = self.keys(&node, &peer).ok_or(OpenError::Forged)?;
        let mut bytes = BytesMut::from(&sealed[..]);
        let nonce = bytes.try_get_u64().map_err(|_| OpenError::Forged)?;
        let opened = keys.incoming.open_in_place(nonce_of(nonce), Aad::from(associated), &mut bytes);
        let length = opened.map_err(|_| OpenError::Forged)?.len();
        bytes.truncate(length);
        Ok(bytes.freeze())
    }

    fn peer(&self, node: &NodeId) -> Option<Arc<Peer>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).peers.get(node).cloned()
    }

    fn keys<'a>(&self, node: &NodeId, peer: &'a Peer) -> Option<&'a Keys> {
        peer.keys.get_or_init(|| self.derive(node, peer)).as_ref()
    }

    fn derive(&self, node: &NodeId, peer: &Peer) -> Option<Keys> {
        let theirs = UnparsedPublicKey::new(&X25519, &peer.public);
        let salt = Salt::new(HKDF_SHA256, self.network.as_bytes());
        let secret = agreement::agree(&self.private, theirs, (), |shared| Ok(salt.extract(shared))).ok()?;
        let own = [self.node.as_bytes().as_slice(), &peer.own_epoch.to_be_bytes(), &self.public];
        let other = [node.as_bytes().as_slice(), &peer.epoch.to_be_bytes(), &peer.public];
        let key = |from: [&[u8]; 3], to: [&[u8]; 3]| {
            let info = [&[b"nuncio/2 seal".as_slice()], from.as_slice(), to.as_slice()].concat();
            let okm = secret.expand(&info, &AES_256_GCM).ok()?;
            Some(LessSafeKey::new(UnboundKey::from(okm)))
        };
        Some(Keys { outgoing: key(own, other)?, incoming: key(other, own)? })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("node", &self.node).finish_non_exhaustive()
    }
}

/// A buffer for so many bytes of content, with room for the nonce before and the tag behind.
pub(crate) fn buffer(content: usize) -> BytesMut {
    let mut buffer = BytesMut::with_capacity(OVERHEAD + content);
    buffer.put_bytes(0, NONCE);
    buffer
}

fn nonce_of(count: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    fn ring(epoch: u64) -> Keyring {
        let ring = Keyring::new(NodeKey::generate().node_id(), "test");
        ring.begin(epoch);
        ring
    }

    fn meet(a: &Keyring, a_epoch: u64, b: &Keyring, b_epoch: u64) {
        a.learn(b.node, b_epoch, &b.public());
        b.learn(a.node, a_epoch, &a.public());
    }

    fn plain(text: &[u8]) -> BytesMut {
        let mut plain = buffer(text.len());
        plain.extend_from_slice(text);
        plain
    }

    #[test]
    fn what_one_seals_the_other_alone_opens() {
        let [a, b, eve] = [ring(1), ring(2), ring(3)];
        meet(&a, 1, &b, 2);
        meet(&a, 1, &eve, 3);
        meet(&eve, 3, &b, 2);
        let sealed = a.seal((b.node, 2), b"header", plain(b"secret")).unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(b.open((a.node, 1), b"header", &sealed).as_deref(), Ok(&b"secret"[..]));
        assert_eq!(b.open((a.node, 1), b"another", &sealed), Err(OpenError::Forged));
        assert_eq!(b.open((eve.node, 3), b"header", &sealed), Err(OpenError::Forged));
        assert_eq!(eve.open((a.node, 1), b"header", &sealed), Err(OpenError::Forged));
        assert_eq!(a.open((b.node, 2), b"header", &sealed), Err(OpenError::Forged), "not even its own");
        assert_ne!(a.seal((b.node, 2), b"header", plain(b"secret")).unwrap(), sealed);
    }

    #[test]
    fn a_seal_ends_with_the_epoch_of_either() {
        let [a, b] = [ring(1), ring(2)];
        meet(&a, 1, &b, 2);
        let sealed = a.seal((b.node, 2), b"", plain(b"secret")).unwrap();
        assert_eq!(a.seal((b.node, 3), b"", plain(b"secret")), None);
        b.begin(3);
        assert_eq!(b.open((a.node, 1), b"", &sealed), Err(OpenError::NoKey));
        b.learn(a.node, 1, &a.public());
        assert_eq!(b.open((a.node, 1), b"", &sealed), Err(OpenError::Forged));
    }

    #[test]
    fn keys_that_are_none_and_bytes_that_are_no_seal_are_refused() {
        let [a, b] = [ring(1), ring(2)];
        for public in [Bytes::from_static(&[0; 32]), Bytes::from_static(&[1; 31]), Bytes::new()] {
            a.learn(b.node, 2, &public);
            assert_eq!(a.seal((b.node, 2), b"", plain(b"secret")), None);
        }
        meet(&a, 1, &b, 2);
        for length in 0..40 {
            assert_eq!(a.open((b.node, 2), b"", &Bytes::from(vec![7; length])), Err(OpenError::Forged));
        }
    }
}
