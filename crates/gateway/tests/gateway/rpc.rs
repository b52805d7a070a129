use std::sync::Arc;

use nuncio_channel_protocol::{AmopBody, Frame, FrameKind, FrameSeq, ResultCode};
use nuncio_gateway::{
    BlockNotification,
    rpc::{Call, EventFilter, EventFilterFuture, RpcError, RpcFuture, RpcHandler},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::rig::{Rig, Sdk, eventually, node_id};

async fn ask(sdk: &mut Sdk, call: &str) -> Value {
    let frame = Frame::request(FrameKind::Rpc, FrameSeq::from_number(7), call.to_owned().into());
    sdk.send(&frame).await;
    let answer = sdk.expect_frame().await;
    assert_eq!((answer.kind, answer.seq, answer.result), (frame.kind, frame.seq, ResultCode::OK));
    assert_eq!(answer.body.last(), Some(&b'\n'));
    serde_json::from_slice(&answer.body).unwrap()
}

async fn result(sdk: &mut Sdk, method: &str) -> Value {
    let mut answer = ask(sdk, &json!({ "jsonrpc": "2.0", "id": 3, "method": method, "params": [1] }).to_string()).await;
    assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!(3), &json!("2.0")));
    answer["result"].take()
}

#[tokio::test]
async fn the_calls_sdks_start_with_are_answered_in_fiscos_shapes() {
    let mut rig = Rig::with(|config| config.version.chain_id = "77".into()).await;
    let (mut sdk, _) = rig.connect().await;
    let version = result(&mut sdk, "getClientVersion").await;
    let keys: Vec<&str> = version.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "Build Time",
            "Build Type",
            "Chain Id",
            "FISCO-BCOS Version",
            "Git Branch",
            "Git Commit Hash",
            "Supported Version"
        ]
    );
    assert_eq!((&version["Chain Id"], &version["FISCO-BCOS Version"]), (&json!("77"), &json!("2.9.1")));
    assert_eq!(version["Supported Version"], "2.9.1");
    assert_eq!(result(&mut sdk, "getGroupList").await, json!([1]));
    assert_eq!(result(&mut sdk, "getBlockNumber").await, json!("0x0"));
    let ids = [1, 2, 3].map(|number| node_id(number).to_string());
    assert_eq!(result(&mut sdk, "getNodeIDList").await, json!(ids));
    assert_eq!(result(&mut sdk, "getGroupPeers").await, json!(ids));
    let own = json!({
        "Agency": "agencyA", "IPAndPort": "127.0.0.1:30301", "Node": "node0", "NodeID": ids[0], "Topic": ["prices"]
    });
    assert_eq!(result(&mut sdk, "getNodeInfo").await, own);
    let peer = json!({
        "Agency": "agencyA", "IPAndPort": "127.0.0.1:30302", "Node": "node1", "NodeID": ids[1], "Topic": []
    });
    assert_eq!(result(&mut sdk, "getPeers").await, json!([peer]));
}

#[tokio::test]
async fn ids_are_echoed_and_errors_are_json_rpc_errors() {
    let mut rig = Rig::new().await;
    let (mut sdk, _) = rig.connect().await;
    for id in [json!(0), json!("abc"), json!(null), json!(18446744073709551615_u64)] {
        let call = json!({ "id": id, "method": "getGroupList" }).to_string();
        assert_eq!(ask(&mut sdk, &call).await, json!({ "id": id, "jsonrpc": "2.0", "result": [1] }));
    }
    let unknown = ask(&mut sdk, r#"{"id":5,"method":"sendRawTransaction","params":[1,"0x"]}"#).await;
    assert_eq!((&unknown["id"], &unknown["error"]["code"]), (&json!(5), &json!(-32601)));
    assert!(unknown["error"]["message"].as_str().unwrap().contains("sendRawTransaction"));
    let deep = "[".repeat(100_000);
    for (call, code) in [("", -32700), ("{", -32700), (deep.as_str(), -32700), ("{}", -32600), ("[]", -32600)] {
        let answer = ask(&mut sdk, call).await;
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&Value::Null, Some(code)), "{:.20}", call);
    }
}

struct Chain(Arc<Notify>);

impl RpcHandler for Chain {
    fn call(&self, call: Call) -> Option<RpcFuture> {
        let mined = Arc::clone(&self.0);
        match call.method.as_str() {
            "getBlockNumber" => Some(Box::pin(async { Ok(json!("0x2a")) })),
            "sendRawTransaction" => Some(Box::pin(async move {
                mined.notified().await;
                Err(RpcError::new(-40_000, format!("{} reverted", call.params[1])))
            })),
            _ => None,
        }
    }

    fn event_filter(&self, filter: EventFilter) -> Option<EventFilterFuture> {
        let request: Value = serde_json::from_slice(&filter.request).ok()?;
        let registers = filter.registers;
        Some(Box::pin(async move { json!({ "filterID": request["filterID"], "result": 0, "registered": registers }) }))
    }
}

