//! Requests that an application answers when it has the answer, each by the name it was delivered with.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{extract::State, http::HeaderMap};
use nuncio_node::Responder;

use crate::api::{ErrorCode, Failure};

use super::{Context, Segment, answered::Done, body};

/// Most requests of one listener that wait for their answers; further ones are refused.
pub(crate) const MAX_WAITING: usize = 256;

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
    requests: HashMap<u64, Responder>,
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
        self.desks().get_mut(listener)?.requests.remove(&number.parse().ok()?)
    }

    fn desks(&self) -> MutexGuard<'_, HashMap<String, Desk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Keeps the way back of a request; its name, or `None` when too many wait: then it is refused.
    pub(super) fn keep(&self, responder: Responder) -> Option<String> {
        let mut desks = self.waiting.desks();
        let desk = desks.get_mut(&self.listener).filter(|desk| desk.requests.len() < MAX_WAITING)?;
        desk.delivered += 1;
        desk.requests.insert(desk.delivered, responder);
        Some(format!("{}{}", self.listener, desk.delivered))
    }
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
