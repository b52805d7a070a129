//! Stands below the WebSocket: no long message is read before there is room for it.

use std::{
    collections::VecDeque,
    io::{self, Cursor},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::BytesMut;
use nuncio_gateway::{Intake, Lease, Unfinished, bounds::SMALL_FRAME};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    error::{CapacityError, ProtocolError},
    protocol::frame::{FrameHeader, coding::OpCode},
};
use tokio_util::io::poll_read_buf;

/// Bytes read of a socket at a time.
pub(crate) const READ: usize = 16 << 10;

/// Longest payload of a ping and the like, in bytes.
const CONTROL: u64 = 125;

/// A socket whose reader is told of a long message only once there is room for it.
///
/// The reader takes memory for a frame as soon as it knows its length, which anybody can claim to be large. So the last byte
/// of a header is held back until the message has its room in the share of its sender's certificate. A message in several
/// frames does not say how long it is: from [`SMALL_FRAME`] on it needs the room of the longest.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    socket: S,
    /// Whose share it is; `None` while nobody knows who sends.
    intake: Option<Intake>,
    /// Longer messages are refused by the header that makes them so.
    longest: usize,
    /// Read, and not passed on.
    ahead: BytesMut,
    header: Vec<u8>,
    /// Bytes of the frame's payload that have not passed; `None` within a header.
    left: Option<u64>,
    /// That frame is a ping or the like, which may stand within a message.
    is_control: bool,
    message: Message,
    /// The messages that have passed.
    passed: u64,
    /// Room of those that have passed and were not asked for yet, by their number.
    leases: VecDeque<(u64, Lease)>,
    /// No frames but nonsense: the reader finds that, too.
    is_nonsense: bool,
    /// Nothing behind the first message passes before it is known who sends.
    stops: bool,
    refused: Option<Refused>,
    /// Something was read since it was asked.
    has_heard: bool,
}

/// What is refused by its header.
#[derive(Debug, Clone, Copy)]
enum Refused {
    /// A stranger's message is longer than it may be.
    Stranger,
    /// A ping, or the like, is: the reader would hold all of it before it looks.
    Control,
    /// A message is, of so many bytes: the reader would take memory for its last frame before it adds up what it has.
    TooLong { bytes: usize, longest: usize },
}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Stranger => Self::new(io::ErrorKind::InvalidData, "longer than a frame with a token may be"),
            Refused::Control => Self::new(io::ErrorKind::InvalidData, ProtocolError::ControlFrameTooBig),
            Refused::TooLong { bytes, longest } => {
                Self::new(io::ErrorKind::InvalidData, CapacityError::MessageTooLong { size: bytes, max_size: longest })
            }
        }
    }
}

/// The message that passes.
#[derive(Debug, Default)]
struct Message {
    /// Of the frames whose headers have passed, in bytes.
    length: usize,
    /// Of it, what has passed.
    had: usize,
    is_last_frame: bool,
    room: Room,
}

/// `None → Wanted → Had`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Room {
    #[default]
    None,
    /// Nothing passes before there is so much.
    Wanted(usize),
    Had,
}

impl<S> Metered<S> {
    /// Of somebody who is not known yet: of him no longer message is read than of so many bytes.
    pub(crate) fn new(socket: S, longest: usize) -> Self {
        Self {
            socket,
            intake: None,
            longest,
            ahead: BytesMut::new(),
            header: Vec::new(),
            left: None,
            is_control: false,
            message: Message::default(),
            passed: 0,
            leases: VecDeque::new(),
            is_nonsense: false,
            stops: true,
            refused: None,
            has_heard: false,
        }
    }

    /// Its sender is known now.
    pub(crate) fn admit(&mut self, intake: Intake, longest: usize) {
        (self.intake, self.longest, self.stops) = (Some(intake), longest, false);
    }

    /// It does not become known who sends: what he says still is read and thrown away.
    pub(crate) fn give_up(&mut self) {
        self.stops = false;
    }

    /// The room of the message of this number, from 1, which was read.
    pub(crate) fn lease(&mut self, number: u64) -> Option<Lease> {
        while let Some((held, lease)) = self.leases.pop_front_if(|(held, _)| *held <= number) {
            if held == number {
                return Some(lease);
            }
        }
        None
    }

    /// Whether something was read since this was asked last.
    pub(crate) const fn has_heard(&mut self) -> bool {
        std::mem::replace(&mut self.has_heard, false)
    }

