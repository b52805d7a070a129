//! One SDK's connection: its frames in, the core's outputs out, on one task.

mod close_reason;
mod deadlines;
mod inbox;
mod link;
mod requests;
mod translate;
mod writer;

use std::{
    future::{Future as _, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use nuncio_channel_protocol::ProtocolVersion;
use tokio::{
    task::yield_now,
    time::{Sleep, sleep_until},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    access::ClientName,
    clients::Mailbox,
    intake::Intake,
    listener::{Door, Sitter},
    member::{Member, Newcomer, Stay},
    rpc::Caller,
    tls::Admitted,
};
use close_reason::{CloseReason, NoChannel};
use inbox::{Inbox, Received};
use link::Link;
pub(crate) use link::tune;
use writer::Writer;

/// What a client of another protocol is told in its own words.
const HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This is the channel port for SDKs of FISCO BCOS 2.x (Java, Go, Python); SDKs of 3.x and HTTP are not served here.\n";

/// Serves one client until it goes, breaks a rule, or the gateway shuts down.
pub(crate) async fn run(
    door: Arc<Door>,
    admitted: Admitted,
    remote: SocketAddr,
    sitter: Arc<Sitter>,
    shutdown: CancellationToken,
) {
    let Admitted { socket, tls, client } = admitted;
    let names = ClientName::all_of(&client);
    let newcomer = Newcomer::certified(client, door.node.as_ref());
    let member = match Member::enter(&door, newcomer, remote, Stay::Session).await {
        Ok(Some(member)) => member,
        Ok(None) => return,
        Err(refusal) => return door.refuse(remote, &refusal),
    };
    let link = Link::new(socket, tls, door.timeouts.write);
    let mut session = Session::new(member, names, link, sitter, shutdown);
    let reason = session.serve().await;
    session.farewell(&reason).await;
    session.into_member().leave().await;
}

/// Frames of one client that are handled at a time; a dear one counts for several.
const FRAMES: usize = 16;

/// For a call, so many bytes of it and of its answer count for a frame.
const BYTES_OF_A_FRAME: usize = 4 << 10;

struct Session {
    member: Member,
    caller: Caller,
    version: ProtocolVersion,
    /// The results of its publishes say how urgent they are.
    says_priorities: bool,
    link: Link,
    inbox: Inbox,
    intake: Intake,
    writer: Writer,
    /// Frames that were handled since others had their turn.
    handled: usize,
    /// Frames may lie unread in the inbox, because the window was full.
    backlog: bool,
    /// When something was last read, or the gateway last began to read again.
    heard: Instant,
    /// The socket is not read: the window is full, or there is no room for the next frame.
    paused: bool,
    timer: Pin<Box<Sleep>>,
    sitter: Arc<Sitter>,
    /// Done when its seat is needed.
    out: Pin<Box<WaitForCancellationFutureOwned>>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Done when the client may no longer stay.
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When the session ends whatever is still in flight.
    leaves: Option<Instant>,
}

impl Session {
    fn new(
        member: Member,
        names: Vec<ClientName>,
        link: Link,
        sitter: Arc<Sitter>,
        shutdown: CancellationToken,
    ) -> Self {
        let (now, door) = (Instant::now(), &member.door);
        Self {
            caller: Caller { client: member.client(), names },
            intake: member.intake(),
            version: ProtocolVersion::V1,
            says_priorities: false,
            link,
            inbox: Inbox::new(door.limits.control_body),
            writer: Writer::default(),
            handled: 0,
            backlog: false,
            heard: now,
            paused: false,
            timer: Box::pin(sleep_until((now + door.timeouts.idle).into())),
            out: Box::pin(sitter.out().clone().cancelled_owned()),
            sitter,
            shutdown: Box::pin(shutdown.cancelled_owned()),
            cut: Box::pin(member.cut().clone().cancelled_owned()),
            leaves: None,
            member,
        }
    }

    async fn serve(&mut self) -> CloseReason {
        loop {
            self.member.follow_rights();
            if let Err(reason) = self.handle_received().await {
                return reason;
            }
            if let Err(gone) = self.member.tell_topics().await {
                return gone.into();
            }
            if let Err(reason) = poll_fn(|cx| self.poll_io(cx)).await {
                return reason;
            }
        }
    }

    /// Writes what is queued as far as it goes, says goodbye and notes why.
    async fn farewell(&mut self, reason: &CloseReason) {
        poll_fn(|cx| {
            let _ = self.writer.drain(cx, &mut self.link, self.member.mailbox(), self.member.door.clients.counters());
            if matches!(reason, CloseReason::Own(NoChannel::Http)) {
                let _ = self.link.write(HTTP_ANSWER, &[]);
            }
            self.link.close(cx);
            Poll::Ready(())
        })
        .await;
        self.member.note_end(("SDK", "gateway"), reason);
    }

    /// Handles every whole frame, while the window is open. After some the others have their turn: the first are on their way
    /// while the last are handled. So they have after a dear one, also when it was the last of those that had come.
    async fn handle_received(&mut self) -> Result<(), CloseReason> {
        self.backlog = false;
        if self.handled < FRAMES {
            self.handled = 0;
        }
        while self.mailbox().is_open() {
            if self.handled >= FRAMES {
                yield_now().await;
                self.handled = 0;
            }
            self.handled += 1;
            let received = match self.inbox.next() {
                Err(_) if self.inbox.is_http() => return Err(NoChannel::Http.into()),
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
        if self.out.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(CloseReason::MakesRoom));
        }
        let now = Instant::now();
        self.writer.drain(cx, &mut self.link, self.member.mailbox(), self.member.door.clients.counters())?;
        if self.writer.stalled_since().is_some() {
            self.mailbox().note_stalled(cx);
        }
        // Looked at when a wake-up is sure to come for what changes from here on.
        if self.member.is_stale() {
            return Poll::Ready(Ok(()));
        }
        if self.leaves.is_none() && self.shutdown.as_mut().poll(cx).is_ready() {
            self.leaves = Some(now + self.member.door.timeouts.drain);
            self.member.begin_to_leave();
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

    /// All else ends: the client's connection, before the core hears that it is gone.
    fn into_member(self) -> Member {
        self.member
    }

    fn mailbox(&self) -> &Arc<Mailbox> {
        self.member.mailbox()
    }
}
