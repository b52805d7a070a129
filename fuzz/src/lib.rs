//! What is tried with every input: no decoder panics, hangs or allocates by what the input says, and what was read is
//! written and read back as it was.
//!
//! Each function is the body of the fuzz target of the same name. `bin/xtask/tests/fuzz_corpus.rs` runs them all over
//! the committed corpus, without a fuzzer.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use nuncio_audit::Verifier;
use nuncio_channel_client::file_message::{Chunk, Offer, Receipt, Reply, Seal};
use nuncio_channel_protocol::{
    AmopBody, BlockNotification, FrameCodec, HandshakeAnswer, HandshakeRequest, ProtocolVersion, Subscription,
    TopicVerdict, TopicVerification, heartbeat,
};
use nuncio_identity::{NodeId, NodeKey};
use nuncio_pki::{Certificate, CertificateRequest, JoinToken, KeyFile, RevocationFile, RevocationList};
use nuncio_protocol::trace::TraceParent;
use nuncio_wire::{
    SigningContext, amop, announcement,
    length_prefixed::{self, Frame},
    multicast, service, status, trace, unicast,
    verdict::Verdict,
};
use tokio_util::codec::Decoder;

/// The network of the corpus.
pub const NETWORK: &str = "fuzz";

/// The epoch that every party is in.
pub const EPOCH: u64 = 7;

/// The node that reads, which has no key to open with, and the peer that sent: fixed keys, so that the corpus stays valid.
pub static READER: LazyLock<SigningContext> = LazyLock::new(|| party(1).1);
static SENDER: LazyLock<NodeId> = LazyLock::new(|| party(2).0);

/// A target and a source of which the target has the key to open with, whatever they are: they are new in every run, so
/// nothing in the corpus opens, but everything in it that is sealed is tried.
static OPENER: LazyLock<SigningContext> = LazyLock::new(|| {
    let ((source, sealing), (_, context)) = (party(3), party(1));
    context.keyring().learn(source, EPOCH, &sealing.keyring().public());
    context
});

/// Party number `number` of the corpus, with its key.
///
/// # Panics
/// Never for the numbers 1 to 255.
pub fn party(number: u8) -> (NodeId, SigningContext) {
    let mut secret = [0; 32];
    secret[31] = number;
    let key = NodeKey::from_secret_bytes(&secret).expect("a small number is a key");
    let (node, context) = (key.node_id(), SigningContext::new(key, NETWORK));
    context.keyring().begin(EPOCH);
    (node, context)
}

/// The frames of the streams of a link.
pub fn link_streams(data: &[u8]) {
    let _ = nuncio_transport::hear(data);
}

/// The body of a report of a hop, and a trace context as text and as bytes.
pub fn trace_report(data: &[u8]) {
    if let Ok(read) = trace::decode_report(Bytes::copy_from_slice(data), *SENDER, READER.node()) {
        let _ = trace::check(&read, &READER);
        let again = trace::decode_report(trace::encode_report(&read), *SENDER, READER.node());
        assert_eq!(again.expect("what was read is written well"), read);
    }
    let text = std::str::from_utf8(data).ok().and_then(|text| text.parse::<TraceParent>().ok());
    for parent in [text, TraceParent::from_bytes(data)].into_iter().flatten() {
        assert_eq!(parent.to_string().parse(), Ok(parent));
        assert_eq!(TraceParent::from_bytes(&parent.to_bytes()), Some(parent));
    }
}

/// A web client's message, as text and as binary.
pub fn web_frame(data: &[u8]) {
    for is_text in [true, false] {
        nuncio_web::is_frame(Bytes::copy_from_slice(data), is_text);
    }
}

/// Frames of the channel port, however they are cut.
pub fn channel_frame(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else { return };
    let (first, rest) = data.split_at(data.len().min(cut.into()));
    let mut received = BytesMut::from(first);
    let mut codec = FrameCodec::default();
    let mut added = false;
    loop {
        match codec.decode(&mut received) {
            Ok(Some(frame)) => {
                let bytes = frame.to_bytes();
                let again = FrameCodec::default().decode(&mut BytesMut::from(&bytes[..]));
                assert_eq!(again.expect("what was read is written well"), Some(frame));
            }
            Ok(None) if added => {
                let _ = codec.decode_eof(&mut received);
                return;
            }
            Ok(None) => {
                received.extend_from_slice(rest);
                added = true;
            }
            Err(_) => return,
        }
    }
}

/// The body of AMOP frames.
pub fn amop_body(data: &[u8]) {
    if let Ok(body) = AmopBody::unpack(Bytes::copy_from_slice(data)) {
        assert_eq!(AmopBody::unpack(body.pack()).expect("what was read is written well"), body);
    }
}

