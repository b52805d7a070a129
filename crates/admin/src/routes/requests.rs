//! Requests that an application answers when it has the answer, each by the name it was delivered with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{extract::State, http::HeaderMap};
use nuncio_identity::NodeId;
use nuncio_node::Responder;

use crate::api::{ErrorCode, Failure};

use super::{Context, Segment, answered::Done, body};

/// Most requests of one listener that wait for their answers, of one source no more than there is room for others; further
/// ones are refused.
pub(crate) const MAX_WAITING: usize = 512;

/// Hexadecimal digits of a listener in the name of its requests.
const LISTENER_DIGITS: usize = 32;

/// Requests that were delivered and not answered, by listener.
///
/// Bound: the listeners' semaphore, and [`MAX_WAITING`] of each. One that its asker waits for no longer stays until it is
/// answered or its listener goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<String, Desk>>>);

#[derive(Debug, Default)]
struct Desk {
    delivered: u64,
    requests: HashMap<u64, (NodeId, Responder)>,
}

/// One listener's place; with it go the requests that were not answered.
#[derive(Debug)]
pub(super) struct Place {
    waiting: Waiting,
    listener: String,
}

impl Waiting {
    /// A place with a name that nobody guesses.
    pub(super) fn place(&self) -> Place {
        let listener = format!("{:0LISTENER_DIGITS$x}", rand::random::<u128>());
        self.desks().insert(listener.clone(), Desk::default());
        Place { waiting: self.clone(), listener }
    }

    fn take(&self, name: &str) -> Option<Responder> {
        let (listener, number) = name.split_at_checked(LISTENER_DIGITS)?;
        let (_, responder) = self.desks().get_mut(listener)?.requests.remove(&number.parse().ok()?)?;
        Some(responder)
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<String, Desk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps the way back of a request; its name, or `None` when too many wait: then it is refused.
    pub(super) fn keep(&self, from: NodeId, responder: Responder) -> Option<String> {
        let mut desks = self.waiting.desks();
        let desk = desks.get_mut(&self.listener)?;
        if !has_room(desk.requests.values().map(|(source, _)| source), &from) {
            return None;
        }
        desk.delivered += 1;
        desk.requests.insert(desk.delivered, (from, responder));
        Some(format!("{}{}", self.listener, desk.delivered))
    }
}

/// Whether one more request of this source finds room beside those of these.
fn has_room<'a>(waiting: impl Iterator<Item = &'a NodeId>, from: &NodeId) -> bool {
    let (mut all, mut own) = (0, 0);
    for source in waiting {
        all += 1;
        own += usize::from(source == from);
    }
    all + own < MAX_WAITING
}

impl Drop for Place {
    fn drop(&mut self) {
        // Not under the lock: each responder that is dropped sends.
        let desk = self.waiting.desks().remove(&self.listener);
        drop(desk);
    }
}

pub(super) async fn answer(
    State(context): State<Context>,
    Segment(name): Segment,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Done, Failure> {
    let body = body::read(&headers, body, &context.bodies).await?;
    context.waiting.take(&name).ok_or_else(unknown)?.reply(body.bytes);
    Ok(Done)
}

pub(super) async fn decline(State(context): State<Context>, Segment(name): Segment) -> Result<Done, Failure> {
    drop(context.waiting.take(&name).ok_or_else(unknown)?);
    Ok(Done)
}

fn unknown() -> Failure {
    Failure::new(ErrorCode::NotFound, "no request of this name waits for an answer")
        .with_hint("it was answered already, or the listener that it was delivered to has gone")
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn requests_of_one_source_leave_room_for_those_of_others() {
        let [one, another, third] = [(); 3].map(|()| NodeKey::generate().node_id());
        let mut waiting = Vec::new();
        for source in [one, another, third] {
            while has_room(waiting.iter(), &source) {
                waiting.push(source);
            }
        }
        let held = [one, another, third].map(|source| waiting.iter().filter(|one| **one == source).count());
        assert_eq!(held, [256, 128, 64]);
    }
}
