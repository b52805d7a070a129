//! Who is linked to whom, and what every node knows of the others.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{LIMIT, Site, amop::Subscriber};
use crate::{failure::Failure, testnet::condition::until};

/// Every node holds exactly one link to each of the others.
pub(super) async fn fully_linked(sites: &[&Site]) -> Result<String, Failure> {
    let started = Instant::now();
    for site in sites {
        let wanted: BTreeSet<_> =
            sites.iter().filter(|other| other.name != site.name).map(|other| other.node_id.clone()).collect();
        until(&format!("{} is linked to all", site.name), LIMIT, || async {
            let peers = site.client().peers().await.map_err(|error| error.to_string())?;
            let linked: Vec<_> = peers.iter().filter(|peer| peer.state == "linked").collect();
            let ids: BTreeSet<_> = linked.iter().filter_map(|peer| peer.node_id.clone()).collect();
            if ids == wanted && linked.len() == wanted.len() {
                return Ok(());
            }
            let error = peers.iter().find_map(|peer| peer.last_error.clone()).unwrap_or_default();
            Err(format!("it has {} links of {}; {error}", linked.len(), wanted.len()))
        })
        .await?;
    }
    let links = sites.len() * (sites.len() - 1) / 2;
    Ok(format!("{links} links, one for each two nodes, after {:.0?}", started.elapsed()))
}

/// Every node knows every other at the version that one has itself, by its certified name.
pub(super) async fn same_status_everywhere(sites: &[&Site]) -> Result<String, Failure> {
    for reader in sites {
        for subject in sites {
            until(&format!("{} knows {}", reader.name, subject.name), LIMIT, || async {
                let own = subject.client().status().await.map_err(|error| error.to_string())?;
                let nodes = reader.client().nodes().await.map_err(|error| error.to_string())?;
                let known = nodes.iter().find(|node| node.node_id == subject.node_id);
                let known = known.ok_or_else(|| "it has no record".to_owned())?;
                let same = (known.epoch, known.seq) == (own.epoch, own.seq);
                if same && known.reachable && known.name == own.name && known.agency == own.agency {
                    return Ok(());
                }
                Err(format!(
                    "it has epoch {} seq {} (reachable: {}) of epoch {} seq {}",
                    known.epoch, known.seq, known.reachable, own.epoch, own.seq
                ))
            })
            .await?;
        }
    }
    Ok(format!("each of {0} nodes has the signed status of all {0}", sites.len()))
}

/// A subscription raises the node's seq, and every other node learns the topic.
pub(super) async fn subscription_is_seen(sites: &[&Site]) -> Result<String, Failure> {
    let topic = "demo/status-change";
    let before = sites[0].client().status().await?.seq;
    let started = Instant::now();
    let subscriber = Subscriber::start(sites[0], topic).await?;
    let mut after = before;
    for reader in &sites[1..] {
        after = until(&format!("{} sees the subscription", reader.name), LIMIT, || async {
            let nodes = reader.client().nodes().await.map_err(|error| error.to_string())?;
            let node = nodes.into_iter().find(|node| node.node_id == sites[0].node_id);
            let node = node.ok_or_else(|| "it has no record".to_owned())?;
            let told = node.topics.iter().any(|known| known == topic);
            if told && node.seq > before { Ok(node.seq) } else { Err(format!("it has seq {}", node.seq)) }
        })
        .await?;
    }
    drop(subscriber);
    let readers = sites.len() - 1;
    Ok(format!("seq {before} → {after}, seen by {readers} nodes after {:.0?}", started.elapsed()))
}

/// Every node has dropped its link to the dead one and knows no path to it; how long that took.
pub(super) async fn gone(sites: &[&Site], node_id: &str) -> Result<Duration, Failure> {
    let started = Instant::now();
    for site in sites {
        until(&format!("{} notices the death", site.name), LIMIT, || async {
            let peers = site.client().peers().await.map_err(|error| error.to_string())?;
            if peers.iter().any(|peer| peer.state == "linked" && peer.node_id.as_deref() == Some(node_id)) {
                return Err("it still has the link".to_owned());
            }
            let nodes = site.client().nodes().await.map_err(|error| error.to_string())?;
            let reachable = nodes.iter().any(|node| node.node_id == node_id && node.reachable);
            if reachable { Err("it still knows a path".to_owned()) } else { Ok(()) }
        })
        .await?;
    }
    Ok(started.elapsed())
}
