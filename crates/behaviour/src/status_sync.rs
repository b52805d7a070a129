//! Status queries over request-response.

use std::{collections::BTreeMap, io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{
    StreamProtocol,
    request_response::{self, InboundRequestId, ResponseChannel},
};
use nuncio_identity::NodeId;
use nuncio_protocol::{
    Strike,
    status_sync::{Equivocation, PageDigest, QueryId, Record},
};
use nuncio_wire::{DecodeError, SigningContext, status};

use crate::access::Certifier;

/// How far ahead of the bytes received a buffer grows.
const STEP: usize = 64 << 10;

/// Queries that may wait for the core's answer at once; further ones get none.
const MAX_OPEN: usize = 256;

/// Length as four bytes, big-endian, then an encoded query or answer.
#[derive(Debug, Clone, Copy)]
pub struct StatusCodec;

impl request_response::Codec for StatusCodec {
    type Protocol = StreamProtocol;
    type Request = Bytes;
    type Response = Bytes;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Bytes> {
        read(io, status::MAX_QUERY).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
    ) -> io::Result<Bytes> {
        read(io, status::MAX_ANSWER).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        request: Bytes,
    ) -> io::Result<()> {
        write(io, &request).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        response: Bytes,
    ) -> io::Result<()> {
        write(io, &response).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, limit: usize) -> io::Result<Bytes> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{length} bytes are over the limit of {limit}"),
        ));
    }
    let mut bytes = BytesMut::new();
    while bytes.len() < length {
        let start = bytes.len();
        bytes.resize(length.min(start + STEP), 0);
        io.read_exact(&mut bytes[start..]).await?;
    }
    Ok(bytes.freeze())
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(&(bytes.len() as u32).to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.close().await
}

/// Queries of peers that the core has not answered yet.
#[derive(Debug, Default)]
pub(crate) struct OpenQueries {
    next: u64,
    open: BTreeMap<QueryId, OpenQuery>,
}

/// A peer's query.
#[derive(Debug)]
pub(crate) struct OpenQuery {
    pub(crate) channel: ResponseChannel<Bytes>,
    pub(crate) name: InboundRequestId,
    pub(crate) peer: NodeId,
    /// The pages that the peer says it holds already.
    pub(crate) held: Vec<PageDigest>,
}

impl OpenQueries {
    pub(crate) fn open(&mut self, query: OpenQuery) -> Option<QueryId> {
        if self.open.len() >= MAX_OPEN {
            return None;
        }
        self.next += 1;
        let id = QueryId(self.next);
        self.open.insert(id, query);
        Some(id)
    }

    pub(crate) fn close(&mut self, query: QueryId) -> Option<OpenQuery> {
        self.open.remove(&query)
    }
}

/// Why a record of an answer is not taken.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Its node, where the record is well signed: another node may well take it.
    pub(crate) node: Option<NodeId>,
    /// In words.
    pub(crate) reason: String,
    /// What the peer that brought it did wrong. That our policy refuses a certificate is not its fault.
    pub(crate) strike: Option<Strike>,
    /// Of whom it is, as it says, when pages were left out, which this node may hold.
    pub(crate) left_out: Option<Box<NodeId>>,
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        let strike = match error {
            DecodeError::Signature { .. } | DecodeError::ForeignChain { .. } => Some(Strike::Forged),
            DecodeError::TooLarge { .. } | DecodeError::TooMany { .. } => Some(Strike::Restless),
            // What this node held when it asked, and holds no more, was left out for good reason.
            DecodeError::PagesLeftOut { .. } => None,
            _ => Some(Strike::Malformed),
        };
        let left_out = if let DecodeError::PagesLeftOut { node } = error { Some(node.into()) } else { None };
        Self { node: None, reason: error.to_string(), strike, left_out }
    }
}

/// Reads a record of an answer and proves it: the owner's signature, and its membership.
///
/// # Errors
/// What does not hold.
pub(crate) fn prove(bytes: Bytes, context: &SigningContext, certifier: &dyn Certifier) -> Result<Arc<Record>, Refused> {
    let (mut record, chain) = status::decode_record(bytes, context)?;
    let node = record.status.node;
    let refused = |reason, strike| Refused { node: Some(node), reason, strike, left_out: None };
    let member = certifier
        .certify(node, &chain)
        .map_err(|reason| refused(format!("the certificate of {} does not hold: {reason}", node.short()), None))?;
    if member.name != record.status.name || member.agency != record.status.agency {
        let reason = format!("{} calls itself other than its certificate does", node.short());
        return Err(refused(reason, Some(Strike::Forged)));
    }
    if member.agency_path.len() > nuncio_rights::MAX_AGENCY {
        return Err(refused(format!("the names of the agencies of {} are too long", node.short()), None));
    }
    record.agency_path = (member.agency_path != member.agency).then(|| member.agency_path.into());
    Ok(Arc::new(record))
}

