//! Two nodes that talk. `nuncio testnet create --out net`, then `cargo run -p nuncio-node --example two_nodes`.
use nuncio_node::{Incoming, Node};
use std::{error::Error, path::Path, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    talk(Path::new("net/node0"), Path::new("net/node1")).await
}

/// Two nodes, a question and its answer.
pub async fn talk(one: &Path, other: &Path) -> Result<(), Box<dyn Error>> {
    let bob = Node::builder().directory(other).listen("127.0.0.1:0").spawn()?;
    let alice = Node::builder().directory(one).peer(bob.addresses()[0]).spawn()?;
    alice.wait_reachable(bob.node_id(), Duration::from_secs(10)).await?;

    let mut requests = bob.listen(vec![], true).await;
    let request = alice.request(bob.node_id(), "how are you?".into(), Duration::from_secs(5));
    let answers = async {
        if let Some(Incoming::Unicast { responder, .. }) = requests.next().await {
            responder.reply("fine, thanks".into());
        }
    };
    let (answer, ()) = tokio::join!(request, answers);
    assert_eq!(answer?.body, "fine, thanks");
    Ok(())
}
