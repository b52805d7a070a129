//! Traces: what a traced request carries, and what its hops report of it.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, SignError};
use nuncio_protocol::trace::{Fate, MAX_REPORT, Report, Signed, Trace, TraceId, TraceParent};
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    field::{decode_node, decode_signature, encode_node},
    proto,
    signing::Statement,
};

/// Signs a report of this node.
///
/// # Errors
/// When the node's key does not sign now.
pub fn sign(report: Report, context: &SigningContext) -> Result<Signed, SignError> {
    let bytes = Bytes::from(encode(&report).encode_to_vec());
    let signature = context.sign(&statement(&report.origin, &bytes))?;
    Ok(Signed { report, bytes, signature })
}

/// Checks that a report is its hop's.
///
/// # Errors
/// When the signature does not hold.
pub fn check(signed: &Signed, context: &SigningContext) -> Result<(), DecodeError> {
    let Signed { report, bytes, signature } = signed;
    context.verify(report.hop, &statement(&report.origin, bytes), signature)
}

/// The body of a report.
pub fn encode_report(signed: &Signed) -> Bytes {
    let signature = Bytes::copy_from_slice(signed.signature.as_bytes());
    proto::SignedReport { report: signed.bytes.clone(), signature }.encode_to_vec().into()
}

/// Reads the body of the report of `hop` on a message of `origin`. The signature is not checked.
///
/// # Errors
/// When it is none, or too long.
pub fn decode_report(body: Bytes, hop: NodeId, origin: NodeId) -> Result<Signed, DecodeError> {
    if body.len() > MAX_REPORT {
        return Err(DecodeError::TooLarge { what: "report", bytes: body.len(), limit: MAX_REPORT });
    }
    let wrong = |source| DecodeError::Protobuf { message: "report", source };
    let proto::SignedReport { report: bytes, signature } = proto::SignedReport::decode(body).map_err(wrong)?;
    let signature = decode_signature(&signature)?.ok_or(DecodeError::Field { field: "signature" })?;
    let fields = proto::Report::decode(bytes.clone()).map_err(wrong)?;
    let fate = match fields.fate() {
        proto::Fate::Sent => Fate::Sent { to: NodeId::from_bytes(&fields.to)? },
        proto::Fate::Delivered => Fate::Delivered,
        proto::Fate::Unspecified => Fate::Refused,
    };
    let id = TraceId::from_bytes(&fields.trace).ok_or(DecodeError::Field { field: "trace" })?;
    let [took, queued, done] = [fields.took_ns, fields.queued_ns, fields.done_ns].map(Duration::from_nanos);
    let from = decode_node(&fields.from, origin)?;
    Ok(Signed { report: Report { id, origin, hop, from, took, queued, done, fate }, bytes, signature })
}

/// The two fields of a request.
pub(crate) fn encode_trace(trace: &Trace) -> (Bytes, Bytes) {
    let id = trace.id.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(id.as_bytes()));
    let parent = trace.parent.map_or_else(Bytes::new, |parent| Bytes::copy_from_slice(&parent.to_bytes()));
    (id, parent)
}

/// Reads them; what does not ask has none.
pub(crate) fn decode_trace(asks: bool, id: &[u8], parent: &[u8]) -> Result<Trace, DecodeError> {
    if !asks || (id.is_empty() && parent.is_empty()) {
        return Ok(Trace::default());
    }
    let read_id = || TraceId::from_bytes(id).ok_or(DecodeError::Field { field: "trace" });
    let read_parent = || TraceParent::from_bytes(parent).ok_or(DecodeError::Field { field: "trace_parent" });
    let id = if id.is_empty() { None } else { Some(read_id()?) };
    let parent = if parent.is_empty() { None } else { Some(read_parent()?) };
    Ok(Trace { id, parent, taken: None })
}

fn encode(report: &Report) -> proto::Report {
    let (fate, to) = match report.fate {
        Fate::Sent { to } => (proto::Fate::Sent, Bytes::copy_from_slice(to.as_bytes())),
        Fate::Delivered => (proto::Fate::Delivered, Bytes::new()),
        Fate::Refused => (proto::Fate::Unspecified, Bytes::new()),
    };
    proto::Report {
        trace: Bytes::copy_from_slice(report.id.as_bytes()),
        from: encode_node(report.from, report.origin),
        took_ns: nanoseconds(report.took),
        queued_ns: nanoseconds(report.queued),
        done_ns: nanoseconds(report.done),
        fate: fate.into(),
        to,
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn statement<'a>(origin: &NodeId, bytes: &'a [u8]) -> Statement<'a> {
    Statement { kind: "trace report", fields: origin.as_bytes().to_vec(), body: bytes }
}
