use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::{Response, body::Incoming, server::conn::http1, service::service_fn};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use tokio::{net::TcpListener, sync::mpsc};

use super::*;
use crate::api::{ErrorCode, Failure, TraceStep};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector on loopback: what is posted to it, and under which path and as what.
async fn collector() -> (String, mpsc::Receiver<(String, String, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let (told, posts) = mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let told = told.clone();
            let take = service_fn(move |request: Request<Incoming>| {
                let told = told.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let form = head.headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
                    let body = body.collect().await.unwrap().to_bytes();
                    told.send((head.uri.path().to_owned(), form, body)).await.unwrap();
                    Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), take));
        }
    });
    (url, posts)
}

fn step(node: &str, from: Option<&str>, took: Option<u64>, fate: &str) -> TraceStep {
    TraceStep {
        node_id: node.repeat(64),
        name: format!("node {node}"),
        agency: "agencyA".to_owned(),
        reported: took.is_some(),
        fate: took.map(|_| fate.to_owned()),
        from: from.map(|from| from.repeat(64)),
        to: None,
        took_unix_ns: took,
        queued_us: took.map(|_| 3),
        left_us: took.map(|_| 7),
        leg_us: from.map(|_| -20),
        signed: None,
    }
}

/// From `aa` over `bb` and `cc`, which said nothing, to `dd`.
fn trace() -> Trace {
    Trace {
        trace_id: "0102030405060708090a0b0c0d0e0f10".to_owned(),
        traceparent: format!("00-{TRACE}-{PARENT}-01"),
        node_id: "dd".repeat(64),
        reply: Some("x".to_owned()),
        reply_encoding: None,
        rtt_us: Some(900),
        hops: Some(3),
        failure: None,
        way: vec![
            step("aa", None, Some(1_000_000), "sent"),
            step("bb", Some("aa"), Some(1_100_000), "sent"),
            step("cc", None, None, ""),
            step("dd", Some("cc"), Some(1_300_000), "delivered"),
        ],
        forged: Vec::new(),
    }
}

fn told(given: Option<&str>) -> Told {
    Told { given: given.map(|given| given.parse().unwrap()), took: Duration::from_micros(900) }
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Span> {
    let resources = request.resource_spans.into_iter();
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

#[tokio::test]
async fn a_collector_gets_the_request_and_its_hops_below_the_span_that_was_given() {
    let (url, mut posts) = collector().await;
    let trace = trace();
    Exporter::to(&url).unwrap().export(&trace, told(Some(&trace.traceparent)));
    let (path, form, body) = posts.recv().await.unwrap();
    assert_eq!((path.as_str(), form.as_str()), ("/v1/traces", "application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let nodes: Vec<_> = request.resource_spans.iter().map(|one| format!("{:?}", one.resource)).collect();
    assert!(nodes[3].contains(&"dd".repeat(64)) && nodes[3].contains("node dd") && nodes[3].contains("agencyA"));
    let spans = spans(request);
    let [root, own, first, target] = &spans[..] else { panic!("{spans:?}") };
    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == TRACE && span.span_id.len() == 8));
    assert_eq!(hex::encode(&root.parent_span_id), PARENT);
    assert_eq!((root.start_time_unix_nano, root.end_time_unix_nano), (1_000_000, 1_900_000));
    assert_eq!((own.end_time_unix_nano, first.start_time_unix_nano), (1_007_000, 1_100_000));
    assert_eq!((&own.parent_span_id, &first.parent_span_id), (&root.span_id, &own.span_id));
    assert_eq!(target.parent_span_id, root.span_id, "the node before it said nothing");
    assert!(format!("{:?}", target.attributes).contains("delivered") && root.status.is_none());
}

#[test]
fn a_trace_that_begins_here_has_the_span_that_the_application_gets() {
    let spans = spans(spans::request(&trace(), told(None)));
    assert_eq!((hex::encode(&spans[0].span_id).as_str(), &spans[0].parent_span_id[..]), (PARENT, &[][..]));
    let mut failed = trace();
    failed.failure = Some(Failure::new(ErrorCode::NoRoute, "no\u{1b}[2J way"));
    failed.way.truncate(1);
    let spans = self::spans(spans::request(&failed, told(None)));
    let status = spans[0].status.as_ref().unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, nuncio_plain::short("no\u{1b}[2J way", 99).as_str()));
    failed.way.clear();
    assert!(spans::request(&failed, told(None)).resource_spans.is_empty(), "no node knows of it");
}

#[tokio::test]
async fn a_collector_that_is_gone_holds_nobody_up_and_takes_no_more_than_its_places() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let exporter = Exporter::to(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    for _ in 0..2 * MAX_EXPORTS {
        exporter.export(&trace(), told(None));
    }
    assert_eq!(exporter.places.available_permits(), 0);
    for url in ["https://collector:4318", "collector:4318", "http://", "", "unix:/x"] {
        assert!(Exporter::to(url).is_none(), "{url}");
    }
    assert_eq!(&*Exporter::to("http://collector/v1/traces").unwrap().authority, "collector:80");
}
