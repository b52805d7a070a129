//! Sessions of SDKs that do nothing.

use super::{Effort, Line, directory, idle};
use crate::{
    bench::{
        participants::Participants,
        point::{Point, Work},
        roles::{Role, amop::connect},
    },
    failure::Failure,
    testnet::create::{Plan, create},
};

pub(super) async fn measure(n: usize, effort: Effort) -> Result<Line, Failure> {
    let directory = directory()?;
    let network = directory.path().join("net");
    create(&Plan::on_loopback(network.clone(), 2, 1)?, || ())?;
    let mut participants = Participants::default();
    let node = participants.start(Role::Node, 0, &Point::of(Work::Amop), &network).await?;
    let process = participants.process(node)?;
    // The first ones make room that the others use, too.
    let mut sessions = vec![connect(&network, 0).await?];
    let (before, quiet) = (process.resident()?, idle(process, effort).await?);
    while sessions.len() <= n {
        sessions.push(connect(&network, 0).await?);
    }
    let busy = idle(process, effort).await?;
    let resident = process.resident()?.saturating_sub(before);
    for session in sessions {
        drop(session);
    }
    participants.stop().await;
    Ok(Line { idle_percent: Some((busy - quiet).max(0.0) * 100.0 / n as f64), ..Line::new("sessions", n, resident) })
}
