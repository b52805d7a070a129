//! One client's WebSocket: its frames in, what it is told out, on one task.

mod deadlines;
mod ending;
mod requests;
mod stranger;

use std::{
    future::{Future as _, pending, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use nuncio_gateway::{Letter, Member, ResultCode, Sitter};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, interval, sleep_until},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::{
    bounds::LONGEST_FRAME,
    frame::Form,
    metered::{Metered, READ},
    tokens::FIRST_FRAME,
    writing::{UNWRITTEN, Writing},
};
pub(crate) use ending::Ending;
use ending::{broken, say_goodbye};
pub(crate) use stranger::{Shown, dismiss, prove};

/// WebSocket frames written before the session reads again.
const ROUNDS: usize = 64;

/// How often is asked whether a token counts still.
const LOOK: Duration = Duration::from_secs(1);

/// The session of one WebSocket.
pub(crate) struct Session<S> {
    member: Member,
    socket: WebSocketStream<Metered<S>>,
    /// In which form it gets its messages: that of its last subscription.
    form: Form,
    writing: Option<Writing>,
    written: Option<Letter>,
    /// Since when the socket takes nothing.
    stalled: Option<Instant>,
    /// When something was last read, or the door last began to read again.
    heard: Instant,
    /// The socket is not read: the window is full, or there is no room for the next message.
    paused: bool,
    /// It was asked since it was heard whether it is there.
    pinged: bool,
    /// Messages read.
    read: u64,
    /// The last one: the socket would keep its buffer, however long, unless somebody has it when the next is begun.
    last: Option<Bytes>,
    timer: Pin<Box<Sleep>>,
    sitter: Arc<Sitter>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    /// When it ends whatever is still in flight.
    leaves: Option<Instant>,
}

/// A connection that has become a WebSocket.
pub(crate) type Socket<S> = WebSocketStream<Metered<S>>;

/// Makes a WebSocket of a connection; of who is not known yet a first frame is read.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(socket: S) -> Socket<S> {
    let metered = Metered::new(socket, FIRST_FRAME);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_write_buffer_size(UNWRITTEN)
        .max_message_size(Some(LONGEST_FRAME))
        .max_frame_size(Some(LONGEST_FRAME));
    WebSocketStream::from_raw_socket(metered, Role::Server, Some(config)).await
}

/// Serves a client. Who has shown a token has the answer to it, and goes when it counts no more.
pub(crate) async fn run<S>(
    member: Member,
    mut socket: Socket<S>,
    shown: Option<Shown>,
    sitter: Arc<Sitter>,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    socket.get_mut().admit(member.intake(), LONGEST_FRAME);
    let mut session = Session::new(member, socket, Arc::clone(&sitter), shutdown);
    if let Some(name) = shown.as_ref().and_then(|shown| shown.in_frame) {
        session.read += 1;
        session.answer(name, ResultCode::OK, String::new());
    }
    let counts_no_more = async {
        match &shown {
            Some(shown) => counts_no_more(shown).await,
            None => pending().await,
        }
    };
    let ending = tokio::select! {
        ending = session.serve() => ending,
        () = counts_no_more => Ending::NoLongerAdmitted,
        () = sitter.makes_room() => Ending::MakesRoom,
    };
    session.farewell(&ending).await;
    session.into_member().leave().await;
}

