//! SDKs at a whole node.

use nuncio_channel_client::{CallError, Client};
use nuncio_testkit::TestAuthority;
use serde_json::{Value, json};

use crate::rig::{Home, Running};

async fn sdk(node: &Running, home: &Home) -> Client {
    let address = node.gateway.unwrap().to_string();
    Client::builder().node(address).certificates(home.dir.path().join("sdk")).connect().await.unwrap()
}

fn code(outcome: Result<Value, CallError>) -> i64 {
    match outcome {
        Err(CallError::Rpc { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sdk_of_an_operator_manages_peers_and_no_other_does() {
    let authority = TestAuthority::new();
    let (one, two) = (Home::new(&authority, "one", ""), Home::new(&authority, "two", ""));
    authority.write_sdk_directory(&two.dir.path().join("sdk"), false);
    let (first, second) = (one.start().await, two.start().await);
    let client = sdk(&second, &two).await;
    let peer = first.p2p.to_string();
    let refused = client.call("addPeers", json!([[peer]])).await;
    let words = refused.as_ref().unwrap_err().to_string();
    assert_eq!(code(refused), -40012);

    // The refusal names the key to write into the configuration.
    let key = words.split_whitespace().find(|word| word.len() == 128).unwrap();
    let text =
        std::fs::read_to_string(two.file()).unwrap().replacen("[p2p]", &format!("operators = [\"{key}\"]\n[p2p]"), 1);
    std::fs::write(two.file(), text).unwrap();
    second.reloader.reload().await.unwrap();
    let done = client.call("addPeers", json!([[peer]])).await.unwrap();
    assert_eq!(done["code"], "0x0");
    second.links(1).await;
    assert_eq!(client.call("queryPeers", json!([])).await.unwrap(), json!([peer]));
    client.call("erasePeers", json!([peer])).await.unwrap();
    second.links(0).await;
    assert_eq!(client.call("queryPeers", json!([])).await.unwrap(), json!([]));
    assert_eq!(code(client.call("addPeers", json!(["nowhere"])).await), -32602);
    assert_eq!(code(client.call("erasePeers", json!([peer])).await), -32603);
    second.stop().await;
    first.stop().await;
}