#[tokio::test]
async fn an_embedding_chain_answers_what_it_wants_and_may_take_its_time() {
    let mined = Arc::new(Notify::new());
    let chain = Arc::new(Chain(Arc::clone(&mined)));
    let mut rig = Rig::with(|config| config.rpc = Some(chain)).await;
    let (mut sdk, _) = rig.connect().await;
    let transaction = r#"{"id":9,"method":"sendRawTransaction","params":[1,"0xff"]}"#;
    sdk.send(&Frame::request(FrameKind::Rpc, FrameSeq::from_number(9), transaction.into())).await;
    assert_eq!(result(&mut sdk, "getBlockNumber").await, json!("0x2a"));
    assert_eq!(result(&mut sdk, "getGroupList").await, json!([1]));
    mined.notify_one();
    let answer = sdk.expect_frame().await;
    assert_eq!(answer.seq, FrameSeq::from_number(9));
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        answer,
        json!({ "id": 9, "jsonrpc": "2.0", "error": { "code": -40_000, "message": "\"0xff\" reverted" } })
    );
}

#[tokio::test]
async fn a_call_that_waits_counts_with_what_it_takes_in_memory() {
    let mined = Arc::new(Notify::new());
    let chain = Arc::new(Chain(Arc::clone(&mined)));
    let mut rig = Rig::with(|config| {
        config.rpc = Some(chain);
        config.limits.window_bytes = 100_000;
    })
    .await;
    let (mut sdk, _) = rig.connect().await;
    let (mut other, _) = rig.connect().await;
    // Ten kilobytes of text are 160 of values.
    let call = format!(r#"{{"id":9,"method":"sendRawTransaction","params":[{}0]}}"#, "0,".repeat(5_000));
    sdk.send(&Frame::request(FrameKind::Rpc, FrameSeq::from_number(9), call.into())).await;
    eventually(|| rig.clients.statistics().frames_received == 1).await;
    sdk.send(&Frame::request(FrameKind::Heartbeat, FrameSeq::from_number(10), "0".into())).await;
    for heard in 2..5 {
        other.expect_silence().await;
        assert_eq!(rig.clients.statistics().frames_received, heard, "the other's heartbeats only");
    }
    mined.notify_one();
    assert_eq!(sdk.expect_frame().await.seq, FrameSeq::from_number(9));
    assert_eq!(sdk.expect_frame().await.seq, FrameSeq::from_number(10));
}

#[tokio::test]
async fn an_embedding_chain_takes_event_filters_and_pushes_what_happens() {
    let chain = Arc::new(Chain(Arc::default()));
    let mut rig = Rig::with(|config| config.rpc = Some(chain)).await;
    let (mut sdk, client) = rig.connect().await;
    for (kind, registered) in [(FrameKind::RegisterEventFilter, true), (FrameKind::UnregisterEventFilter, false)] {
        let body = AmopBody::new("", "{\"filterID\":\"f\"}".into()).unwrap().pack();
        sdk.send(&Frame::request(kind, FrameSeq::from_number(4), body)).await;
        let answer = sdk.expect_frame().await;
        let said = AmopBody::unpack(answer.body).unwrap().data;
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!((answer.kind, said), (kind, json!({ "filterID": "f", "result": 0, "registered": registered })));
    }
    let block = BlockNotification { number: 7, group: 1 };
    assert_eq!(rig.clients.notify_block(&block), 0, "nobody subscribes it yet");
    sdk.send(&Frame::request(FrameKind::Subscribe, FrameSeq::from_number(5), "[\"_block_notify_1\"]".into())).await;
    rig.input().await;
    assert_eq!(rig.clients.notify_block(&BlockNotification { number: 7, group: 2 }), 0);
    assert_eq!(rig.clients.notify_block(&block), 1);
    let pushed = sdk.expect_frame().await;
    assert_eq!(
        (pushed.kind, pushed.seq, &pushed.body[..]),
        (FrameKind::BlockNotification, FrameSeq::PUSH, &b"\x10_block_notify_11,7"[..])
    );
    let hello = Frame::request(FrameKind::Handshake, FrameSeq::from_number(6), "{\"maximumSupport\":3}".into());
    sdk.send(&hello).await;
    sdk.expect_frame().await;
    assert_eq!(rig.clients.notify_block(&block), 1);
    assert_eq!(sdk.expect_frame().await.body, "\x10_block_notify_1{\"blockNumber\":7,\"groupID\":1}\n");
    assert!(rig.clients.push_receipt(client, FrameSeq::from_number(9), "{}".into()));
    let receipt = sdk.expect_frame().await;
    assert_eq!(
        (receipt.kind, receipt.seq, &receipt.body[..]),
        (FrameKind::Receipt, FrameSeq::from_number(9), &b"{}"[..])
    );
    assert!(rig.clients.push_event(client, "[]".into()));
    let event = sdk.expect_frame().await;
    assert_eq!((event.kind, event.seq, &event.body[..]), (FrameKind::EventLog, FrameSeq::PUSH, &b"[]"[..]));
    drop(sdk);
    assert_eq!(rig.disconnected().await, client);
    assert!(!rig.clients.push_event(client, "[]".into()));
}

#[tokio::test]
async fn calls_beyond_the_limit_are_told_so_in_fiscos_code() {
    let mut rig = Rig::with(|config| config.limits.calls_per_second = Some(1)).await;
    let (mut sdk, _) = rig.connect().await;
    assert_eq!(result(&mut sdk, "getGroupList").await, json!([1]));
    let mut refused = 0;
    for _ in 0..5 {
        let answer = ask(&mut sdk, r#"{"id":5,"method":"getGroupList","params":[]}"#).await;
        refused += u32::from(answer["error"]["code"] == json!(-40011));
    }
    assert!(refused >= 4, "{refused}");
}
