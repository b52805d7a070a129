//! Messages between the network and the applications of this node.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nuncio_behaviour::Event;
use nuncio_identity::NodeId;
use nuncio_metrics::{Served, UnicastEnd};
use nuncio_protocol::{
    Topic,
    trace::Traced,
    unicast::{self, ExchangeId, InboundId, Refusal, UnicastError},
};

use super::{EventLoop, Waiting, cast, end};
use crate::{handle::Answer, listener::Run, listeners::Missed, replies::Reply, service, way::Way};

impl EventLoop {
    pub(super) fn complete(&mut self, exchange: ExchangeId, outcome: Result<unicast::Reply, UnicastError>) {
        let Some(Waiting { answer, since }) = self.exchanges.remove(&exchange) else { return };
        let outcome = outcome.map(|reply| Answer { body: reply.body, hops: reply.hops, rtt: since.elapsed() });
        let unicast = &self.metrics.unicast;
        unicast.ended.increment(outcome.as_ref().err().map_or(UnicastEnd::Delivered, end));
        if let Ok(answer) = &outcome {
            unicast.duration.observe(answer.rtt);
        }
        self.show_open_requests();
        // The caller may have gone; the exchange ends all the same.
        let _ = answer.send(outcome);
    }

    /// Messages to many.
    pub(super) fn hear(&mut self, mut run: Run) {
        if !self.admission.admits(&run.origin()) || !self.hears(&run) {
            return;
        }
        // Which of them are over their origin's quota is judged for each.
        while let Some(taken) = self.take(&run) {
            let allowed = run.take_first(taken);
            self.hand_on(&allowed);
            run.take_first(1);
        }
        self.hand_on(&run);
    }

    fn hand_on(&mut self, run: &Run) {
        self.metrics.node.heard.add(cast(run.topic()), run.len() as u64);
        self.listeners.multicast(run, Instant::now());
    }

    /// Messages to many did not come.
    pub(super) fn miss(&mut self, origin: NodeId, topic: Option<&Topic>, missed: Missed) {
        if !self.admission.admits(&origin) {
            return;
        }
        let count = missed.last - missed.first + 1;
        self.lost = self.lost.saturating_add(count);
        self.report_gap(&origin, count);
        self.shown.touch();
        self.listeners.gap(origin, topic, missed);
    }

    /// Whether applications here may hear them from their origin.
    fn hears(&mut self, run: &Run) -> bool {
        let record = self.swarm.behaviour().overlay().record(&run.origin()).map(|record| &**record);
        self.hearing.hears(record, run.topic(), run.len())
    }

    /// Takes them from their origin's quota; says how many there were before the first that is over it, if one is.
    fn take(&mut self, run: &Run) -> Option<usize> {
        let topic = run.topic()?.as_str().len();
        self.swarm.behaviour_mut().takes(run.origin(), run.lengths().map(|bytes| topic + bytes))
    }

    /// What is known of the way of a request.
    pub(super) fn tell_way(&mut self, exchange: ExchangeId, traced: &Traced) {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let me = self.swarm.behaviour().overlay().node();
        if let Some(way) = self.ways.remove(&exchange) {
            // The caller may have gone.
            let _ = way.send(Way::of(traced, me, (clock, Instant::now())));
        }
    }

    pub(super) fn hand_over(&mut self, request: Event) {
        let Event::Request { inbound, source, body, parent, priority } = request else { return };
        let taken = if self.admission.admits(&source) {
            self.listeners.request(source, (body, parent, priority), inbound, &self.replies)
        } else {
            Err(Refusal::NoHandler)
        };
        if let Err(refusal) = taken {
            let served = if refusal == Refusal::Busy { Served::Busy } else { Served::NoHandler };
            self.metrics.unicast.served.increment(served);
            self.swarm.behaviour_mut().decline(inbound, refusal);
        }
    }

    /// A request to the node itself.
    pub(super) fn serve(&mut self, inbound: InboundId, source: NodeId, body: Bytes) {
        let is_welcome = self.admission.admits(&source);
        if is_welcome && service::is_probe(&body) {
            return self.answer_probe(inbound, source);
        }
        let taken = match self.service.as_ref().filter(|_| is_welcome) {
            Some(port) => port.request(source, body, inbound, &self.replies),
            None => Err(Refusal::NoHandler),
        };
        if let Err(refusal) = taken {
            self.swarm.behaviour_mut().decline(inbound, refusal);
        }
    }

    /// Says that this node is there.
    fn answer_probe(&mut self, inbound: InboundId, source: NodeId) {
        let is_answered = self.probes.may_answer(source, Instant::now());
        let behaviour = self.swarm.behaviour_mut();
        if is_answered {
            behaviour.respond(inbound, service::Answer::Probed.encode());
        } else {
            behaviour.decline(inbound, Refusal::Busy);
        }
    }

    pub(super) fn handle_reply(&mut self, reply: Reply) {
        self.replies.taken(&reply);
        let (Reply { inbound, body }, behaviour) = (reply, self.swarm.behaviour_mut());
        let served = if body.is_some() { Served::Reply } else { Served::Unanswered };
        self.metrics.unicast.served.increment(served);
        match body {
            Some(body) => behaviour.respond(inbound, body),
            // A listener had it.
            None => behaviour.abandon(inbound),
        }
    }
}
