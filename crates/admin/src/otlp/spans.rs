//! A trace as spans: the request, and below it each hop as it reported.

use std::{env, time::Duration};

use nuncio_protocol::trace::TraceParent;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::SpanKind, status::StatusCode},
};
use sha2::{Digest as _, Sha256};

use crate::api::{Trace, TraceStep};

/// Most characters of what others wrote.
const MAX_WORDS: usize = 256;

/// What is known of a trace besides what the API tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The context that the request was asked in; without it the trace begins here.
    pub(crate) given: Option<TraceParent>,
    /// How long the request took.
    pub(crate) took: Duration,
}

/// What a collector is told of a trace: for each node that had the message a resource of its own.
pub(super) fn request(trace: &Trace, told: Told) -> ExportTraceServiceRequest {
    let ids = Ids::of(trace, told.given);
    let root = trace.way.first().map(|own| (own, whole(trace, own, &ids, told.took)));
    let hops = trace.way.iter().enumerate().filter_map(|(place, step)| Some((step, hop(trace, place, &ids)?)));
    let spans = root.into_iter().chain(hops);
    ExportTraceServiceRequest { resource_spans: spans.map(|(step, span)| of_node(step, span)).collect() }
}

/// The names of the spans of one trace.
struct Ids {
    trace: Vec<u8>,
    /// Under which the hops reported: what the IDs of spans are made of.
    drawn: Vec<u8>,
    root: Vec<u8>,
    parent: Vec<u8>,
}

impl Ids {
    fn of(trace: &Trace, given: Option<TraceParent>) -> Self {
        let bytes = |text: &str| hex::decode(text).unwrap_or_default();
        let drawn = bytes(&trace.trace_id);
        let context = |from: usize, to: usize| bytes(trace.traceparent.get(from..to).unwrap_or_default());
        let (of_trace, span) = (context(3, 35), context(36, 52));
        match given {
            // The application gets the span that was given, and this request is beside whatever it does.
            Some(_) => Self { root: id(&drawn, "root"), trace: of_trace, drawn, parent: span },
            // What the application does is below this request.
            None => Self { root: span, trace: of_trace, drawn, parent: Vec::new() },
        }
    }

    fn hop(&self, place: usize) -> Vec<u8> {
        id(&self.drawn, &place.to_string())
    }
}

fn id(drawn: &[u8], which: &str) -> Vec<u8> {
    Sha256::new().chain_update(drawn).chain_update(which).finalize()[..8].to_vec()
}

fn whole(trace: &Trace, own: &TraceStep, ids: &Ids, took: Duration) -> Span {
    let start = own.took_unix_ns.unwrap_or_default();
    let failure = trace.failure.as_ref().map(|failure| nuncio_plain::short(&failure.message, MAX_WORDS));
    Span {
        trace_id: ids.trace.clone(),
        span_id: ids.root.clone(),
        parent_span_id: ids.parent.clone(),
        name: "nuncio unicast".to_owned(),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)),
        attributes: vec![word("nuncio.target", &trace.node_id)],
        status: failure.map(|message| Status { message, code: StatusCode::Error.into() }),
        ..Span::default()
    }
}

/// `None` of a node that said nothing.
fn hop(trace: &Trace, place: usize, ids: &Ids) -> Option<Span> {
    let step = &trace.way[place];
    let start = step.took_unix_ns?;
    let before = step.from.as_ref().and_then(|from| {
        trace.way[..place].iter().rposition(|step| step.node_id == *from && step.took_unix_ns.is_some())
    });
    let words = [("nuncio.fate", &step.fate), ("nuncio.from", &step.from), ("nuncio.to", &step.to)];
    let numbers =
        [("nuncio.queued_us", step.queued_us.and_then(|us| i64::try_from(us).ok())), ("nuncio.leg_us", step.leg_us)];
    let words = words.into_iter().filter_map(|(key, value)| Some(word(key, value.as_deref()?)));
    let numbers = numbers.into_iter().filter_map(|(key, value)| Some(number(key, value?)));
    let is_refused = step.fate.as_deref() == Some("refused");
    Some(Span {
        trace_id: ids.trace.clone(),
        span_id: ids.hop(place),
        parent_span_id: before.map_or_else(|| ids.root.clone(), |before| ids.hop(before)),
        name: "nuncio hop".to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(step.left_us.unwrap_or_default().saturating_mul(1000)),
        attributes: words.chain(numbers).collect(),
        status: is_refused.then(|| Status { message: "refused".to_owned(), code: StatusCode::Error.into() }),
        ..Span::default()
    })
}

fn of_node(step: &TraceStep, span: Span) -> ResourceSpans {
    let service = env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let attributes = vec![
        word("service.name", service.as_deref().unwrap_or("nuncio")),
        word("service.instance.id", &step.node_id),
        word("nuncio.node", &step.name),
        word("nuncio.agency", &step.agency),
    ];
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { scope: Some(scope), spans: vec![span], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }
}

fn word(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(nuncio_plain::short(value, MAX_WORDS)))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
