use std::{path::Path, time::Duration};

use bytes::Bytes;
use nuncio_identity::NodeId;
use nuncio_node::Incoming;

use super::{linked, say, start};
use crate::{
    bench::{
        load::round_trips,
        point::{Point, Work},
    },
    failure::{Failure, causes},
};

pub(in crate::bench) const TIMEOUT: Duration = Duration::from_secs(30);

/// Answers every request: with its own bytes, or with none.
pub(super) async fn respond(directory: &Path, index: usize, echo: bool) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    let mut listener = node.listen(Vec::new(), true).await;
    say("ready");
    while let Some(incoming) = listener.next().await {
        if let Incoming::Unicast { body, responder, .. } = incoming {
            responder.reply(if echo { body } else { Bytes::new() });
        }
    }
    Ok(())
}

/// Asks node 0.
pub(super) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    linked(&node, point.relays + 1).await?;
    let target = first_node(directory)?;
    let payload = Bytes::from(vec![0x5a; point.payload]);
    let expected = if point.work == Work::Unicast { payload.len() } else { 0 };
    round_trips(point, move || {
        let (node, payload) = (node.clone(), payload.clone());
        async move {
            let answer = node.request(target, payload, TIMEOUT).await;
            let answer = answer.map_err(|error| Failure::operation("bench", causes(&error)))?;
            if answer.body.len() == expected {
                Ok(())
            } else {
                Err(Failure::operation("bench", format_args!("{} bytes came back", answer.body.len())))
            }
        }
    })
    .await
}

/// Who answers.
pub(in crate::bench) fn first_node(directory: &Path) -> Result<NodeId, Failure> {
    let path = directory.join("node0/conf/node.nodeid");
    let text = std::fs::read_to_string(&path).map_err(|error| Failure::file("read", &path, &error))?;
    text.trim().parse().map_err(|error| Failure::operation("bench", error))
}
