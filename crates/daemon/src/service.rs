//! What other nodes ask this one itself: renewals go to the agency's desk, if there is one here; which authorities SDKs stand
//! below, every node says.

mod network;
mod sdks;
mod turns;

use std::{sync::Arc, time::Instant};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;
use nuncio_node::service::{Answer, Call, Calls, Request};
use tokio::sync::mpsc;

pub(crate) use self::network::NetworkSdks;
use self::{
    sdks::{Answers, Asking},
    turns::{Turn, Turns},
};
use crate::{control::Control, issuer::Issuing};

/// What other nodes can make this one hold.
pub(crate) fn bounds() -> Vec<Bound> {
    vec![Asking::BOUND, Turns::BOUND]
}

/// Serves until the node stops. Renewals are made one after the other, since a token signs one thing at a time too; whatever
/// else is asked does not wait for them.
pub(crate) async fn serve(mut calls: Calls, issuing: Option<Issuing>, control: Arc<Control>) {
    let (mut answers, turns) = (Answers::default(), Turns::default());
    let (queue, mut waiting) = mpsc::channel::<(Call, Turn)>(Turns::MAX);
    let issue = async {
        let Some(issuing) = &issuing else { return };
        while let Some((call, turn)) = waiting.recv().await {
            issuing.serve(call, &control).await;
            drop(turn);
        }
    };
    let hear = async {
        while let Some(call) = calls.next().await {
            match (&call.wanted, &issuing) {
                (Request::SdkAuthorities, _) => {
                    let answer = answers.answer(call.from, Instant::now(), || sdks::answer(&control));
                    call.answer(&answer);
                }
                (_, Some(_)) => wait(call, &turns, &queue),
                // Dropped: who asked learns that nobody here does that.
                (_, None) => {}
            }
        }
        drop(queue);
    };
    tokio::join!(issue, hear);
}

/// Puts a renewal behind those of other nodes.
fn wait(call: Call, turns: &Turns, queue: &mpsc::Sender<(Call, Turn)>) {
    match turns.take(call.from) {
        // There is a place for each turn.
        Ok(turn) => drop(queue.try_send((call, turn))),
        Err(reason) => call.answer(&Answer::Refused { reason: reason.into() }),
    }
}
