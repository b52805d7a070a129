//! One SDK's connection: its frames in, the core's outputs out, on one task.

mod close_reason;
mod deadlines;
mod inbox;
mod intake;
mod link;
mod requests;
mod rights;
mod topics;
mod translate;
mod writer;

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use nuncio_audit::Event;
use nuncio_channel_protocol::ProtocolVersion;
use nuncio_protocol::amop::ClientInput;
use rustls_pki_types::UnixTime;
use tokio::{
    task::yield_now,
    time::{Sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::{info, warn};

use crate::{
    access::{self, ClientName},
    clients::{Mailbox, Registration},
    listener::{Door, address},
    rpc::Caller,
    tenants::TopicShare,
    tls::{Admitted, Refusal},
};
use close_reason::CloseReason;
use inbox::{Inbox, Received};
use intake::Intake;
use link::Link;
use rights::Held;
pub(crate) use rights::Sight;
use topics::Topics;
use writer::Writer;

/// What a client of another protocol is told in its own words.
const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This is the channel port for SDKs of FISCO BCOS 2.x (Java, Go, Python); SDKs of 3.x and HTTP are not served here.\n";

/// Serves one client until it goes, breaks a rule, or the gateway shuts down.
pub(crate) async fn run(door: Arc<Door>, admitted: Admitted, remote: SocketAddr, shutdown: CancellationToken) {
    let held = Held::new(access::party(&admitted.client, door.node.as_ref()), door.rights.load_full());
    let name = ClientName::of_key(&admitted.client);
    let registration = match door.clients.register(name, held.by(), &door.limits, &door.timeouts) {
        Ok(registration) => registration,
        Err(over) => return door.refuse(remote, &Refusal::OverQuota { subject: admitted.client.subject, over }),
    };
    let client = registration.client;
    door.audit.record(Event::SdkAdmitted {
        address: remote.to_string().into(),
        client: client.0,
        subject: (&admitted.client.subject).into(),
        serial: (&admitted.client.serial).into(),
    });
    if door.inputs.send(ClientInput::Connected { client }).await.is_ok() {
        let cut = door.guard.watch(client, admitted.client.clone());
        let mut session = Session::new(Arc::clone(&door), (registration, held), admitted, remote, (shutdown, cut));
        let reason = session.serve().await;
        session.farewell(&reason).await;
        drop(session);
        door.guard.forget(client);
        // The registration is gone before the core hears of it: nothing more can be queued for nobody.
        let _ = door.inputs.send(ClientInput::Disconnected { client }).await;
    }
}

/// Frames of one client that are handled at a time.
const FRAMES: usize = 16;

struct Session {
    door: Arc<Door>,
    registration: Registration,
    caller: Caller,
    subject: String,
    rights: Held,
    topics: Topics,
    remote: SocketAddr,
    version: ProtocolVersion,
    link: Link,
    inbox: Inbox,
    intake: Intake,
    writer: Writer,
    /// Frames may lie unread in the inbox, because the window was full.
    backlog: bool,
    /// When something was last read, or the gateway last began to read again.
    heard: Instant,
    /// The socket is not read: the window is full, or there is no room for the next frame.
    paused: bool,
    timer: Pin<Box<Sleep>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Done when the client may no longer stay.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the client's certificate expires; `None` when that is beyond all clocks.
    expires: Option<Instant>,
    /// When the session ends whatever is still in flight.
    leaves: Option<Instant>,
}

impl Session {
    fn new(
        door: Arc<Door>,
        (registration, rights): (Registration, Held),
        admitted: Admitted,
        remote: SocketAddr,
        (shutdown, cut): (CancellationToken, CancellationToken),
    ) -> Self {
        let now = Instant::now();
        Self {
            caller: Caller { client: registration.client, names: ClientName::all_of(&admitted.client) },
            topics: Topics::new(TopicShare::new(Arc::clone(&registration.tenant))),
            subject: admitted.client.subject,
            rights,
            intake: Intake::new(Arc::clone(&registration.tenant), door.timeouts.intake),
            registration,
            remote,
            version: ProtocolVersion::V1,
            link: Link::new(admitted.socket, admitted.tls, door.timeouts.write),
            inbox: Inbox::new(door.limits.control_body),
            writer: Writer::default(),
            backlog: false,
            heard: now,
            paused: false,
            timer: Box::pin(sleep_until((now + door.timeouts.idle).into())),
            shutdown: Box::pin(shutdown.cancelled_owned()),
            cut: Box::pin(cut.cancelled_owned()),
            expires: now.checked_add(time_left(admitted.client.not_after)),
            leaves: None,
            door,
        }
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            self.follow_rights();
            if let Err(reason) = self.handle_received().await {
                return reason;
            }
            if let Err(reason) = self.tell_topics().await {
                return reason;
            }
            if let Err(reason) = poll_fn(|cx| self.poll_io(cx)).await {
                return reason;
            }
        }
    }

    /// Writes what is queued as far as it goes, says goodbye and notes why.
    async fn farewell(&mut self, reason: &CloseReason) {
        poll_fn(|cx| {
            let _ = self.writer.drain(cx, &mut self.link, &self.registration.mailbox, self.door.clients.counters());
            if matches!(reason, CloseReason::Http) {
                let _ = self.link.write(HTTP_ANSWER, &[]);
            }
            self.link.close(cx);
            Poll::Ready(())
        })
        .await;
        reason.count(self.door.clients.counters());
        let client = self.registration.client.0;
        if let dropped @ 1.. = self.mailbox().dropped() {
            warn!(remote = %self.remote, client, dropped, "multicasts were dropped because the SDK was too slow");
        }
        if reason.is_ordinary() {
            info!(remote = %self.remote, client, %reason, "SDK disconnected");
        } else {
            warn!(remote = %self.remote, client, %reason, hint = reason.hint(), "SDK disconnected by the gateway");
        }
    }

    /// Handles every whole frame, while the window is open. After some the others have their turn: the first are on their way
    /// while the last are handled.
    async fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.backlog = false;
        let mut handled = 0;
        while self.mailbox().is_open() {
            if handled == FRAMES {
                yield_now().await;
                handled = 0;
            }
            handled += 1;
            let received = match self.inbox.next() {
                Err(_) if self.inbox.is_http() => return Err(CloseReason::Http),
                received => received?,
            };
            match received {
                Some(Received::Frame(frame)) => {
                    self.handle_frame(frame).await?;
                    self.intake.free();
                }
                Some(Received::Oversized { header, length }) => self.handle_oversized(header, length).await?,
                None => return Ok(()),
            }
        }
        self.backlog = true;
        Ok(())
    }

    /// Ready when there may be frames to handle.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(CloseReason::NoLongerAdmitted));
        }
        let now = Instant::now();
        self.writer.drain(cx, &mut self.link, &self.registration.mailbox, self.door.clients.counters())?;
        if self.writer.stalled_since().is_some() {
            self.mailbox().note_stalled(cx);
        }
        // Looked at when a wake-up is sure to come for what changes from here on.
        if self.rights.is_stale(&self.door.rights) {
            return Poll::Ready(Ok(()));
        }
        if self.leaves.is_none() && self.shutdown.as_mut().poll(cx).is_ready() {
            self.leaves = Some(now + self.door.timeouts.drain);
        }
        if self.leaves.is_some() && self.mailbox().is_settled() && self.writer.stalled_since().is_none() {
            return Poll::Ready(Err(CloseReason::Shutdown));
        }
        let is_open = self.mailbox().poll_open(cx).is_ready();
        if is_open && self.backlog {
            return Poll::Ready(Ok(()));
        }
        let may_read = is_open && self.poll_room(cx, now).is_ready();
        if self.paused && may_read {
            self.heard = now;
        }
        self.paused = !may_read;
        if may_read && let Poll::Ready(read) = self.link.poll_read(cx, &mut self.inbox.received) {
            self.heard = now;
            return Poll::Ready(if read? == 0 { Err(CloseReason::ClientLeft) } else { Ok(()) });
        }
        let has = self.inbox.received.len();
        if is_open {
            self.intake.review(has, now)?;
        } else {
            self.intake.restart(has, now);
        }
        self.poll_deadlines(cx, now)
    }

    /// Ready when what comes next can be held.
    fn poll_room(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        match self.inbox.unfinished() {
            Some(length) => self.intake.poll_room(length, self.inbox.received.len(), now, cx),
            None => Poll::Ready(()),
        }
    }

    async fn tell(&self, input: ClientInput) -> Result<(), CloseReason> {
        self.door.inputs.send(input).await.map_err(|_| CloseReason::CoreGone)
    }

    fn complain(&self, what: impl FnOnce() -> String) {
        if self.door.throttle.allows(address(self.remote)) {
            warn!(remote = %self.remote, client = self.registration.client.0, "{}", what());
        }
    }

    fn mailbox(&self) -> &Arc<Mailbox> {
        &self.registration.mailbox
    }
}

/// The wall clock decides about certificates and nothing else.
fn time_left(not_after: UnixTime) -> Duration {
    Duration::from_secs(not_after.as_secs().saturating_sub(UnixTime::now().as_secs()))
}
