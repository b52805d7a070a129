//! A multicast over the bridge: sealed under a key of its own, which is sealed for each destination, and signed by its
//! source, since every destination has that key.

use std::{collections::HashSet, time::Duration};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    rand,
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use nuncio_identity::{NodeId, SignError};
use nuncio_protocol::{
    MAX_BODY, Topic,
    amop::{Destination, Multicast, Post, PublishSeq, SealedPost, TenantId},
};

use crate::{
    DecodeError, SigningContext,
    field::{decode_hops, decode_node, decode_signature, encode_clock, encode_millis, encode_node, encode_signature},
    header::{bounded, decode_priority, encode_priority},
    keyring::{self, OpenError},
    length_prefixed,
    proto::{self, BridgeHeader, bridge_header},
    signing::Statement,
};

/// Most destinations one multicast frame names; a longer list is sent in several frames.
pub const MAX_DESTINATIONS: usize = 384;

/// Bytes of a content key, the same sealed, of a publisher's seq, and of who he is, sealed.
const KEY: usize = 32;
const SEALED_KEY: usize = KEY + keyring::OVERHEAD;
const SEQ: usize = 32;
const SEALED_TENANT: usize = size_of::<u64>() + 16;

/// The content's nonce and that of who published it: each key seals both once.
const CONTENT: [u8; 12] = [0; 12];
const TENANT: [u8; 12] = [1; 12];

pub(super) fn encode(
    multicast: Multicast,
    peer: NodeId,
    context: &SigningContext,
    out: &mut BytesMut,
) -> Option<Bytes> {
    let me = context.node();
    let inner = match (&multicast.sealed, &multicast.post) {
        (Some(sealed), _) => sealed_part(&multicast.destinations, sealed),
        (None, Some(post)) if multicast.source == me && !is_to_be_sealed(&multicast, peer) => {
            let destinations = vec![proto::Destination { node: node_bytes(peer), key: Bytes::new() }];
            let (seq, topic) = (Bytes::copy_from_slice(&post.seq.0), post.topic.as_str().to_owned());
            let tenant = post.tenant.map_or_else(Bytes::new, |tenant| Bytes::copy_from_slice(&tenant.0.to_be_bytes()));
            (proto::Multicast { destinations, seq, topic, signature: Bytes::new(), tenant }, post.data.clone())
        }
        (None, Some(post)) if multicast.source == me => {
            let (destinations, sealed) = seal_for_each(&multicast, post, secret()?, context).ok()??;
            sealed_part(&destinations, &sealed)
        }
        _ => return None,
    };
    let (inner, body) = inner;
    let fields = BridgeHeader {
        number: multicast.number,
        source_epoch: multicast.epoch,
        hops_left: multicast.hops_left.into(),
        source: encode_node(multicast.source, me),
        sent_ms: encode_clock(multicast.sent),
        lifetime_ms: encode_millis(multicast.lifetime),
        priority: encode_priority(multicast.priority),
        content: Some(bridge_header::Content::Multicast(inner)),
        ..BridgeHeader::default()
    };
    length_prefixed::encode(&fields, body.len(), out);
    Some(body)
}

pub(super) fn decode(
    fields: &BridgeHeader,
    inner: &proto::Multicast,
    body: Bytes,
    peer: NodeId,
    context: &SigningContext,
) -> Result<Multicast, DecodeError> {
    let me = context.node();
    let count = inner.destinations.len();
    if count > MAX_DESTINATIONS {
        return Err(DecodeError::TooMany { what: "destinations", count, limit: MAX_DESTINATIONS });
    }
    let mut named = HashSet::with_capacity(count);
    // Each costs whoever passes it on a copy; and nobody has signed them, so a relay is not to blame for one that comes twice.
    let once = inner.destinations.iter().filter(|destination| named.insert(&destination.node));
    let destinations = once.map(|destination| {
        // It is passed on as it is, so the headers we make are bounded by what we take.
        if destination.key.len() > SEALED_KEY {
            return Err(DecodeError::Field { field: "key" });
        }
        Ok(Destination { node: NodeId::from_bytes(&destination.node)?, key: destination.key.clone() })
    });
    let mut multicast = Multicast {
        source: decode_node(&fields.source, peer)?,
        epoch: fields.source_epoch,
        number: fields.number,
        sent: Duration::from_millis(fields.sent_ms),
        lifetime: Duration::from_millis(fields.lifetime_ms.into()),
        hops_left: decode_hops(fields.hops_left),
        priority: decode_priority(fields.priority()),
        destinations: destinations.collect::<Result<_, DecodeError>>()?,
        post: None,
        sealed: None,
    };
    let Some(signature) = decode_signature(&inner.signature)? else {
        let is_ours_alone = matches!(&multicast.destinations[..], [destination] if destination.node == me);
        if multicast.source != peer || !is_ours_alone {
            return Err(DecodeError::Signature { node: multicast.source });
        }
        bounded(&body, MAX_BODY, false)?;
        let seq = inner.seq.as_ref().try_into().map_err(|_| DecodeError::Field { field: "seq" })?;
        let (seq, topic, tenant) = (PublishSeq(seq), Topic::new(&inner.topic)?, decode_tenant(&inner.tenant));
        multicast.post = Some(Post { seq, topic, tenant, data: body });
        return Ok(multicast);
    };
    bounded(&body, MAX_BODY, true)?;
    context.verify(multicast.source, &statement(&multicast, &body), &signature)?;
    // It is passed on as it is, as the keys are.
    if inner.tenant.len() > SEALED_TENANT {
        return Err(DecodeError::Field { field: "tenant" });
    }
    multicast.sealed = Some(SealedPost { bytes: body, tenant: inner.tenant.clone(), signature });
    open_multicast(multicast, context)
}

