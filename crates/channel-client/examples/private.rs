//! A private topic: a publisher at the first node, a subscriber with the topic's key at the last.
//!
//! ```sh
//! nuncio testnet create --out net && nuncio testnet up net
//! cargo run -p nuncio-channel-client --example private -- net/sdk/agencyA 127.0.0.1:20200 127.0.0.1:20202
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use nuncio_channel_client::{Client, TopicKey};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(certificates), Some(near), Some(far)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("give a certificate directory and two nodes' channel ports".into());
    };
    let key = TopicKey::generate();
    let subscriber = Client::builder().node(far).certificates(&certificates).connect().await?;
    let mut salaries = subscriber.subscribe_private("salaries", key.clone()).await?;
    tokio::spawn(async move {
        while let Some(delivery) = salaries.next().await {
            let _ = delivery.respond("noted");
        }
    });

    let client = Client::builder().node(near).certificates(certificates).connect().await?;
    let publisher = client.private_publisher("salaries", [key.public()]).await?;
    publisher.accepted(1).await;
    let answer = publisher.publish("a rise").await?;
    println!("the subscriber proved itself and says {answer:?}");
    Ok(())
}