/// The JSON bodies of the channel port: handshake both ways, subscription, verification of a topic and its verdict, block
/// notification, heartbeat.
pub fn channel_json(data: &[u8]) {
    let _ = HandshakeRequest::decode(data).map(|request| request.negotiate());
    let _ = HandshakeAnswer::decode(data);
    if let Ok(subscription) = Subscription::decode(data, 4096) {
        let again = Subscription::decode(&subscription.encode(), 4096).expect("what was read is written well");
        assert_eq!(again, subscription);
    }
    if let Ok(verification) = TopicVerification::decode(data) {
        let again = TopicVerification::decode(&verification.encode()).expect("what was read is written well");
        assert_eq!(again, verification);
    }
    if let Ok(verdict) = TopicVerdict::decode(data) {
        assert_eq!(TopicVerdict::decode(&verdict.encode()).expect("what was read is written well"), verdict);
    }
    let _ = BlockNotification::decode(Bytes::copy_from_slice(data));
    for version in [ProtocolVersion::V1, ProtocolVersion::V2, ProtocolVersion::V3] {
        let _ = heartbeat::answer(version, data);
    }
}

/// The key that the corpus's chunks are sealed with: no secret.
pub const FILE_KEY: [u8; 32] = [7; 32];

/// Messages of file transfers: offers and what is said to them, and sealed chunks and receipts.
pub fn file_message(data: &[u8]) {
    if let Ok(offer) = Offer::decode(data) {
        assert_eq!(Offer::decode(&offer.encode()).expect("what was read is written well"), offer);
    }
    if let Ok(reply) = Reply::decode(data) {
        assert_eq!(Reply::decode(&reply.encode()).expect("what was read is written well"), reply);
    }
    let opened = Seal::new(FILE_KEY).open(b"", data);
    for message in [Some(data.to_vec()), opened.ok().map(|(_, message)| message)].into_iter().flatten() {
        if let Ok(receipt) = Receipt::decode(&message) {
            assert_eq!(Receipt::decode(&receipt.encode()).expect("what was read is written well"), receipt);
        }
        if let Ok(chunk) = Chunk::decode(&message) {
            assert_eq!(chunk.encode(), message);
            assert!(chunk.end() >= chunk.offset);
        }
    }
}

/// Frames of the unicast stream: cut by length, then read.
pub fn unicast_frame(data: &[u8]) {
    for_each_frame(data, |header, body| {
        let _ = unicast::decode_frame(header.clone(), body.clone(), *SENDER, &OPENER);
        let Ok(frame) = unicast::decode_frame(header, body, *SENDER, &READER) else { return };
        let mut again = BytesMut::new();
        // As the sender said it, and passed on to it as from here.
        let own = unicast::encode_frame(frame.clone(), *SENDER, &READER, &mut again);
        again.extend_from_slice(&own.expect("nothing of another's is sealed"));
        if let unicast::Frame::Message(message) = &frame {
            assert_eq!(unicast::open(message.clone(), &READER).as_ref(), Ok(message), "there is no key");
        }
        assert!(matches!(length_prefixed::decode(&mut again), Ok(Some(Frame::Message { .. }))));
    });
}

/// Frames of the bridge stream: cut by length, then read.
pub fn bridge_frame(data: &[u8]) {
    for_each_frame(data, |header, body| {
        let _ = amop::decode_frame(header.clone(), body.clone(), *SENDER, &OPENER);
        let Ok(frame) = amop::decode_frame(header, body, *SENDER, &READER) else { return };
        let mut again = BytesMut::new();
        let Some(body) = amop::encode_frame(frame, *SENDER, &READER, &mut again) else { return };
        again.extend_from_slice(&body);
        assert!(matches!(length_prefixed::decode(&mut again), Ok(Some(Frame::Message { .. }))));
    });
}

/// Files of an audit log, which whoever writes them may have changed.
pub fn audit_log(data: &[u8]) {
    let mut verifier = Verifier::new(None);
    if verifier.file("log", &mut &*data).is_ok() {
        let _ = verifier.finish();
    }
}

/// Announcements of versions.
pub fn announcement(data: &[u8]) {
    let _ = announcement::decode(data).map(|read| read.check(&READER));
}

/// Records, queries and answers of status sync.
pub fn status(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = status::decode_record(bytes.clone(), &READER);
    if let Ok(answer) = status::decode_revocations_answer(bytes.clone()) {
        let again = status::encode_revocations_answer(&answer.lists, &answer.agencies);
        assert!(status::decode_revocations_answer(again.into()).is_ok(), "what was read is written well");
    }
    if let Ok((query, held)) = status::decode_query(bytes.clone()) {
        let written = status::encode_query(&query, held.iter().copied());
        let again = status::decode_query(written.into()).expect("what was read is written well");
        assert_eq!(again, (query, held));
    }
    if let Ok(answer) = status::decode_answer(bytes) {
        for record in answer.records.into_iter().chain(answer.proofs.into_iter().flatten()) {
            let _ = status::complete(record.clone(), |_| None);
            let _ = status::decode_record(record, &READER);
        }
    }
}