    #[cfg(test)]
    pub(crate) const fn socket(&self) -> &S {
        &self.socket
    }

    /// Whether it waits for room, and reads nothing.
    pub(crate) const fn is_waiting(&self) -> bool {
        matches!(self.message.room, Room::Wanted(_))
    }

    /// When the progress of a long message is to be judged next.
    pub(crate) fn review_at(&self) -> Option<Instant> {
        self.intake.as_ref()?.review_at()
    }

    /// Judges it.
    ///
    /// # Errors
    /// When too little came, and others wait for the room.
    pub(crate) fn review(&mut self, now: Instant) -> Result<(), Unfinished> {
        let had = self.had();
        self.intake.as_mut().map_or(Ok(()), |intake| intake.review(had, now))
    }

    /// It is not read now: progress is measured from here.
    pub(crate) fn restart(&mut self, now: Instant) {
        let had = self.had();
        if let Some(intake) = &mut self.intake {
            intake.restart(had, now);
        }
    }

    fn had(&self) -> usize {
        self.message.had + self.ahead.len()
    }

    /// How many of the first bytes ahead may pass: all, or those before the end of a header whose message has no room.
    fn passable(&mut self, most: usize) -> usize {
        let most = most.min(self.ahead.len());
        let mut at = 0;
        while at < most && !self.is_nonsense && !self.is_stopped() {
            if let Some(left) = self.left {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(most - at);
                at += taken;
                self.pass(left, taken);
                continue;
            }
            self.header.push(self.ahead[at]);
            match FrameHeader::parse(&mut Cursor::new(&self.header)) {
                Ok(None) => {}
                Err(_) => self.is_nonsense = true,
                Ok(Some((header, length))) => {
                    if !self.begin(&header, length) {
                        self.header.pop();
                        return at;
                    }
                    self.header.clear();
                }
            }
            at += 1;
        }
        if self.is_nonsense { most } else { at }
    }

    const fn is_stopped(&self) -> bool {
        self.stops && self.passed > 0
    }

    /// Begins a frame; false when its message has no room yet.
    fn begin(&mut self, header: &FrameHeader, length: u64) -> bool {
        let is_control = matches!(header.opcode, OpCode::Control(_));
        if !is_control {
            let after = self.message.length.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
            if after > self.longest {
                let too_long = Refused::TooLong { bytes: after, longest: self.longest };
                self.refused = Some(if self.intake.is_none() { Refused::Stranger } else { too_long });
                return false;
            }
            if after > SMALL_FRAME && self.message.room == Room::None {
                self.message.room = Room::Wanted(if header.is_final { after } else { self.longest });
                return false;
            }
            (self.message.length, self.message.is_last_frame) = (after, header.is_final);
        } else if length > CONTROL {
            self.refused = Some(Refused::Control);
            return false;
        }
        self.is_control = is_control;
        self.pass(length, 0);
        true
    }

    /// So much more of a frame has passed.
    fn pass(&mut self, left: u64, taken: usize) {
        let left = left - taken as u64;
        self.left = Some(left).filter(|left| *left > 0);
        if self.is_control {
            return;
        }
        self.message.had += taken;
        if left > 0 || !self.message.is_last_frame || self.message.had < self.message.length {
            return;
        }
        self.passed += 1;
        if let (Room::Had, Some(lease)) = (self.message.room, self.intake.as_mut().and_then(Intake::take)) {
            self.leases.push_back((self.passed, lease));
        }
        self.message = Message::default();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Some(refused) = this.refused {
                return Poll::Ready(Err(refused.into()));
            }
            if this.is_stopped() {
                // Who makes it known reads on.
                return Poll::Pending;
            }
            let had = this.had();
            if let (Room::Wanted(room), Some(intake)) = (this.message.room, &mut this.intake) {
                ready!(intake.poll_room(room, had, Instant::now(), cx));
                this.message.room = Room::Had;
            }
            if this.ahead.is_empty() {
                this.ahead.reserve(READ);
                if ready!(poll_read_buf(Pin::new(&mut this.socket), cx, &mut this.ahead))? == 0 {
                    return Poll::Ready(Ok(()));
                }
                this.has_heard = true;
            }
            let passable = this.passable(buffer.remaining());
            if passable > 0 || buffer.remaining() == 0 {
                buffer.put_slice(&this.ahead.split_to(passable));
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
