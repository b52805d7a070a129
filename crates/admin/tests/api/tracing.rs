//! Traces and trace contexts over the API.

use std::time::Duration;

use bytes::Bytes;
use nuncio_admin::api::{Encoding, ListenOptions, Reply};

use super::operations::{code, next, pair};

const CONTEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const WHOLE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_context_of_who_asks_comes_to_who_listens() {
    let (one, two) = pair().await;
    let echo = ListenOptions { unicast: true, reply: Reply::Echo, ..ListenOptions::default() };
    let mut messages = two.client.listen(&echo).await.unwrap();
    one.client.clone().in_trace(CONTEXT).unicast(&two.id(), Bytes::from("x"), WHOLE).await.unwrap();
    assert_eq!(next(&mut messages).await.traceparent.as_deref(), Some(CONTEXT));
    one.client.unicast(&two.id(), Bytes::from("x"), WHOLE).await.unwrap();
    assert_eq!(next(&mut messages).await.traceparent, None);
    let nonsense = one.client.clone().in_trace("00-xyz");
    assert_eq!(code(nonsense.unicast(&two.id(), Bytes::new(), WHOLE).await), "bad_request");
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_tells_the_reply_or_why_there_is_none_and_the_way() {
    let (one, two) = pair().await;
    let probed = one.client.probe(&two.id(), WHOLE).await.unwrap();
    assert_eq!((probed.failure, probed.hops), (None, Some(1)));
    let alone = one.client.trace(&two.id(), Bytes::from("x"), WHOLE).await.unwrap();
    assert_eq!(alone.failure.map(|failure| failure.error.as_str()), Some("no_handler"));
    assert_eq!((alone.reply, alone.way.last().unwrap().fate.as_deref()), (None, Some("delivered")));
    let echo = ListenOptions { unicast: true, reply: Reply::Echo, ..ListenOptions::default() };
    let mut messages = two.client.listen(&echo).await.unwrap();
    let trace = one.client.clone().in_trace(CONTEXT).trace(&two.id(), Bytes::from("x"), WHOLE).await.unwrap();
    assert_eq!((trace.reply.as_deref(), trace.reply_encoding), (Some("x"), Some(Encoding::Utf8)));
    assert_eq!(trace.traceparent, CONTEXT);
    let names: Vec<_> = trace.way.iter().map(|step| (step.name.as_str(), step.reported)).collect();
    assert_eq!(names, [("one", true), ("two", true)]);
    assert_eq!(next(&mut messages).await.traceparent.as_deref(), Some(CONTEXT));
    let begun = one.client.trace(&two.id(), Bytes::new(), WHOLE).await.unwrap();
    assert_eq!(begun.traceparent[3..35], begun.trace_id, "a context of its own");
    one.stop().await;
    two.stop().await;
}
