//! A node inside a program of one's own: it answers requests and prints what is published to a topic.
//!
//! ```text
//! nuncio testnet create --out net && nuncio testnet up net     # in another terminal
//! cargo run -p nuncio-node --example embed -- net/node0/conf 127.0.0.1:30301
//! ```
//! (with node 0 of that testnet stopped: one identity, one node).
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error};

use nuncio_node::{Incoming, Node};
use nuncio_protocol::Topic;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let directory = arguments.next().ok_or("which directory holds node.key, node.crt and ca.crt?")?;
    let data = env::temp_dir().join("nuncio-embed");
    let node = arguments.fold(Node::builder().directory(directory).data_directory(data), |node, peer| node.peer(peer));
    let node = node.spawn().map_err(|error| format!("{error}\n{}", error.hint()))?;
    let mut listener = node.listen(vec![Topic::new("prices")?], true).await;
    println!("node {} listens", node.node_id());
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
    Ok(())
}