/// Whether the certificate behind a record that was proved is refused now. Its signature holds as it did.
pub(crate) fn is_refused(record: &Record, certifier: &dyn Certifier) -> bool {
    let chain = status::chain_of(record.bytes.clone());
    chain.map_or(true, |chain| certifier.certify(record.status.node, &chain).is_err())
}

/// Reads two records that should contradict each other, and proves them. That their node is a member is asked of one of
/// them only: the other may carry a certificate that has ended since. Nobody leaves pages out of these.
///
/// # Errors
/// What does not hold.
pub(crate) fn prove_equivocation(
    [first, second]: [Bytes; 2],
    context: &SigningContext,
    certifier: &dyn Certifier,
) -> Result<Equivocation, Refused> {
    let is_whole = |refused: Refused| match refused.left_out {
        Some(_) => Refused { strike: Some(Strike::Malformed), ..refused },
        None => refused,
    };
    let first = prove(first, context, certifier).map_err(is_whole)?;
    let second = status::decode_record(second, context).map_err(|error| is_whole(error.into()));
    let (node, (second, _)) = (first.status.node, second?);
    Equivocation::of(first, Arc::new(second)).ok_or_else(|| {
        let reason = "the records do not contradict each other".to_owned();
        Refused { node: Some(node), reason, strike: Some(Strike::Forged), left_out: None }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use nuncio_identity::NodeKey;
    use nuncio_protocol::{Output, Overlay, Start, StatusInput, Topic, status_sync::Status};

    use super::*;
    use crate::access::Member;

    struct Nobody;

    impl Certifier for Nobody {
        fn certify(&self, _: NodeId, _: &[Bytes]) -> Result<Member, String> {
            Err("it is revoked here".into())
        }
    }

    /// A status of so many topics that they travel on pages.
    fn long_status(context: &SigningContext) -> Status {
        let (now, text) = (Instant::now(), String::new);
        let (node, sealing_key) = (context.node(), context.keyring().public());
        let start = Start {
            node,
            name: text(),
            agency: text(),
            software: text(),
            epoch: 1,
            issues: false,
            sealing_key,
            seed: 0,
        };
        let mut overlay = Overlay::new(nuncio_protocol::Config::default(), start, now);
        let topics = (0..500).map(|number| Topic::new(&format!("topic {number}")).unwrap()).collect();
        overlay.handle_input(StatusInput::MulticastTopics { topics }, now);
        let mut last = None;
        for second in 0..5 {
            overlay.handle_timeout(now + Duration::from_secs(second));
            while let Some(output) = overlay.poll_output() {
                if let Output::Sign { status } = output {
                    let record = Arc::new(status::sign_record(status.clone(), &[], context).unwrap());
                    overlay.handle_input(StatusInput::Signed { record }, now + Duration::from_secs(second));
                    last = Some(status);
                }
            }
        }
        last.unwrap()
    }

    #[test]
    fn who_brings_a_bad_record_is_to_blame_only_for_what_it_could_see() {
        let key = NodeKey::generate();
        let (context, foreign) = (SigningContext::new(key.clone(), "test"), SigningContext::new(key, "elsewhere"));
        let strike = |bytes: Bytes| prove(bytes, &context, &Nobody).unwrap_err().strike;
        let status = long_status(&context);
        let record = Arc::new(status::sign_record(status.clone(), &[], &context).unwrap());
        assert!(!record.pages.is_empty(), "it has pages");
        assert_eq!(strike(record.bytes.clone()), None, "another node may take its certificate");
        let held = record.pages.iter().copied().collect();
        let answer = status::encode_answer(&[record], &held, &[], false).into();
        let without_pages = status::decode_answer(answer).unwrap().records.remove(0);
        assert_eq!(strike(without_pages.clone()), None, "we said that we hold its pages");
        let with_one_more = [&without_pages[..], &without_pages[without_pages.len() - 2..]].concat();
        assert_eq!(strike(with_one_more.into()), Some(Strike::Malformed), "it never had so many");
        let proof = [without_pages.clone(), without_pages].map(Bytes::from);
        let refused = prove_equivocation(proof, &context, &Nobody).unwrap_err();
        assert_eq!(refused.strike, Some(Strike::Malformed), "proofs are whole");
        assert_eq!(strike(status::sign_record(status.clone(), &[], &foreign).unwrap().bytes), Some(Strike::Forged));
        let mut sent = status::sign_record(status, &[Bytes::from_static(b"a leaf")], &context).unwrap().bytes.to_vec();
        let leaf = sent.windows(6).position(|bytes| bytes == b"a leaf").unwrap();
        sent[leaf] = b'A';
        assert_eq!(strike(sent.into()), Some(Strike::Forged), "it has other certificates than its owner sent");
        assert_eq!(strike(Bytes::from_static(b"no record")), Some(Strike::Malformed));
        assert_eq!(strike(vec![0; nuncio_protocol::MAX_STATUS + 1].into()), Some(Strike::Restless));
    }
}
