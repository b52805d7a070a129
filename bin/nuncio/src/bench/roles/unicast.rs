use std::{path::Path, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_node::{Incoming, NodeHandle};

use super::{failed, linked, say, start};
use crate::{
    bench::{
        load::round_trips,
        point::{Point, Work},
    },
    failure::Failure,
};

pub(in crate::bench) const TIMEOUT: Duration = Duration::from_secs(30);

/// Answers every request: with its own bytes, or with none.
pub(super) async fn respond(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    let mut listener = node.listen(Vec::new(), true).await;
    say("ready");
    while let Some(incoming) = listener.next().await {
        if let Incoming::Unicast { body, responder, .. } = incoming {
            let is_echoed = match point.work {
                Work::Unicast => true,
                Work::Fairness => body.len() <= point.payload,
                _ => false,
            };
            responder.reply(if is_echoed { body } else { Bytes::new() });
        }
    }
    Ok(())
}

/// Asks node 0.
pub(super) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?.with_priority(point.priority);
    linked(&node, point.relays + 1).await?;
    let target = first_node(directory)?;
    let payload = Bytes::from(vec![0x5a; point.payload]);
    let expected = if point.work == Work::Unicast { payload.len() } else { 0 };
    round_trips(point, move || ask(node.clone(), target, payload.clone(), expected)).await
}

/// Asks once.
pub(in crate::bench) async fn ask(
    node: NodeHandle,
    target: NodeId,
    payload: Bytes,
    expected: usize,
) -> Result<(), Failure> {
    let answer = node.request(target, payload, TIMEOUT).await;
    let answer = answer.map_err(|error| failed(&error))?;
    if answer.body.len() == expected {
        Ok(())
    } else {
        Err(Failure::operation("bench", format_args!("{} bytes came back", answer.body.len())))
    }
}

/// Who answers.
pub(in crate::bench) fn first_node(directory: &Path) -> Result<NodeId, Failure> {
    let path = directory.join("node0/conf/node.nodeid");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
    text.trim().parse().map_err(|error| Failure::operation("bench", error))
}
