use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, Signature};
use nuncio_protocol::{
    Account, BridgeInput, Input, MAX_HOPS, MulticastInput, Output, PeeringInput, StatusInput, Topic, UnicastInput,
    amop::{ClientInput, ClientOutput, Kind, Multicast, PublishSeq, ResultCode, SealedPost},
    bridge::Frame,
    multicast::{Batch, Leg, Proof, priority_of},
    peering::{ConnectionId, LinkDownReason},
    status_sync::{Answer, QueryId, Record, Status, Version},
    unicast::{ExchangeId, Message, Reply, UnicastError},
};
use rand::RngExt;

use super::{
    Heard, Listening, Passed, Simulator, What,
    gossip::Announcement,
    names::sign,
    narrow::Parcel,
    network::{Event, Waiting},
    wire_size,
};

/// How long a query waits for its answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a peer says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// The simulated edges: they carry out what cores decide.
impl Simulator {
    /// Takes and carries out all outputs of a node, then sets its timer.
    pub(super) fn carry_out(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].overlay.as_mut().and_then(|overlay| overlay.poll_output()) {
            self.journal.push(self.now, node, || What::Out(output.clone()));
            self.perform(node, output);
        }
        let Some(due) = self.nodes[node].overlay.as_ref().and_then(|overlay| overlay.poll_timeout()) else { return };
        let at = due.saturating_duration_since(self.base).max(self.now);
        if self.nodes[node].wake.is_none_or(|wake| at < wake) {
            self.nodes[node].wake = Some(at);
            self.network.schedule(at, Event::Wake { node });
        }
    }

    pub(super) fn perform(&mut self, node: usize, output: Output) {
        let Some(output) = self.spoil(node, output) else { return };
        match output {
            Output::Dial { address, .. } => self.dial(node, address),
            Output::Close { connection, reason } => self.close(node, connection, &reason),
            Output::LinkUp { peer, .. } => self.note_link(node, peer, true),
            Output::LinkDown { peer, .. } => self.note_link(node, peer, false),
            // Only what was forged is sealed here, and no key opens it. A simulated node keeps its epochs; simulated applications
            // have nothing traced.
            Output::LinkMoved { .. }
            | Output::EpochOutrun { .. }
            | Output::EpochSpent { .. }
            | Output::ReachabilityChanged { .. }
            | Output::Denied { .. }
            | Output::OverQuota { .. }
            | Output::Traced { .. }
            | Output::SignReport { .. }
            | Output::CheckReport { .. }
            | Output::Unseal(_) => {}
            Output::Relay { topics } => drop(self.nodes[node].takes_part.set_relayed(topics)),
            Output::NodeChanged { record } => self.observed.unsigned += usize::from(!self.is_signed(&record)),
            Output::Sign { status } => self.sign(node, status),
            Output::Announce { version } => self.announce_own(node, version),
            Output::Judged { id, judgement } => self.conclude(node, id, judgement),
            Output::Query { peer, wanted } => {
                self.observed.traffic.bytes += wire_size::query(&wanted);
                self.query(node, peer, |query, peer| StatusInput::Queried { pages: 0, query, peer, wanted })
            }
            Output::Probe { connection } => self.probe(node, connection),
            Output::AnswerRevocations { query, .. } => self.answer_with_lists(node, query),
            Output::Equivocation { .. } | Output::DuplicateIdentity { .. } => self.observed.duplicates += 1,
            Output::Answer { query, records, proofs, more } => {
                self.answer_with_records(node, query, Answer { proofs, more, ..Answer::of(records) });
            }
            Output::Ignore { query } => {
                self.answer(node, query, StatusInput::QueryFailed { peer: self.network.ids[node] });
            }
            Output::SendUnicast { to, account, message } => self.put(node, to, account, Parcel::Unicast(message)),
            Output::SendBridge { to, account, message } => self.bridge(node, to, account, Frame::Message(message)),
            Output::SendMulticast { to, account, multicast } => {
                self.bridge(node, to, account, Frame::Multicast(multicast));
            }
            Output::SendBatch { to, account, leg } => self.bridge(node, to, account, Frame::Batch(leg)),
            Output::SendWanted { to, account, wanted } => self.bridge(node, to, account, Frame::Wanted(wanted)),
            Output::Multicast { origin, epoch, topic, first, bodies } => {
                self.hears(node, (origin, epoch, topic), first).extend(heard(first, &bodies));
            }
            Output::Gap { origin, epoch, topic, from, to } => {
                self.hears(node, (origin, epoch, topic), from).push(Heard::Gap(from, to));
            }
            Output::Ban { peer, .. } => self.note_ban(node, &peer),
            Output::Request { inbound, source, body, .. } => {
                self.note_handler_run(node, source, &body);
                self.think(node, UnicastInput::Respond { inbound, body });
            }
            // The edge would decline what no service takes.
            Output::ServiceRequest { inbound, .. } => {
                let refusal = nuncio_protocol::unicast::Refusal::NoHandler;
                self.think(node, UnicastInput::Decline { inbound, refusal });
            }
            Output::Completed { exchange, outcome } => self.note_end(node, exchange, outcome),
            Output::Client(output) => self.perform_for_client(node, output),
        }
    }

    fn announce_own(&mut self, node: usize, version: Version) {
        let instant = self.instant();
        let clock = self.overlay(node).map_or(Duration::ZERO, |overlay| overlay.clock(instant));
        self.announce(node, Announcement { node: self.network.ids[node], version, clock });
    }

    /// What applications of a node have heard of one topic of an origin, with the priority of this number.
    fn hears(
        &mut self,
        node: usize,
        (origin, epoch, topic): (NodeId, u64, Option<Topic>),
        number: u64,
    ) -> &mut Vec<Heard> {
        let priority = priority_of(number);
        let listening = Listening { node, since: self.nodes[node].epoch, origin, epoch, topic, priority };
        self.observed.heard.entry(listening).or_default()
    }

    /// Whatever is told about a link changes something.
    fn note_link(&mut self, node: usize, peer: NodeId, is_linked: bool) {
        self.network.note_link(node, &peer, is_linked);
        let links = self.observed.links.entry(node).or_default();
        let has_changed = if is_linked { links.insert(peer) } else { links.remove(&peer) };
        self.observed.link_disorders += usize::from(!has_changed);
    }

    fn bridge(&mut self, node: usize, to: NodeId, account: Account, frame: Frame) {
        self.put(node, to, account, Parcel::Bridge(frame));
    }

    /// Puts something on its link; where that has no room, the core is told at once.
    fn put(&mut self, node: usize, to: NodeId, account: Account, parcel: Parcel) {
        let refused = match self.number(&to) {
            _ if self.is_full() => Some(parcel),
            Some(number) => self.wait_for_link((node, number), account, parcel),
            None => None,
        };
        if let Some(parcel) = refused {
            self.not_sent(node, parcel.not_sent(to, account));
        }
    }

    /// Something leaves a node.
    pub(super) fn depart(&mut self, node: usize, to: usize, parcel: Parcel) {
        let to = self.network.ids[to];
        match parcel {
            Parcel::Unicast(message) => self.send_unicast(node, to, message),
            Parcel::Bridge(frame) => self.send_bridge(node, to, frame),
        }
    }

    fn send_unicast(&mut self, node: usize, to: NodeId, message: Message) {
        let (hops, left) = (message.header.hops, message.header.hops_left);
        if message.header.source != self.network.ids[node] {
            self.note_passed(node, Passed::Unicast, wire_size::unicast(&message));
        }
        self.observed.long_ways += usize::from(hops > MAX_HOPS || hops + left > MAX_HOPS);
        self.observed.traffic.messages += 1;
        self.send(node, to, UnicastInput::Received { from: self.network.ids[node], message });
    }

    /// The same of what goes over the bridge.
    fn send_bridge(&mut self, node: usize, to: NodeId, frame: Frame) {
        let from = self.network.ids[node];
        match &frame {
            Frame::Message(message) if message.header.source != from => {
                self.note_passed(node, Passed::Bridge, wire_size::bridge(message));
            }
            Frame::Wanted(wanted) if wanted.asker != from => self.note_passed(node, Passed::Wanted, wire_size::WANTED),
            _ => {}
        }
        self.observed.long_ways += usize::from(frame.hops_left() >= MAX_HOPS);
        self.observed.traffic.messages += 1;
        self.send(node, to, shown(from, to, frame).received(from));
    }

    /// What comes for another node.
    pub(super) fn note_brought(&mut self, node: usize, input: &Input) {
        let me = self.network.ids[node];
        let kind = match input {
            Input::Unicast(UnicastInput::Received { message, .. }) if message.header.target != me => Passed::Unicast,
            Input::Bridge(BridgeInput::Received { message, .. }) if message.header.target != me => Passed::Bridge,
            Input::Multicast(MulticastInput::Wanted { wanted, .. }) if wanted.origin != me => Passed::Wanted,
            _ => return,
        };
        if self.is_honest(node) {
            self.observed.passed.entry((node, kind)).or_default().0 += wire_size::brought(input).unwrap_or_default();
        }
    }

    /// What another node sent, passed on.
    fn note_passed(&mut self, node: usize, kind: Passed, bytes: u64) {
        if self.is_honest(node) {
            let (came, went) = self.observed.passed.entry((node, kind)).or_default();
            *went += bytes;
            if *went > wire_size::MOST_OUT * *came {
                self.observed.amplified = Some((node, kind));
            }
        }
    }

    /// Whether the queue of the link that a message is for is full now.
    fn is_full(&mut self) -> bool {
        self.weather.full > 0.0 && self.rng.random_bool(self.weather.full)
    }

    /// A link had no room: what the core hears of it.
    fn not_sent(&mut self, node: usize, input: Option<Input>) {
        let Some(input) = input else { return };
        self.observed.not_sent += 1;
        let instant = self.instant();
        self.journal.push(self.now, node, || What::In(input.clone()));
        if let Some(overlay) = &mut self.nodes[node].overlay {
            overlay.handle_input(input, instant);
        }
    }

    fn sign(&mut self, node: usize, status: Status) {
        let (record, instant) = (sign(status), self.instant());
        let version = (self.network.ids[node], record.status.version);
        self.signed.entry(version).or_default().push(record.bytes.clone());
        if let Some(overlay) = &mut self.nodes[node].overlay {
            overlay.handle_input(StatusInput::Signed { record }, instant);
        }
    }

    fn note_ban(&mut self, node: usize, peer: &NodeId) {
        let is_unjust = self.is_honest(node) && self.number(peer).is_some_and(|peer| self.is_honest(peer));
        self.observed.bans += 1;
        self.observed.unjust_bans += usize::from(is_unjust);
    }

    /// Whether the owner of a record signed it. Most often it is the very buffer that was signed.
    fn is_signed(&self, record: &Record) -> bool {
        let signed = self.signed.get(&(record.status.node, record.status.version));
        signed.into_iter().flatten().any(|signed| {
            let same = signed.as_ptr() == record.bytes.as_ptr() && signed.len() == record.bytes.len();
            same || *signed == record.bytes
        })
    }

    fn perform_for_client(&mut self, node: usize, output: ClientOutput) {
        match output {
            ClientOutput::Deliver { client, account, delivery, kind, data, .. } => {
                if let Account::Of(source) | Account::Brought(source, _) = account {
                    self.note_source(node, &source);
                }
                let Some(state) = self.clients.get(&client) else {
                    let failed = ClientInput::DeliveryFailed { client, delivery };
                    self.think(node, failed);
                    return;
                };
                let deaf = state.deaf;
                if let Some(seq) = data.first_chunk().copied()
                    && let Some(trace) = self.observed.publishes.get_mut(&(publisher(&seq), PublishSeq(seq)))
                {
                    *trace.deliveries.entry(client).or_insert(0) += 1;
                }
                if !deaf && kind == Kind::Unicast {
                    let code = ResultCode::OK;
                    self.think(node, ClientInput::Acknowledge { client, delivery, code, data });
                }
            }
            // No simulated client publishes privately, so none is asked; none has too many topics.
            ClientOutput::Challenge { .. } | ClientOutput::SubscriptionRefused { .. } => {}
            ClientOutput::Reply { client, seq, code, .. } => {
                let end = (self.now, code);
                match self.observed.publishes.get_mut(&(client, seq)) {
                    Some(trace) => {
                        trace.ends += 1;
                        trace.ended.get_or_insert(end);
                    }
                    None => self.observed.stray_ends += 1,
                }
            }
        }
    }

    /// An application or client takes its time, unless the node stops meanwhile.
    fn think(&mut self, node: usize, input: impl Into<Input>) {
        let at = self.now + self.rng.random_range(self.weather.thinking.clone());
        let generation = self.network.generations[node];
        self.network.schedule(at, Event::Arrive { node, generation, input: Box::new(input.into()) });
    }

    pub(super) fn send(&mut self, from: usize, to: NodeId, input: impl Into<Input>) {
        if let Some(to) = self.number(&to) {
            self.carry(from, to, input);
        }
    }

    /// The other end hears the goodbye before the end.
    fn close(&mut self, node: usize, connection: ConnectionId, reason: &LinkDownReason) {
        let Some(&(a, b)) = self.network.connections.get(&connection) else { return };
        let open = self.network.is_open(a, b);
        let other = if node == a { b } else { a };
        if let (true, Some(parting)) = (open, reason.parting()) {
            self.carry_surely(node, other, PeeringInput::Farewell { connection, parting });
        }
        let after = if open { Duration::ZERO } else { self.weather.dead_after };
        self.break_connection(connection, "closed by peer", after);
    }

    /// The other end's next heartbeat.
    fn probe(&mut self, node: usize, connection: ConnectionId) {
        let Some(&(a, b)) = self.network.connections.get(&connection) else { return };
        if self.network.is_open(a, b) {
            let at = self.arrival() + self.rng.random_range(Duration::ZERO..=HEARTBEAT);
            let (generation, input) = (self.network.generations[node], PeeringInput::Alive { connection });
            self.network.schedule(at, Event::Arrive { node, generation, input: Box::new(input.into()) });
        }
    }

    fn answer_with_records(&mut self, node: usize, query: QueryId, answer: Answer) {
        let (records, bytes) = (answer.records.len() as u64, answer.bytes as u64);
        self.observed.traffic.records += records;
        self.observed.traffic.record_bytes += bytes;
        self.observed.traffic.bytes += wire_size::answer(records, bytes);
        self.answer(node, query, StatusInput::Answered { peer: self.network.ids[node], answer });
    }

    /// The asker takes all lists at once: in the simulation every list is signed well.
    fn answer_with_lists(&mut self, node: usize, query: QueryId) {
        let lists = |simulator: &Self, node: usize| {
            let overlay = simulator.nodes[node].overlay.as_ref()?;
            Some(overlay.record(&simulator.network.ids[node])?.status.revocations.clone())
        };
        let Some(Waiting { asker, .. }) = self.network.waiting(&query) else { return };
        let mut numbers = lists(self, asker).unwrap_or_default();
        for (issuer, number) in lists(self, node).unwrap_or_default() {
            let newest = numbers.entry(issuer).or_insert(0);
            *newest = number.max(*newest);
        }
        if self.network.is_connected(node, asker) && self.network.is_open(node, asker) {
            self.carry_surely(node, asker, StatusInput::RevocationLists { numbers });
        }
        self.answer(node, query, StatusInput::RevocationsAnswered { peer: self.network.ids[node] });
    }

    fn query(&mut self, asker: usize, peer: NodeId, input: impl FnOnce(QueryId, NodeId) -> StatusInput) {
        let Some(asked) = self.number(&peer) else { return };
        self.next_id += 1;
        let query = QueryId(self.next_id);
        self.observed.traffic.queries += 1;
        let waiting = Waiting { asker, generation: self.network.generations[asker], asked };
        self.network.expect_answer(query, waiting, self.now + QUERY_TIMEOUT);
        self.carry(asker, asked, input(query, self.network.ids[asker]));
    }

    fn answer(&mut self, node: usize, query: QueryId, input: impl Into<Input>) {
        if let Some(Waiting { asker, generation, .. }) = self.network.waiting(&query)
            && self.network.generations[asker] == generation
            && self.carry(node, asker, input)
        {
            self.network.answered(&query);
        }
    }

    fn note_end(&mut self, node: usize, exchange: ExchangeId, outcome: Result<Reply, UnicastError>) {
        match self.observed.requests.get_mut(&(node, exchange)) {
            Some(trace) => {
                trace.ends += 1;
                trace.ended.get_or_insert((self.now, outcome));
                self.observed.denied_runs += usize::from(trace.is_denied() && trace.handler_runs > 0);
            }
            None => self.observed.stray_ends += 1,
        }
    }

    /// Something of a node is delivered.
    fn note_source(&mut self, node: usize, source: &NodeId) {
        self.observed.uncertified += usize::from(!self.network.is_shown(node, source));
    }

    fn note_handler_run(&mut self, node: usize, source: NodeId, body: &[u8]) {
        self.note_source(node, &source);
        let exchange = body.first_chunk().map(|bytes| ExchangeId(u64::from_be_bytes(*bytes)));
        if let (Some(from), Some(exchange)) = (self.number(&source), exchange)
            && let Some(trace) = self.observed.requests.get_mut(&(from, exchange))
        {
            trace.handler_runs += 1;
            self.observed.handler_reruns += usize::from(trace.handler_runs > 1);
            self.observed.denied_runs += usize::from(trace.is_denied());
        }
    }

    pub(super) fn number(&self, node: &NodeId) -> Option<usize> {
        self.network.numbers.get(node).copied()
    }
}

