//! A private topic: only who has the topic's key hears it.

use std::time::Duration;

use bytes::Bytes;
use nuncio_channel_client::{Client, PrivateSubscription, ResultCode, TopicKey};
use tokio::time::{Instant, timeout};

use super::{LIMIT, Site, amop};
use crate::{failure::Failure, testnet::condition::within};

const TOPIC: &str = "demo/private";

/// Messages of which none may go to the subscriber without the key: by chance that happens once in 2²⁰ runs.
const MESSAGES: usize = 20;

/// How long the subscriber without the key is listened to.
const QUIET: Duration = Duration::from_millis(300);

/// A publisher at the first node; at the last one a subscriber with the key and one with another.
pub(super) async fn private(sites: &[&Site]) -> Result<String, Failure> {
    let (near, far) = (sites[0], sites[sites.len() - 1]);
    let (key, wrong) = (TopicKey::generate(), TopicKey::generate());
    let started = Instant::now();
    let client = amop::connect(near, &near.sdk).await?;
    let publisher = client.private_publisher(TOPIC, [key.public()]).await;
    let publisher = publisher.map_err(|error| amop::failed("publishing privately", &error))?;
    let (owner, stranger) = (amop::connect(far, &far.sdk).await?, amop::connect(far, &far.sdk_rsa).await?);
    let mut stranger = subscribe(&stranger, wrong).await?;
    let mut owner = subscribe(&owner, key).await?;
    within("the subscriber with the key proves itself", LIMIT, publisher.accepted(1)).await?;
    let proved = started.elapsed();

    let answering = tokio::spawn(async move {
        for _ in 0..MESSAGES {
            if let Some(delivery) = owner.next().await {
                let _ = delivery.respond("the owner");
            }
        }
        owner
    });
    for _ in 0..MESSAGES {
        let answer = publisher.publish(Bytes::from_static(b"a secret")).await;
        let answer = answer.map_err(|error| amop::failed("publishing to the owner of the key", &error))?;
        if answer != "the owner" {
            return Err(Failure::operation("wrong_answer", format_args!("{answer:?} came back, not the owner's")));
        }
    }
    let mut owner = answering.await.map_err(|error| amop::failed("answering", &error))?;
    let told = publisher.broadcast(Bytes::from_static(b"to owners")).await;
    told.map_err(|error| amop::failed("the multicast's acknowledgement", &error))?;
    within("the owner gets the multicast", LIMIT, owner.next()).await?;
    if let Ok(heard) = timeout(QUIET, stranger.next()).await {
        return Err(Failure::operation("wrong_delivery", format_args!("without the key one hears {heard:?}")));
    }
    // Whoever publishes without asking for proof reaches nobody.
    let name = format!("#!$TopicNeedVerify_{TOPIC}");
    let unproved = amop::connect(near, &near.sdk_rsa).await?.publish(&name, Bytes::from_static(b"hello?")).await;
    match unproved {
        Err(error) if error.code() == Some(ResultCode::NO_SUBSCRIBER) => {}
        other => {
            return Err(Failure::operation("wrong_answer", format_args!("without a proof: {other:?}, not code 100")));
        }
    }
    Ok(format!("proved in {proved:.1?}; {MESSAGES} messages and a multicast to the owner of the key alone"))
}

async fn subscribe(client: &Client, key: TopicKey) -> Result<PrivateSubscription, Failure> {
    client.subscribe_private(TOPIC, key).await.map_err(|error| amop::failed("subscribing privately", &error))
}