/// What nodes ask each other themselves, and the certificate request in it.
pub fn service(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let _ = CertificateRequest::from_der(data);
    if let Ok(request) = service::Request::decode(bytes.clone()) {
        if let service::Request::Renewal { request, .. } = &request {
            let _ = CertificateRequest::from_der(request).map(|read| (read.subject(), read.has_attributes()));
        }
        assert_eq!(service::Request::decode(request.encode()).expect("what was read is written well"), request);
    }
    if let Ok(answer) = service::Answer::decode(bytes) {
        assert_eq!(service::Answer::decode(answer.encode()).expect("what was read is written well"), answer);
    }
}

/// What a newcomer says first on the enrolment port, and the certificate request in it.
pub fn enrolment(data: &[u8]) {
    if let Ok(enrolment) = service::Enrolment::decode(Bytes::copy_from_slice(data)) {
        let _ = CertificateRequest::from_der(&enrolment.request).map(|read| (read.common_name(), read.node_id()));
        assert_eq!(service::Enrolment::decode(enrolment.encode()).expect("what was read is written well"), enrolment);
    }
}

/// Join tokens, as they were copied from somewhere.
pub fn join_token(data: &[u8]) {
    let parsed = str::from_utf8(data).ok().and_then(|text| JoinToken::parse(text).ok());
    // The check at the end would keep a fuzzer from what stands before it.
    for token in parsed.into_iter().chain(JoinToken::from_content(data)) {
        assert_eq!(JoinToken::parse(&token.to_text()).as_ref(), Ok(&token));
    }
}

/// Multicast and broadcast.
pub fn gossip(data: &[u8]) {
    for topic in [multicast::BROADCAST, "nuncio/topic/t1"] {
        let _ = multicast::decode(Bytes::copy_from_slice(data)).map(|read| read.check(topic, &READER));
    }
    if let Ok(name) = str::from_utf8(data) {
        let _ = multicast::topic_of(name);
    }
}

/// The first message after the TLS handshake.
pub fn verdict(data: &[u8]) {
    if let Ok(verdict) = Verdict::decode(data) {
        let again = Verdict::decode(&verdict.encode()[2..]).expect("what was read is written well");
        assert_eq!((again.max_body, again.protocol), (verdict.max_body, verdict.protocol));
    }
}

/// Certificates and revocation lists.
pub fn certificate_pem(data: &[u8]) {
    let _ = RevocationList::from_der(data);
    let _ = RevocationFile::parse(data);
    let _ = Certificate::from_der(data.to_vec().into()).map(|certificate| describe(&certificate));
    let _ = RevocationList::from_pem_bundle(data);
    for certificate in Certificate::from_pem_bundle(data).unwrap_or_default() {
        describe(&certificate);
        let again = Certificate::from_pem_bundle(certificate.to_pem()).expect("what was read is written well");
        assert_eq!(again.len(), 1);
    }
}

/// Keys of nodes, PKCS#8 and SEC1, in PEM and DER.
pub fn node_key_pem(data: &[u8]) {
    let read = |data: &[u8]| KeyFile::read(data).and_then(KeyFile::into_node_key);
    if let Ok(key) = read(data) {
        let again = read(key.to_pem().as_bytes()).expect("what was read is written well");
        assert_eq!(again.node_id(), key.node_id());
    }
}

fn for_each_frame(data: &[u8], mut read: impl FnMut(Bytes, Bytes)) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = length_prefixed::decode(&mut buffer) {
        if let Frame::Message { header, body } = frame {
            read(header, body);
        }
    }
}

fn describe(certificate: &Certificate) {
    let _ = (certificate.node_id(), certificate.subject(), certificate.issuer(), certificate.common_name());
    let _ = (certificate.not_before(), certificate.not_after(), certificate.serial(), certificate.fingerprint());
    let _ = (certificate.is_v1(), certificate.is_ca(), certificate.key_kind());
}

/// A key file as OpenSSL writes it, for the secret number `number`: a key that is no secret.
pub fn key_pem(number: u8) -> String {
    // SEQUENCE { INTEGER 1, OCTET STRING (32 bytes), [0] OID secp256k1 }
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend([0; 31]);
    der.push(number);
    der.extend([0xa0, 0x07, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a]);
    format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", base64(&der))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain(&[0; 2]).take(3).fold(0_u32, |group, &byte| group << 8 | u32::from(byte));
        for place in 0..4 {
            let digit = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    text
}