/// As it arrives: sealed or signed where it is to be shown to others, or was.
fn shown(from: NodeId, to: NodeId, frame: Frame) -> Frame {
    let signature = || Signature::from_bytes(&[0; Signature::LENGTH]).expect("as long as one");
    match frame {
        // Every node may open what is for it; whether it is to be passed on shows at its destinations.
        Frame::Multicast(multicast) => {
            let bytes = multicast.post.as_ref().map_or_else(Bytes::new, |post| post.data.clone());
            let sealed = Some(SealedPost { bytes, tenant: Bytes::new(), signature: signature() });
            Frame::Multicast(Multicast { sealed, ..multicast })
        }
        Frame::Batch(leg) => {
            let goes_on = leg.batch.origin != from || leg.destinations.iter().any(|destination| destination.node != to);
            let batch = Batch { proof: Proof::default(), ..Batch::clone(&leg.batch) };
            if goes_on {
                batch.proof.signature.get_or_init(signature);
            }
            Frame::Batch(Leg { batch: batch.into(), ..leg })
        }
        other => other,
    }
}

/// The simulator writes the publisher into the seq.
fn publisher(seq: &[u8; 32]) -> nuncio_protocol::amop::ClientId {
    let mut number = [0; 8];
    number.copy_from_slice(&seq[..8]);
    nuncio_protocol::amop::ClientId(u64::from_be_bytes(number))
}

fn heard(first: u64, bodies: &[Bytes]) -> impl Iterator<Item = Heard> {
    let number_of = |body: &Bytes| body.first_chunk().map_or(0, |number| u64::from_be_bytes(*number));
    (first..).zip(bodies).map(move |(number, body)| Heard::Message(number, number_of(body)))
}
