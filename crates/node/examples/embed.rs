//! A node inside a program of one's own: it answers requests and prints what is published to a topic.
//!
//! ```text
//! nuncio testnet create --out net && nuncio testnet up net     # in another terminal
//! cargo run -p nuncio-node --example embed -- net/node0/conf 127.0.0.1:30301
//! ```
//! (with node 0 of that testnet stopped: one identity, one node).
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error, sync::Arc};

use arc_swap::ArcSwap;
use nuncio_node::{Config, Incoming, build};
use nuncio_pki::{Identity, IdentityPaths};
use nuncio_protocol::Topic;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().ok_or("which directory holds node.key, node.crt and ca.crt?")?;
    let (identity, policy) = Identity::load(&IdentityPaths::in_directory(&directory))?;
    let data = env::temp_dir().join(format!("nuncio-embed-{}", identity.key.node_id().short()));
    let mut config = Config::new(Arc::new(identity), Arc::new(ArcSwap::from_pointee(policy)), data);
    config.peers = arguments.collect();

    let node = build(config)?;
    let handle = node.handle();
    let running = tokio::spawn(node.run(CancellationToken::new()));
    let mut listener = handle.listen(vec![Topic::new("prices")?], true).await;
    println!("node {} listens", handle.node_id());
    while let Some(incoming) = listener.next().await {
        match incoming {
            Incoming::Unicast { from, body, responder } => {
                println!("{} asks {body:?}", from.short());
                responder.reply(body);
            }
            Incoming::Multicast { from, topic, data, .. } => println!("{} on {topic}: {data:?}", from.short()),
            Incoming::Broadcast { from, data, .. } => println!("{} to all: {data:?}", from.short()),
            _ => {}
        }
    }
    Ok(running.await?)
}