/// Ends when a token was taken back, or has ended.
pub(crate) async fn counts_no_more(shown: &Shown) {
    let mut look = interval(LOOK);
    while shown.tokens.find(&shown.token).is_ok() {
        look.tick().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    fn new(
        member: Member,
        socket: WebSocketStream<Metered<S>>,
        sitter: Arc<Sitter>,
        shutdown: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            socket,
            form: Form::Json,
            writing: None,
            written: None,
            stalled: None,
            heard: now,
            paused: false,
            pinged: false,
            read: 0,
            last: None,
            timer: Box::pin(sleep_until((now + member.timeouts().idle).into())),
            sitter,
            shutdown: Box::pin(shutdown.cancelled_owned()),
            cut: Box::pin(member.cut().clone().cancelled_owned()),
            leaves: None,
            member,
        }
    }

    async fn serve(&mut self) -> Ending {
        loop {
            self.member.follow_rights();
            if let Err(gone) = self.member.tell_topics().await {
                return gone.into();
            }
            match poll_fn(|cx| self.poll_io(cx)).await {
                Ok(Some(message)) => {
                    if !(message.is_ping() || message.is_pong()) {
                        self.sitter.speaks();
                    }
                    if let Err(gone) = self.handle(message).await {
                        return gone.into();
                    }
                }
                Ok(None) => {}
                Err(ending) => return ending,
            }
        }
    }

    /// Says why it ends, as far as that goes, and notes it.
    async fn farewell(&mut self, ending: &Ending) {
        if let Some(frame) = ending::farewell(ending) {
            say_goodbye(&mut self.socket, frame, ending::patience(ending)).await;
        }
        self.member.note_end(("web client", "node"), ending);
    }

    fn into_member(self) -> Member {
        self.member
    }

    /// Ready with a message, or with none when there is something to look after.
    fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Ending>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Ending::NoLongerAdmitted));
        }
        let now = Instant::now();
        self.write(cx, now)?;
        if self.stalled.is_some() {
            self.member.note_stalled(cx);
        }
        // Looked at when a wake-up is sure to come for what changes from here on.
        if self.member.is_stale() {
            return Poll::Ready(Ok(None));
        }
        if self.leaves.is_none() && self.shutdown.as_mut().poll(cx).is_ready() {
            self.leaves = Some(now + self.member.timeouts().drain);
            self.member.begin_to_leave();
        }
        if self.leaves.is_some() && self.writing.is_none() && self.stalled.is_none() && self.member.is_settled() {
            return Poll::Ready(Err(Ending::Shutdown));
        }
        if let Poll::Ready(read) = self.poll_message(cx, now) {
            return Poll::Ready(read.map(Some));
        }
        self.poll_deadlines(cx, now).map_ok(|()| None)
    }

    fn poll_message(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<Message, Ending>> {
        let is_open = self.member.poll_open(cx).is_ready();
        if is_open {
            if let Poll::Ready(read) = self.socket.poll_next_unpin(cx) {
                (self.heard, self.paused, self.pinged) = (now, false, false);
                self.last = None;
                return Poll::Ready(read.map_or(Err(Ending::ClientLeft), |read| read.map_err(broken)));
            }
            self.last = None;
        }
        let is_paused = !is_open || self.socket.get_ref().is_waiting();
        if self.paused && !is_paused {
            self.heard = now;
        }
        self.paused = is_paused;
        if self.socket.get_mut().has_heard() {
            // The beginning of a message, which may take longer than the idle time.
            (self.heard, self.pinged) = (now, false);
        }
        if is_open {
            self.socket.get_mut().review(now)?;
        } else {
            self.socket.get_mut().restart(now);
        }
        Poll::Pending
    }

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Ending> {
        for _ in 0..ROUNDS {
            // Pongs wait in the same buffer, which has room for a piece when it is empty.
            if self.socket.poll_flush_unpin(cx).map_err(broken)?.is_pending() {
                self.stalled.get_or_insert(now);
                return Ok(());
            }
            self.stalled = None;
            let Some(writing) = self.next_writing(cx) else { return Ok(()) };
            let piece = writing.next();
            let is_done = writing.is_done();
            self.socket.start_send_unpin(piece).map_err(broken)?;
            if is_done {
                self.written = self.writing.take().map(Writing::into_letter);
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn next_writing(&mut self, cx: &mut Context<'_>) -> Option<&mut Writing> {
        while self.writing.is_none() {
            let Poll::Ready(letter) = self.member.poll_letter(&mut self.written, cx) else { return None };
            match Writing::new(letter, self.form) {
                Ok(writing) => self.writing = Some(writing),
                Err(letter) => self.written = Some(*letter),
            }
        }
        self.writing.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::ReadBuf;

    use super::*;

    /// Somebody who says pings without end and reads nothing.
    #[derive(Debug, Default)]
    struct Pinger {
        said: usize,
        /// The most that waited for him, in bytes.
        waiting: usize,
    }

    const PING: [u8; 131] = {
        let mut ping = [0; 131];
        (ping[0], ping[1]) = (0x89, 0x80 | 125);
        ping
    };

    impl AsyncRead for Pinger {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            while buffer.remaining() > 0 {
                buffer.put_slice(&PING[self.said..=self.said]);
                self.said = (self.said + 1) % PING.len();
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Pinger {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.waiting = self.waiting.max(bytes.len());
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn pongs_that_nobody_reads_do_not_heap_up() {
        let mut socket = open(Pinger::default()).await;
        for _ in 0..10_000 {
            assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
        }
        let waiting = socket.get_ref().socket().waiting;
        assert!((1..=UNWRITTEN).contains(&waiting), "{waiting} bytes wait");
    }
}
