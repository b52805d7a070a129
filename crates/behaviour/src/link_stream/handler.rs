use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures::FutureExt;
use futures_timer::Delay;
use libp2p::{
    StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol, handler::ConnectionEvent,
    },
};
use nuncio_identity::NodeId;
use nuncio_metrics::Metrics;
use nuncio_protocol::{Account, Strike};

use super::{
    Config, Protocol, Room,
    heartbeat::Heartbeat,
    intake::{Intake, Load},
    queue::Queue,
    reader::{Batch, ReadError, Reader, Spoiled},
    writer::Writer,
};

/// What a connection tells the behaviour.
pub enum Event<M> {
    Received {
        messages: Vec<M>,
        spoiled: Spoiled,
        load: Option<Load>,
        read: Instant,
    },
    /// The peer has no such stream.
    Returned(Vec<(Account, M)>),
    Alive,
    Finished,
    Failed {
        reason: Arc<str>,
        strike: Option<Strike>,
    },
}

/// What the behaviour wants of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Command {
    /// Say when something arrives next.
    Probe,
    /// Write what is queued and give the peer time to read it, then say so.
    Finish,
}

/// How long a connection may take to write what is queued before it is closed all the same.
const FINISH: Duration = Duration::from_secs(1);

/// How long the peer may then take to read it and close.
const LINGER: Duration = Duration::from_millis(300);

impl<M> fmt::Debug for Event<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { messages, .. } => write!(f, "Received({} messages)", messages.len()),
            Self::Returned(messages) => write!(f, "Returned({} messages)", messages.len()),
            Self::Alive => f.write_str("Alive"),
            Self::Finished => f.write_str("Finished"),
            Self::Failed { reason, .. } => write!(f, "Failed({reason})"),
        }
    }
}

/// One connection: writes what is queued for it, reads what its peer writes, watches that the peer is alive.
pub struct Handler<P: Protocol> {
    protocol: P,
    peer: NodeId,
    queue: Arc<Queue<P::Message>>,
    outbound: Outbound<P::Message>,
    inbound: Option<Reader>,
    /// A whole batch was handed on, and there may be more to read.
    has_more: bool,
    heartbeat: Heartbeat,
    /// Beats until the next sign of life, and from one to the next.
    alive: (u32, u32),
    longest: usize,
    intake: Room,
    silence: Duration,
    probed: bool,
    answered: bool,
    finishing: Option<Finishing>,
    refused: bool,
    failed: bool,
    metrics: Metrics,
}

/// `Wanted → Opening → Open`; a stream that fails ends the connection, so there is no way back. `Lacking` where the peer need
/// not have it and has not.
enum Outbound<M> {
    Wanted,
    Opening,
    Open(Box<Writer<M>>),
    Lacking,
}

/// The end of a connection.
struct Finishing {
    deadline: Delay,
    lingers: bool,
}

type Output<P> = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Event<<P as Protocol>::Message>>;

impl<P: Protocol> Handler<P> {
    pub(crate) fn new(
        protocol: P,
        peer: NodeId,
        queue: Arc<Queue<P::Message>>,
        Config { pulse, alive, silence, intake, longest, meter: (metrics, _), .. }: Config,
    ) -> Self {
        Self {
            protocol,
            peer,
            queue,
            outbound: Outbound::Wanted,
            inbound: None,
            has_more: false,
            heartbeat: Heartbeat::new(pulse.of(&peer)),
            alive: (alive, alive),
            longest,
            intake,
            silence,
            probed: false,
            answered: false,
            finishing: None,
            refused: false,
            failed: false,
            metrics,
        }
    }

    fn fail(&mut self, reason: String) -> Poll<Output<P>> {
        self.fail_by(reason, None)
    }