/// Opens a multicast that is for this node among others; gives back the same where it is not, and where its source's key
/// is not known yet.
///
/// # Errors
/// When the seal does not hold, or what is in it makes no sense.
pub fn open_multicast(mut multicast: Multicast, context: &SigningContext) -> Result<Multicast, DecodeError> {
    let (node, epoch) = (multicast.source, multicast.epoch);
    let ours = multicast.destinations.iter().find(|destination| destination.node == context.node());
    let (Some(destination), Some(sealed)) = (ours, &multicast.sealed) else { return Ok(multicast) };
    let associated = associated(&multicast);
    let key = match context.keyring().open((node, epoch), &associated, &destination.key) {
        Ok(key) => key,
        Err(OpenError::NoKey) => return Ok(multicast),
        Err(OpenError::Forged) => return Err(DecodeError::Seal { node }),
    };
    let forged = || DecodeError::Seal { node };
    let key = content_key(&key).ok_or_else(forged)?;
    let mut plain = BytesMut::from(&sealed.bytes[..]);
    let opened = key.open_in_place(Nonce::assume_unique_for_key(CONTENT), Aad::from(&associated), &mut plain);
    let length = opened.map_err(|_| forged())?.len();
    plain.truncate(length);
    let tenant = open_tenant(&key, &associated, &sealed.tenant);
    multicast.post = Some(decode_post(plain.freeze(), tenant).map_err(|error| error.sealed_by(node))?);
    Ok(multicast)
}

/// Seals and signs a multicast of ours that will be relayed, as [`encode_frame`](super::encode_frame) does for what comes
/// without; `None` when the key of none of its destinations is known.
///
/// # Errors
/// When the node's key does not sign now.
pub fn seal_multicast(multicast: Multicast, context: &SigningContext) -> Result<Option<Multicast>, SignError> {
    let (Some(post), Some(secret)) = (&multicast.post, secret()) else { return Ok(None) };
    let sealed = seal_for_each(&multicast, post, secret, context)?;
    Ok(sealed.map(|(destinations, sealed)| Multicast { destinations, sealed: Some(sealed), ..multicast }))
}

/// Whether a multicast of this node for its peer has to be sealed and signed before it is sent.
pub fn is_to_be_sealed(multicast: &Multicast, peer: NodeId) -> bool {
    let is_for_peer = matches!(&multicast.destinations[..], [destination] if destination.node == peer);
    multicast.sealed.is_none() && !is_for_peer
}

fn secret() -> Option<[u8; KEY]> {
    let mut secret = [0; KEY];
    rand::fill(&mut secret).ok()?;
    Some(secret)
}

/// Seals for every destination whose key is known, under a secret of this multicast alone; the others are left out.
pub(crate) fn seal_for_each(
    multicast: &Multicast,
    post: &Post,
    secret: [u8; KEY],
    context: &SigningContext,
) -> Result<Option<(Vec<Destination>, SealedPost)>, SignError> {
    let Some((destinations, [bytes, tenant])) = sealed_for_each(multicast, post, secret, context) else {
        return Ok(None);
    };
    let signature = context.sign(&statement(multicast, &bytes))?;
    Ok(Some((destinations, SealedPost { bytes, tenant, signature })))
}

