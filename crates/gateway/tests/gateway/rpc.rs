use std::sync::Arc;

use nuncio_channel_protocol::{Frame, FrameKind, FrameSeq, ResultCode};
use nuncio_gateway::rpc::{Call, RpcError, RpcFuture, RpcHandler};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::rig::{Rig, Sdk, node_id};

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
                Err(RpcError { code: -40_000, message: format!("{} reverted", call.params[1]) })
            })),
            _ => None,
        }
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
