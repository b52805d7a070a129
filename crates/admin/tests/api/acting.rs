//! What is begun is on record, also when nobody waits for its end.

use bytes::Bytes;
use nuncio_admin::api::{ListenOptions, Reply};
use nuncio_audit::{Event, Outcome};
use tokio::time::timeout;

use crate::operations::{DEADLINE, next, pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_sender_hangs_up_before_the_answer_is_on_record_as_cut_off() {
    let (one, two) = pair().await;
    let later = ListenOptions { unicast: true, reply: Reply::Later, ..ListenOptions::default() };
    let mut messages = two.client.listen(&later).await.unwrap();
    let mut events = one.operator.audit.follow();
    let (client, target) = (one.client.clone(), two.id());
    let asking = tokio::spawn(async move { client.unicast(&target, Bytes::from("x"), 4 * DEADLINE).await });
    next(&mut messages).await;
    asking.abort();
    let told = timeout(DEADLINE, events.recv()).await.expect("it is told").unwrap();
    let Event::OperatorSent { outcome: Outcome::Failed { error, .. }, action, .. } = &told.event else {
        panic!("{told:?}")
    };
    assert_eq!((error.as_str(), action.to_string().contains("/v1/unicast/")), ("cut_off", true), "{action}");
    drop(messages);
    one.stop().await;
    assert!(events.try_recv().is_err(), "once");
    two.stop().await;
}
