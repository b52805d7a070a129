//! The same of AMOP unicasts between two SDK clients.

use std::{path::Path, time::Duration};

use bytes::Bytes;

use super::{
    super::amop::{connect, known, publish},
    in_company,
};
use crate::{
    bench::{load::say_outcome, point::Point},
    failure::Failure,
};

/// From the end of one publish to the next: a certificate may have fewer urgent ones than a node's applications.
const PAUSE: Duration = Duration::from_millis(8);

/// Publishes at node 1. What is beside has a session of its own: in one all goes one after the other.
pub(in crate::bench::roles) async fn load(point: &Point, directory: &Path) -> Result<(), Failure> {
    let (client, other) = (connect(directory, 1).await?, connect(directory, 1).await?);
    known(&client).await?;
    let company = point.beside.company(point.in_flight);
    let (urgent, payload) = (client.with_priority(point.priority), Bytes::from(vec![0x5a; point.payload]));
    let (beside, body) = (other.with_priority(company.priority), Bytes::from(vec![0xa5; company.bytes]));
    let one = move || publish(urgent.clone(), payload.clone());
    let outcome = in_company(point, (PAUSE, one), move || publish(beside.clone(), body.clone())).await?;
    say_outcome(&outcome);
    Ok(())
}
