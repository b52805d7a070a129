use std::path::{Path, PathBuf};

use bytes::Bytes;
use nuncio_channel_client::Client;
use nuncio_daemon::{Daemon, Source};

use super::say;
use crate::{
    bench::{load::round_trips, point::Point},
    failure::{Failure, causes},
    testnet::condition::until,
};

pub(in crate::bench) const TOPIC: &str = "bench";

/// What a subscriber answers, in bytes: an acknowledgement, not an echo.
const ANSWER: [u8; 32] = [0x2a; 32];

/// Subscribes at node 0 and answers everything.
pub(super) async fn subscribe(directory: &Path) -> Result<(), Failure> {
    let client = connect(directory, 0).await?;
    let mut subscription = client.subscribe([TOPIC]).await.map_err(|error| failed(&error))?;
    say("ready");
    while let Some(delivery) = subscription.next().await {
        // The node did not wait any longer; the publisher has been told.
        let _ = delivery.respond(ANSWER.as_slice());
    }
    Ok(())
}

/// Publishes at node 1.
pub(super) async fn load(point: &Point, directory: &Path) -> Result<(), Failure> {
    let client = connect(directory, 1).await?;
    known(&client).await?;
    let payload = Bytes::from(vec![0x5a; point.payload]);
    round_trips(point, move || publish(client.clone(), payload.clone())).await
}

/// Waits until the subscriber is known where a client is.
pub(super) async fn known(client: &Client) -> Result<(), Failure> {
    until("the subscription is known at node 1", super::LINK, || async {
        client.publish(TOPIC, Bytes::from_static(b"?")).await.map(|_| ()).map_err(|error| causes(&error))
    })
    .await
}

/// One message, and its answer.
pub(super) async fn publish(client: Client, payload: Bytes) -> Result<(), Failure> {
    let answer = client.publish(TOPIC, payload).await.map_err(|error| failed(&error))?;
    if answer == ANSWER.as_slice() { Ok(()) } else { Err(Failure::operation("bench", "another answer")) }
}

/// An SDK client of a node.
pub(in crate::bench) async fn connect(directory: &Path, node: usize) -> Result<Client, Failure> {
    let config: PathBuf = directory.join(format!("node{node}/nuncio.toml"));
    let daemon = Daemon::from_source(Source::File(config)).map_err(|error| failed(&error))?;
    let gateway = daemon.config().gateway.listen.to_string();
    let connected = Client::builder().node(&gateway).certificates(directory.join("sdk")).connect().await;
    connected.map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::operation("bench", error)
}
