//! Answers every message to a topic with the message itself, until Ctrl-C.
//!
//! `cargo run -p nuncio-channel-client --example echo -- 127.0.0.1:20200 SDK_DIRECTORY TOPIC`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its terminal")]

use std::{env, error::Error, process::ExitCode};

use nuncio_channel_client::{Client, Kind};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [node, certificates, topic] = &arguments[..] else {
        eprintln!("usage: echo NODE:PORT SDK_DIRECTORY TOPIC");
        return ExitCode::from(64);
    };
    match echo(node, certificates, topic).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn echo(node: &str, certificates: &str, topic: &str) -> Result<(), Box<dyn Error>> {
    let connecting = Client::builder().node(node).certificates(certificates).client_type("nuncio-echo").connect();
    let client = connecting.await.map_err(|error| format!("{error}\n{}", error.hint()))?;
    println!("{}", *client.status().borrow());

    let mut subscription = client.subscribe([topic]).await?;
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => break,
            delivery = subscription.next() => {
                let Some(delivery) = delivery else { break };
                println!("{:?}: {} bytes to {}", delivery.kind, delivery.data.len(), delivery.topic);
                if delivery.kind == Kind::Unicast {
                    let data = delivery.data.clone();
                    delivery.respond(data)?;
                }
            }
        }
    }
    client.close().await;
    Ok(())
}
