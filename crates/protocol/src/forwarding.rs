//! Messages of others on their way.

use nuncio_identity::NodeId;

use crate::{
    Account, Output, amop,
    copies::Mark,
    gate::Passing,
    header::Letter,
    trace::{Fate, Trace},
    turn::Turn,
    unicast::{self, Refusal},
};

/// A message that this node can pass on, and turn back when there is no way on.
pub(crate) trait Forwarded: Letter + Sized {
    /// Sends it to a peer, on an account.
    fn send(self, to: NodeId, account: Account) -> Output;
    /// What its source is told when it goes no further.
    fn turned_back(&self, refusal: Refusal, turn: &Turn<'_>) -> Self;
}

/// Passes a message on towards its target.
pub(crate) fn forward<M: Forwarded>(passing: Passing<M>, turn: &mut Turn<'_>) {
    let (from, mut message) = passing.into_parts();
    if !message.asks() {
        // Nobody but a source is told.
        message.header_mut().trace = Trace::default();
    }
    if message.header().priority.is_urgent() {
        let length = message.length();
        let header = message.header_mut();
        header.priority = turn.onward.urgency.of_brought((header.source, from), header.priority, length, turn.now);
    }
    let header = *message.header();
    let hop = turn.routing.next_hop_without(&header.target, &[from, header.source]);
    match hop.zip(header.passed_on()) {
        Some((to, _))
            if !turn.onward.may_pass(
                &to,
                (&from, &header.source),
                (Mark::of(&header, message.asks()), 1),
                turn.now,
            ) =>
        {
            tracing::trace!(source = %header.source.short(), to = %to.short(), "one copy too many, dropped");
            turn.ends(&header, from, Fate::Refused);
        }
        Some((to, passed_on)) => {
            turn.passes(&header, from, to);
            *message.header_mut() = passed_on;
            turn.outbox.push(message.send(to, Account::Of(from)));
        }
        None => {
            turn.ends(&header, from, Fate::Refused);
            turn_back(from, &message, Refusal::NoRoute, turn);
        }
    }
}

/// The queue of the next link was full for a message of another node.
pub(crate) fn handle_not_sent<M: Forwarded>(to: NodeId, message: &M, turn: &mut Turn<'_>) {
    let header = message.header();
    turn.onward.handle_not_sent(&to, Mark::of(header, message.asks()));
    turn.trace.handle_not_sent(header, to, turn.outbox);
    if let Some(hop) = turn.routing.next_hop_without(&message.header().source, &[to]) {
        turn_back(hop, message, Refusal::Busy, turn);
    }
}

fn turn_back<M: Forwarded>(hop: NodeId, message: &M, refusal: Refusal, turn: &mut Turn<'_>) {
    if message.asks() {
        let answer = message.turned_back(refusal, turn);
        turn.outbox.push(answer.send(hop, Account::Of(hop)));
    } else {
        tracing::trace!(target = %message.header().target.short(), "no way on for an answer, dropped");
    }
}

impl Forwarded for unicast::Message {
    fn send(self, to: NodeId, account: Account) -> Output {
        Output::SendUnicast { to, account, message: self }
    }

    fn turned_back(&self, refusal: Refusal, turn: &Turn<'_>) -> Self {
        Self { header: turn.answering(&self.header), content: unicast::Content::Failure { refusal } }
    }
}

impl Forwarded for amop::Message {
    fn send(self, to: NodeId, account: Account) -> Output {
        Output::SendBridge { to, account, message: self }
    }

    fn turned_back(&self, _: Refusal, turn: &Turn<'_>) -> Self {
        let (code, data) = (amop::ResultCode::NO_SUBSCRIBER, bytes::Bytes::new());
        Self { header: turn.answering(&self.header), content: amop::Content::Result { code, data } }
    }
}
