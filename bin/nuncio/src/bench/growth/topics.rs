//! Topics that clients of one node subscribe, and whether requests there wait for them.

use std::path::Path;

use nuncio_channel_client::{Client, Subscription};

use super::{Line, directory};
use crate::{
    bench::{
        participants::Participants,
        point::{Point, Work},
        roles::{Role, amop::connect, failed},
    },
    failure::Failure,
    testnet::create::{Plan, create},
};

/// Topics of one session: as many as one may list.
const EACH: usize = 500;

pub(super) async fn measure(n: usize) -> Result<Line, Failure> {
    let directory = directory()?;
    let network = directory.path().join("net");
    create(&Plan::on_loopback(network.clone(), 2, 1)?, || ())?;
    let mut participants = Participants::default();
    let point = Point::of(Work::Unicast);
    let node = participants.start(Role::Responder, 0, &point, &network).await?;
    let process = participants.process(node)?;
    // The first one makes room that the others use, too.
    let mut sessions = vec![subscribed(&network, vec!["first".to_owned()]).await?];
    let before = process.resident()?;
    for session in 0..n.div_ceil(EACH) {
        let names = session * EACH..n.min((session + 1) * EACH);
        let names = names.map(|topic| format!("company/{session}/instrument/{topic}")).collect();
        sessions.push(subscribed(&network, names).await?);
    }
    let load = participants.start(Role::Load, 1, &point, &network).await?;
    let (outcome, cpu_s) = participants.measure(load).await?;
    let resident = process.resident()?.saturating_sub(before);
    drop(sessions);
    participants.stop().await;
    Ok(Line {
        request_cpu_us: Some(cpu_s * 1e6 / outcome.count.max(1) as f64),
        request_p99_us: Some(outcome.p99_us),
        ..Line::new("topics", n, resident)
    })
}

async fn subscribed(network: &Path, topics: Vec<String>) -> Result<(Client, Subscription), Failure> {
    let client = connect(network, 0).await?;
    let subscription = client.subscribe(topics).await.map_err(|error| failed(&error))?;
    Ok((client, subscription))
}