    fn fail_by(&mut self, reason: String, strike: Option<Strike>) -> Poll<Output<P>> {
        self.failed = true;
        self.inbound = None;
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Event::Failed { reason: reason.into(), strike }))
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Output<P>> {
        while let Some(reader) = &mut self.inbound {
            match reader.poll(&self.protocol, self.peer, cx) {
                Poll::Ready(Ok(batch)) => {
                    self.has_more = batch.is_full();
                    let Batch { messages, bytes_read, spoiled, load } = batch;
                    if bytes_read > 0 {
                        self.heartbeat.heard();
                    }
                    self.answered |= bytes_read > 0 && std::mem::take(&mut self.probed);
                    if !messages.is_empty() || spoiled.count() > 0 {
                        let received = Event::Received { messages, spoiled, load, read: Instant::now() };
                        return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(received));
                    }
                }
                // What the peer need not open it need not keep; a connection that fails is noticed elsewhere.
                Poll::Ready(Err(ReadError::Closed | ReadError::Io(_))) if P::IS_OPTIONAL => self.inbound = None,
                Poll::Ready(Err(error)) => {
                    let strike = matches!(error, ReadError::Malformed(_)).then_some(Strike::Malformed);
                    return self.fail_by(error.to_string(), strike);
                }
                Poll::Pending => {
                    if reader.is_paused() {
                        // It may have said much that waits to be read.
                        self.heartbeat.heard();
                    }
                    break;
                }
            }
        }
        Poll::Pending
    }

    /// Waits until all that was queued has left, and then for the peer to close: what it has not read when we close is
    /// lost to it.
    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<Output<P>> {
        let Some(Finishing { deadline, lingers }) = &mut self.finishing else { return Poll::Pending };
        let written = matches!(&self.outbound, Outbound::Open(writer) if writer.is_idle());
        if written && !std::mem::replace(lingers, true) {
            deadline.reset(LINGER);
        }
        if deadline.poll_unpin(cx).is_pending() {
            return Poll::Pending;
        }
        self.finishing = None;
        Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Event::Finished))
    }

    fn beat(&mut self, cx: &mut Context<'_>) -> Poll<Output<P>> {
        if !self.is_in_use() {
            return Poll::Pending;
        }
        while let Poll::Ready(quiet) = self.heartbeat.poll(cx) {
            self.alive.0 -= 1;
            if self.alive.0 == 0 {
                self.alive.0 = self.alive.1;
                if let Outbound::Open(writer) = &mut self.outbound {
                    writer.keep_alive();
                }
            }
            if let Some(reader) = &mut self.inbound {
                reader.rest();
                if reader.is_slow() {
                    return self.fail("its message comes too slowly while others wait for room".to_owned());
                }
            }
            if quiet > self.patience() && (self.inbound.is_some() || !P::IS_OPTIONAL) {
                return self.fail(format!("nothing heard for {:.1} s", quiet.as_secs_f32()));
            }
        }
        Poll::Pending
    }
}

impl<P: Protocol> Handler<P> {
    /// How long nothing may come. To open a stream takes several ways there and back: a peer with too much to do would never get
    /// better if its links were made anew meanwhile.
    fn patience(&self) -> Duration {
        if self.inbound.is_some() { self.silence } else { self.silence * 3 / 2 }
    }

    /// One that is opened only when there is something to say is not watched before.
    const fn is_in_use(&self) -> bool {
        !P::IS_OPTIONAL || self.inbound.is_some() || matches!(self.outbound, Outbound::Open(_))
    }

    /// Whether there is something to open the stream for.
    fn is_wanted(&self, cx: &Context<'_>) -> bool {
        matches!(self.outbound, Outbound::Wanted) && (!P::IS_OPTIONAL || self.queue.poll_waiting(cx).is_ready())
    }
}

impl<P: Protocol> fmt::Debug for Handler<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("protocol", &P::NAME).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl<P: Protocol> ConnectionHandler for Handler<P> {
    type FromBehaviour = Command;
    type ToBehaviour = Event<P::Message>;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(StreamProtocol::new(P::NAME)), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Output<P>> {
        if self.failed {
            return Poll::Pending;
        }
        if self.refused && P::IS_OPTIONAL {
            (self.refused, self.outbound) = (false, Outbound::Lacking);
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Event::Returned(self.queue.close())));
        }
        if self.refused {
            return self.fail(format!("the peer does not speak {}", P::NAME));
        }
        if self.is_wanted(cx) {
            self.outbound = Outbound::Opening;
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol: self.listen_protocol() });
        }
        if std::mem::take(&mut self.has_more) {
            // What was handed on goes its way first.
            cx.waker().wake_by_ref();
        } else if let Poll::Ready(output) = self.read(cx) {
            return Poll::Ready(output);
        }
        if std::mem::take(&mut self.answered) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Event::Alive));
        }
        if let Poll::Ready(output) = self.beat(cx) {
            return Poll::Ready(output);
        }
        if let Outbound::Open(writer) = &mut self.outbound
            && let Poll::Ready(Err(error)) = writer.poll(&self.protocol, self.peer, &self.queue, cx)
        {
            return self.fail(format!("writing failed: {error}"));
        }
        self.finish(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            Command::Probe => self.probed = true,
            Command::Finish => self.finishing = Some(Finishing { deadline: Delay::new(FINISH), lingers: false }),
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(stream) => {
                let intake = Intake::new(self.intake.share());
                self.inbound = Some(Reader::new(stream.protocol, self.longest, intake));
                self.heartbeat.heard();
            }
            ConnectionEvent::FullyNegotiatedOutbound(stream) => {
                self.outbound = Outbound::Open(Box::new(Writer::new(stream.protocol, self.metrics.clone())));
            }
            ConnectionEvent::DialUpgradeError(failure) => {
                // A peer slow to negotiate is asked again; its silence ends that. For what it need not have nothing waits so long.
                self.refused = P::IS_OPTIONAL || matches!(failure.error, StreamUpgradeError::NegotiationFailed);
                self.outbound = Outbound::Wanted;
            }
            _ => {}
        }
    }
}
