//! Stands before every route: who asks, whether he may, and what he did.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, HttpBody as _},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use nuncio_audit::{Act, Actor, Audit, Event, Outcome, Scope};
use nuncio_metrics::Cause;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    authority::Authority,
    browser_guard,
    lookers::Lookers,
    peer::{Guest, Peer},
    rejection::Rejection,
};
use crate::{
    api::{ErrorCode, Failure},
    routes,
};

/// How often is asked whether who gets an answer that goes on may still have it.
const LOOK: Duration = Duration::from_secs(1);

/// What it decides by.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) authority: Arc<Authority>,
    pub(super) audit: Audit,
    pub(super) lookers: Arc<Lookers>,
}

/// What a request needs: reading is free of side effects, and everything else needs all authority. So no new route can be
/// forgotten.
pub(crate) fn needed(method: &Method) -> Scope {
    if matches!(*method, Method::GET | Method::HEAD) { Scope::Read } else { Scope::Full }
}

pub(super) async fn guard(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
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
    if let Peer::Network(guest) = &peer {
        guest.prove();
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
    let headers = request.headers().clone();
    let response = next.run(request).await;
    if needed == Scope::Full {
        guard.record(asker.actor, call, sends, &response);
    }
    let goes_on = response.body().size_hint().exact().is_none();
    match peer {
        Peer::Network(guest) if goes_on => guard.attend(guest, headers, needed, response),
        _ => response,
    }
}

impl Guard {
    /// Sees to it that an answer that goes on ends, with its connection, when whoever asked may no longer: his token was
    /// taken back or has ended, or his certificate. A reader that stalls is cut off all the same.
    fn attend(&self, guest: Guest, headers: HeaderMap, needed: Scope, response: Response) -> Response {
        let (ended, authority) = (CancellationToken::new(), Arc::clone(&self.authority));
        let end = ended.clone().drop_guard();
        tokio::spawn(async move {
            let peer = Peer::Network(guest.clone());
            loop {
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = sleep(LOOK) => {}
                }
                if !authority.asker(&peer, &headers).is_ok_and(|asker| asker.scope >= needed) {
                    return guest.dismiss();
                }
            }
        });
        response.map(|body| {
            Body::from_stream(body.into_data_stream().inspect(move |_| {
                let _ = &end;
            }))
        })
    }

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

    fn record(&self, actor: Actor, call: Act, sends: bool, response: &Response) {
        let action = response.extensions().get::<Act>().cloned().unwrap_or(call);
        let outcome = match response.extensions().get::<Failure>() {
            Some(failure) => Outcome::Failed { error: failure.error.as_str().into(), cause: (&failure.message).into() },
            None if response.status().is_success() => Outcome::Done,
            None => Outcome::Failed { error: response.status().as_str().into(), cause: "".into() },
        };
        self.audit.record(match sends {
            true => Event::OperatorSent { actor, action, outcome },
            false => Event::OperatorActed { actor, action, outcome },
        });
    }
}

fn call(request: &Request) -> Act {
    Act::Call { method: request.method().as_str().into(), path: request.uri().path().into() }
}
