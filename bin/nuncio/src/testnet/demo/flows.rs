//! What nodes say to each other: unicast, multicast, broadcast.

use std::{fs, path::Path, time::Duration};

use bytes::Bytes;
use nuncio_admin::api::{ListenOptions, Reply};
use sha2::{Digest, Sha256};

use super::{
    LIMIT, Site,
    ear::{Ear, publish_until_heard},
};
use crate::{failure::Failure, testnet::condition::within};

/// A file goes from the first node to the last and back, and from the last to the first and back.
pub(super) async fn file_both_ways(sites: &[&Site], file: &Path) -> Result<String, Failure> {
    let body: Bytes = fs::read(file).map_err(|error| Failure::file("cannot read", file, &error))?.into();
    let (first, last) = (sites[0], sites[sites.len() - 1]);
    let there = echo(first, last, body.clone()).await?;
    let back = echo(last, first, body.clone()).await?;
    let hash = hex::encode(&Sha256::digest(&body)[..6]);
    Ok(format!("{} bytes, sha256 {hash}…, equal at both ends: {there:.1?} and {back:.1?} there and back", body.len()))
}

/// Every node but the publisher listens: half of them to the topic, the others not. Exactly that half hears.
pub(super) async fn multicast(sites: &[&Site], round: &str) -> Result<String, Failure> {
    let topic = format!("demo/multicast/{round}");
    let (publisher, others) = sites.split_last().ok_or_else(|| Failure::usage("no node runs"))?;
    let half = others.len().div_ceil(2);
    let mut subscribed = open(&others[..half], &topic).await?;
    let mut outsiders = open(&others[half..], "demo/another-topic").await?;
    let words = publish_until_heard("a word to some", &mut subscribed, |words| async {
        publisher.client().multicast(&topic, words.into()).await?;
        Ok(())
    })
    .await?;
    // When all have heard this, a message gone astray before it would have been heard too.
    fence(publisher, &mut subscribed).await?;
    fence(publisher, &mut outsiders).await?;
    subscribed.iter().try_for_each(|ear| ear.must_have_heard_once(&words))?;
    outsiders.iter().try_for_each(Ear::must_have_heard_no_multicast)?;
    Ok(format!("heard once by {half} subscribed nodes, not by the {} others", others.len() - half))
}

/// What one node says to all is heard once by each of the others; so from the first and from the last node.
pub(super) async fn broadcast(sites: &[&Site]) -> Result<String, Failure> {
    for speaker in [sites[0], sites[sites.len() - 1]] {
        let others: Vec<_> = sites.iter().filter(|site| site.name != speaker.name).copied().collect();
        let mut ears = open(&others, "demo/another-topic").await?;
        let words = fence(speaker, &mut ears).await?;
        fence(speaker, &mut ears).await?;
        ears.iter().try_for_each(|ear| ear.must_have_heard_once(&words))?;
    }
    Ok(format!("from two nodes, heard once by each of the {} others", sites.len() - 1))
}

async fn fence(speaker: &Site, ears: &mut [Ear]) -> Result<String, Failure> {
    let what = format!("a word to all {:08x}", rand::random::<u32>());
    publish_until_heard(&what, ears, |words| async {
        speaker.client().broadcast(words.into()).await?;
        Ok(())
    })
    .await
}

/// The body arrives as it was sent and comes back as it was sent; how long both ways took.
async fn echo(from: &Site, to: &Site, body: Bytes) -> Result<Duration, Failure> {
    let options = ListenOptions { topics: Vec::new(), unicast: true, reply: Reply::Echo };
    let mut messages = to.client().listen(&options).await?;
    let (reply, message) = tokio::join!(
        from.client().unicast(&to.node_id, body.clone(), LIMIT),
        within("the file arrives", LIMIT, messages.next()),
    );
    let reply = reply?;
    let message = message?.ok_or_else(Failure::from_stopped_node)??;
    let arrived = message.encoding.decode(&message.data).unwrap_or_default();
    let sent = Sha256::digest(&body);
    if message.from != from.node_id {
        return Err(Failure::operation("wrong_sender", format_args!("{} did not send it", message.from)));
    }
    if Sha256::digest(&arrived) != sent || Sha256::digest(&reply.body) != sent {
        let text = format!("{} bytes sent, {} arrived, {} came back", body.len(), arrived.len(), reply.body.len());
        return Err(Failure::operation("wrong_hash", text));
    }
    Ok(reply.rtt)
}

async fn open(sites: &[&Site], topic: &str) -> Result<Vec<Ear>, Failure> {
    let mut ears = Vec::with_capacity(sites.len());
    for site in sites {
        ears.push(Ear::open(site, topic).await?);
    }
    Ok(ears)
}
