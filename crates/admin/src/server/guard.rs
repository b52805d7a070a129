//! Stands before every route: who asks, whether he may, and what he did.

use std::sync::Arc;

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use nuncio_audit::{Act, Actor, Audit, Event, Outcome, Scope};
use nuncio_metrics::Cause;

use super::{
    authority::{Authority, bearer},
    browser_guard,
    callers::Callers,
    lookers::Lookers,
    peer::Peer,
    rejection::Rejection,
};
use crate::{
    api::{ErrorCode, Failure},
    routes,
};

/// What it decides by.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) authority: Arc<Authority>,
    pub(super) audit: Audit,
    pub(super) lookers: Arc<Lookers>,
    pub(super) callers: Arc<Callers>,
}

/// What a request needs: reading is free of side effects, and everything else needs all authority. So no new route can be
/// forgotten.
pub(crate) fn needed(method: &Method) -> Scope {
    if matches!(*method, Method::GET | Method::HEAD) { Scope::Read } else { Scope::Full }
}

pub(super) async fn guard(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let (needed, call) = (needed(request.method()), call(&request));
    if let Peer::Network(guest) = &peer
        && let Err(failure) = browser_guard::judge(request.headers(), request.uri(), guest.is_tls)
    {
        return guard.refuse(&peer, None, call, failure);
    }
    if needed == Scope::Read && routes::is_page(request.uri().path()) {
        return next.run(request).await;
    }
    let asker = match guard.authority.asker(&peer, request.headers()) {
        Ok(asker) => asker,
        Err(failure) => return guard.refuse(&peer, None, call, failure),
    };
    peer.standing().prove();
    if let Peer::Network(guest) = &peer {
        guard.callers.note(guest, bearer(request.headers()).ok().flatten(), asker.scope);
    }
    if asker.scope < Scope::Full {
        guard.lookers.note(&asker.actor, peer.standing());
    }
    if asker.scope < needed {
        let message = format!("this needs the role {needed}, and {} has the role {}", asker.actor, asker.scope);
        let failure = Failure::new(ErrorCode::Forbidden, message).with_hint(
            "ask an operator with the role full, or see [admin] full_users, read_only and `nuncio token list`",
        );
        return guard.refuse(&peer, Some(asker.actor), call, failure);
    }
    let sends = routes::is_message(request.uri().path());
    request.extensions_mut().insert(asker.scope);
    let acting = (needed == Scope::Full).then(|| Acting { guard: &guard, said: Some((asker.actor, call)), sends });
    let response = next.run(request).await;
    if let Some(acting) = acting {
        acting.end(&response);
    }
    response
}

/// An act that has begun: whether it is answered or its connection ends before, it is on record.
struct Acting<'a> {
    guard: &'a Guard,
    said: Option<(Actor, Act)>,
    sends: bool,
}

impl Acting<'_> {
    fn end(mut self, response: &Response) {
        if let Some((actor, call)) = self.said.take() {
            let action = response.extensions().get::<Act>().cloned().unwrap_or(call);
            self.guard.record(actor, action, self.sends, outcome_of(response));
        }
    }
}

impl Drop for Acting<'_> {
    fn drop(&mut self) {
        if let Some((actor, action)) = self.said.take() {
            let cause = "its connection ended before the answer".into();
            self.guard.record(actor, action, self.sends, Outcome::Failed { error: "cut_off".into(), cause });
        }
    }
}

fn outcome_of(response: &Response) -> Outcome {
    match response.extensions().get::<Failure>() {
        Some(failure) => Outcome::Failed { error: failure.error.as_str().into(), cause: (&failure.message).into() },
        None if response.status().is_success() => Outcome::Done,
        None => Outcome::Failed { error: response.status().as_str().into(), cause: "".into() },
    }
}

impl Guard {
    fn refuse(&self, peer: &Peer, actor: Option<Actor>, action: Act, rejection: impl Into<Rejection>) -> Response {
        let Rejection { cause, failure } = rejection.into();
        let refused = Cause::Admin(cause).into();
        let (address, cause) = (peer.to_string().into(), (&failure.message).into());
        let hint = failure.hint.as_deref().unwrap_or_default().into();
        self.audit.record(Event::OperatorRefused { refused, address, actor, action, cause, hint });
        let mut response = failure.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn record(&self, actor: Actor, action: Act, sends: bool, outcome: Outcome) {
        self.audit.record(match sends {
            true => Event::OperatorSent { actor, action, outcome },
            false => Event::OperatorActed { actor, action, outcome },
        });
    }
}

fn call(request: &Request) -> Act {
    Act::Call { method: request.method().as_str().into(), path: request.uri().path().into() }
}
