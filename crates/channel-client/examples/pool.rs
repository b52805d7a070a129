//! Several nodes at once: kill any of them, and messages go on.
//!
//! ```sh
//! nuncio testnet create --out net && nuncio testnet up net
//! cargo run -p nuncio-channel-client --example pool -- net/sdk/agencyA 127.0.0.1:20200 127.0.0.1:20202
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its terminal")]

use std::time::Duration;

use nuncio_channel_client::{Client, PublishError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let certificates = arguments.next().ok_or("give a certificate directory and channel ports of one agency")?;
    let builder = arguments.fold(Client::builder(), |builder, node| builder.node(node));
    let pool = builder.certificates(certificates).connect_all().await?;
    let mut ticks = pool.subscribe(["ticks"]).await?;
    tokio::spawn(async move {
        while let Some(delivery) = ticks.next().await {
            let _ = delivery.respond("tock");
        }
    });
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    for number in 1..=60 {
        interval.tick().await;
        match pool.publish("ticks", "tick").await {
            Ok(answer) => println!("{number}: {answer:?}, {} nodes connected", pool.connected()),
            Err(PublishError::NoSubscriber { .. }) => println!("{number}: the subscription is moving"),
            Err(error) => println!("{number}: {error}"),
        }
    }
    Ok(())
}