fn sealed_for_each(
    multicast: &Multicast,
    post: &Post,
    secret: [u8; KEY],
    context: &SigningContext,
) -> Option<(Vec<Destination>, [Bytes; 2])> {
    let associated = associated(multicast);
    let seal_for = |destination: &Destination| {
        let mut plain = keyring::buffer(KEY);
        plain.extend_from_slice(&secret);
        let epoch = context.keyring().epoch_of(&destination.node)?;
        let key = context.keyring().seal((destination.node, epoch), &associated, plain)?;
        Some(Destination { node: destination.node, key })
    };
    let destinations: Vec<_> = multicast.destinations.iter().filter_map(seal_for).collect();
    if destinations.is_empty() {
        return None;
    }
    let topic = post.topic.as_str().as_bytes();
    let mut bytes = BytesMut::with_capacity(SEQ + 1 + topic.len() + post.data.len() + AES_256_GCM.tag_len());
    bytes.put_slice(&post.seq.0);
    bytes.put_u8(u8::try_from(topic.len()).ok()?);
    bytes.put_slice(topic);
    bytes.put_slice(&post.data);
    let key = content_key(&secret)?;
    let nonce = Nonce::assume_unique_for_key(CONTENT);
    key.seal_in_place_append_tag(nonce, Aad::from(&associated), &mut bytes).ok()?;
    let tenant = match post.tenant {
        Some(tenant) => seal_tenant(&key, &associated, tenant)?,
        None => Bytes::new(),
    };
    Some((destinations, [bytes.freeze(), tenant]))
}

/// Relays are to know no more of who published it than of what it says.
fn seal_tenant(key: &LessSafeKey, associated: &[u8], tenant: TenantId) -> Option<Bytes> {
    let mut sealed = tenant.0.to_be_bytes().to_vec();
    let nonce = Nonce::assume_unique_for_key(TENANT);
    key.seal_in_place_append_tag(nonce, Aad::from(associated), &mut sealed).ok()?;
    Some(sealed.into())
}

/// The source has not signed it: a relay that changes it has nobody named, but one that is a destination itself, and so has the key, can
/// name another client of the source.
fn open_tenant(key: &LessSafeKey, associated: &[u8], sealed: &[u8]) -> Option<TenantId> {
    let (mut plain, nonce) = (sealed.to_vec(), Nonce::assume_unique_for_key(TENANT));
    decode_tenant(key.open_in_place(nonce, Aad::from(associated), &mut plain).ok()?)
}

fn decode_tenant(bytes: &[u8]) -> Option<TenantId> {
    bytes.try_into().ok().map(|bytes| TenantId(u64::from_be_bytes(bytes)))
}

fn sealed_part(destinations: &[Destination], sealed: &SealedPost) -> (proto::Multicast, Bytes) {
    let destination = |destination: &Destination| proto::Destination {
        node: node_bytes(destination.node),
        key: destination.key.clone(),
    };
    let inner = proto::Multicast {
        destinations: destinations.iter().map(destination).collect(),
        seq: Bytes::new(),
        topic: String::new(),
        signature: encode_signature(Some(sealed.signature)),
        tenant: sealed.tenant.clone(),
    };
    (inner, sealed.bytes.clone())
}

fn decode_post(mut plain: Bytes, tenant: Option<TenantId>) -> Result<Post, DecodeError> {
    let cut = || DecodeError::Field { field: "sealed post" };
    if plain.len() < SEQ + 1 {
        return Err(cut());
    }
    let mut seq = [0; SEQ];
    plain.copy_to_slice(&mut seq);
    let length = usize::from(plain.get_u8());
    if plain.len() < length {
        return Err(cut());
    }
    let topic = plain.split_to(length);
    let topic = Topic::new(std::str::from_utf8(&topic).map_err(|_| cut())?)?;
    bounded(&plain, MAX_BODY, false)?;
    Ok(Post { seq: PublishSeq(seq), topic, tenant, data: plain })
}

fn content_key(secret: &[u8]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, secret).ok().map(LessSafeKey::new)
}

/// All that must not change on the way: not hops, and not the destinations, which every relay divides.
fn associated(multicast: &Multicast) -> Vec<u8> {
    let mut fields = Vec::with_capacity(NodeId::LENGTH + 48);
    fields.extend_from_slice(b"multicast");
    fields.extend_from_slice(multicast.source.as_bytes());
    fields.put_u64(multicast.epoch);
    fields.put_u64(multicast.number);
    fields.put_u64(encode_clock(multicast.sent));
    fields.put_u32(encode_millis(multicast.lifetime));
    fields
}

fn statement<'a>(multicast: &Multicast, sealed: &'a [u8]) -> Statement<'a> {
    Statement { kind: "amop multicast", fields: associated(multicast), body: sealed }
}

fn node_bytes(node: NodeId) -> Bytes {
    Bytes::copy_from_slice(node.as_bytes())
}
