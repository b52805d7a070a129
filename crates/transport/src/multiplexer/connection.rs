//! The streams of one connection: what is theirs of what the socket brings, and whose turn it is to write.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use futures::{AsyncRead, AsyncWrite};

use super::{
    broken::{Broken, StreamsError, gone},
    entry::{End, Entry},
    frame::{Frame, HEAD, Kind},
    numbers::Numbers,
    output::Output,
    turns::Turns,
    window::{GROWTH, Run},
};

/// Streams that each side may have open of those that it opened.
pub(super) const MAX_STREAMS: usize = 32;

/// Bytes read of the socket at a time: a TLS record.
const INPUT: usize = 16 << 10;

/// Data of one stream in one frame at the most: what others wait for.
const MAX_DATA: usize = 64 << 10;

/// Data from here on goes to the socket, or comes from there, without being put together with other.
const LONG: usize = 4 << 10;

/// Bound: [`MAX_STREAMS`] of each side, each with its window; beyond, the connection ends.
#[derive(Debug)]
pub(super) struct Connection<S> {
    socket: S,
    numbers: Numbers,
    streams: BTreeMap<u32, Entry>,
    /// Opened by the peer and not asked for yet, all of them open.
    arrived: VecDeque<u32>,
    output: Output,
    /// Of streams that could not write.
    turns: Turns,
    /// Bytes by which windows may still grow.
    spare: usize,
    run: Run,
    input: Vec<u8>,
    /// What has come of a head.
    head: ([u8; HEAD], usize),
    /// Whose data is coming, and how much of it.
    coming: Option<(u32, usize)>,
    /// A stream that looked for data in this turn of the task found none.
    is_dry: bool,
    /// The task of the connection, which polls it after its streams.
    task: Option<Waker>,
    broken: Option<Broken>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(socket: S, is_dialer: bool) -> Self {
        Self {
            socket,
            numbers: Numbers::new(is_dialer),
            streams: BTreeMap::new(),
            arrived: VecDeque::new(),
            output: Output::default(),
            turns: Turns::default(),
            spare: GROWTH,
            run: Run::default(),
            input: Vec::new(),
            head: ([0; HEAD], 0),
            coming: None,
            is_dry: false,
            task: None,
            broken: None,
        }
    }

    /// Moves what there is to be moved, after the streams have had their turn; ready when it carries nothing any more.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<StreamsError> {
        /// Reads before all others have their turn again.
        const READS: usize = 4;
        if self.task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
        }
        self.skip_idle_turn();
        self.is_dry = false;
        let mut reads = 0;
        while self.broken.is_none() {
            self.write_out(cx);
            if self.settle() {
                self.write_out(cx);
            }
            if reads == READS {
                cx.waker().wake_by_ref();
                break;
            }
            if self.pull(cx).is_pending() {
                break;
            }
            reads += 1;
        }
        self.is_dry = false;
        match &mut self.broken {
            Some(broken) => Poll::Ready(broken.tell()),
            None => Poll::Pending,
        }
    }

    /// Opens a stream.
    pub(super) fn open(&mut self) -> Result<u32, StreamsError> {
        if let Some(broken) = &mut self.broken {
            return Err(broken.tell());
        }
        let number = self.numbers.own.ok_or(StreamsError::TooMany)?;
        if self.count(number) >= MAX_STREAMS {
            return Err(StreamsError::TooMany);
        }
        self.numbers.own = number.checked_add(2);
        self.streams.insert(number, Entry::new());
        self.output.put(Frame { stream: number, kind: Kind::Open });
        Ok(number)
    }

    /// A stream that the peer opened.
    pub(super) fn accept(&mut self) -> Option<u32> {
        self.arrived.pop_front()
    }

    /// Sends what is waiting to be sent, and closes the socket.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamsError>> {
        if self.broken.is_none() {
            ready!(self.output.poll_flush(&mut self.socket, cx)).map_err(StreamsError::Io)?;
        }
        self.fail(StreamsError::Closed);
        Pin::new(&mut self.socket).poll_close(cx).map_err(StreamsError::Io)
    }

    /// It carries nothing any more.
    pub(super) fn fail(&mut self, reason: StreamsError) {
        if self.broken.is_none() {
            self.broken = Some(Broken::new(reason));
            self.streams.values_mut().for_each(Entry::wake);
            self.wake_task();
        }
    }

    pub(super) fn poll_read(
        &mut self,
        stream: u32,
        buffer: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut has_pulled = false;
        loop {
            let Some(entry) = self.streams.get_mut(&stream) else { return Poll::Ready(Err(gone())) };
            if !entry.is_empty() {
                let read = entry.read(buffer);
                self.let_more_come(stream, cx);
                return Poll::Ready(Ok(read));
            }
            match (entry.theirs, &self.broken) {
                (Some(End::Finished), _) => return Poll::Ready(Ok(0)),
                (Some(End::Reset), _) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                (None, Some(broken)) => return Poll::Ready(broken.end()),
                (None, None) => {}
            }
            let long = self.coming.filter(|(coming, left)| *coming == stream && *left >= LONG);
            let is_left = self.is_task(cx) && self.has_long_of_another(stream);
            let came = match long {
                Some((_, left)) => {
                    let room = buffer.len().min(left);
                    match self.read_socket(&mut buffer[..room], cx) {
                        Poll::Ready(Some(read)) => {
                            self.coming = Some((stream, left - read)).filter(|(_, left)| *left > 0);
                            if let Some(entry) = self.streams.get_mut(&stream) {
                                entry.incoming.note_read(read);
                            }
                            self.let_more_come(stream, cx);
                            return Poll::Ready(Ok(read));
                        }
                        Poll::Ready(None) => continue,
                        Poll::Pending => Poll::Pending,
                    }
                }
                None if self.is_dry && self.is_task(cx) => Poll::Pending,
                None if is_left => {
                    if has_pulled {
                        // The connection may have had its turn, and the socket wakes nobody who did not find it empty.
                        self.wake_task();
                    }
                    Poll::Pending
                }
                None => {
                    has_pulled = true;
                    self.pull(cx)
                }
            };
            if came.is_pending() {
                // Credit, without which no more may come.
                self.flush(cx).ok();
                self.is_dry |= self.is_task(cx) && !is_left;
                if let Some(entry) = self.streams.get_mut(&stream) {
                    entry.reader = Some(cx.waker().clone());
                    if !is_left {
                        entry.incoming.note_dry(Instant::now);
                    }
                }
                return Poll::Pending;
            }
        }
    }

    pub(super) fn poll_write(&mut self, stream: u32, data: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(entry) = self.streams.get_mut(&stream).filter(|_| self.broken.is_none()) else {
            return Poll::Ready(Err(gone()));
        };
        if entry.theirs == Some(End::Reset) || entry.own.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = data.len().min(entry.outgoing.left()).min(MAX_DATA);
        if length == 0 {
            entry.writer = Some(cx.waker().clone());
            return if data.is_empty() { Poll::Ready(Ok(0)) } else { Poll::Pending };
        }
        if !self.may_write(stream, cx) {
            return Poll::Pending;
        }
        let frame = Frame { stream, kind: Kind::Data(length) };
        self.output.put(frame);
        if length < LONG {
            self.output.gather(&data[..length]);
        } else if let Err(error) = self.output.write_behind(&data[..length], &mut self.socket, cx) {
            self.fail(StreamsError::Io(error));
            return Poll::Ready(Err(gone()));
        }
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.outgoing.spend(length);
            entry.served = self.turns.wrote(stream, length, entry.served);
        }
        self.call_next();
        Poll::Ready(Ok(length))
    }

    /// Writes what streams have written, as far as the socket takes it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.output.is_empty() && self.broken.is_none() {
            self.write_out(cx);
            if !self.output.is_empty() && !self.is_task(cx) {
                self.wake_task();
            }
        }
        if self.broken.is_some() { Err(gone()) } else { Ok(()) }
    }

    /// No more is written to a stream.
    pub(super) fn finish(&mut self, stream: u32) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.own.get_or_insert(End::Finished);
            self.leave_turns(stream);
            if !self.settle() {
                self.wake_task();
            }
        }
    }

    /// A stream is neither read nor written any more.
    pub(super) fn forget(&mut self, stream: u32) {
        if let Some(entry) = self.streams.get_mut(&stream) {
            entry.drop_handle();
            self.leave_turns(stream);
            self.wake_task();
        }
    }

    /// Whether a stream may write now: there is room, and no other that waits has written less.
    fn may_write(&mut self, stream: u32, cx: &mut Context<'_>) -> bool {
        if !self.output.has_room() {
            self.write_out(cx);
        }
        let Some(entry) = self.streams.get_mut(&stream) else { return false };
        if self.turns.is_first(stream, entry.served) && self.output.has_room() && self.broken.is_none() {
            return true;
        }
        self.turns.wait(stream, entry.served);
        entry.writer = Some(cx.waker().clone());
        false
    }

    /// Whoever was called and did not write lets the next one go first.
    fn skip_idle_turn(&mut self) {
        let has_room = self.output.has_room();
        let idle = |next: &u32| self.streams.get(next).is_none_or(|entry| entry.writer.is_none());
        if has_room && let Some(next) = self.turns.first().filter(idle) {
            self.turns.leave(next);
            self.call_next();
        }
    }

    fn call_next(&mut self) {
        if self.output.has_room()
            && let Some(next) = self.turns.first()
            && let Some(writer) = self.streams.get_mut(&next).and_then(|entry| entry.writer.take())
        {
            writer.wake();
        }
    }

    fn leave_turns(&mut self, stream: u32) {
        self.turns.leave(stream);
        self.call_next();
    }

    fn write_out(&mut self, cx: &mut Context<'_>) {
        match self.output.poll_flush(&mut self.socket, cx) {
            Poll::Ready(Err(error)) => self.fail(StreamsError::Io(error)),
            Poll::Ready(Ok(())) | Poll::Pending => self.call_next(),
        }
    }

    /// Something of a stream was read.
    fn let_more_come(&mut self, stream: u32, cx: &Context<'_>) {
        if self.streams.get(&stream).is_some_and(Entry::owes_credit) && !(self.settle() && self.is_task(cx)) {
            self.wake_task();
        }
    }

    /// Tells the peer what it may send and which streams have ended, as far as there is room for that; says whether there was
    /// anything to be told.
    fn settle(&mut self) -> bool {
        let Self { streams, output, spare, run, .. } = self;
        if !output.has_room() {
            return false;
        }
        let before = output.len();
        streams.retain(|stream, entry| {
            if entry.owes_credit() {
                let more = entry.incoming.renew(run.is_of(*stream), Instant::now(), spare);
                output.put(Frame { stream: *stream, kind: Kind::Credit(more) });
            }
            if let Some(end) = entry.own
                && !std::mem::replace(&mut entry.is_told, true)
            {
                let kind = if end == End::Finished { Kind::Finish } else { Kind::Reset };
                output.put(Frame { stream: *stream, kind });
            }
            if entry.is_over() {
                *spare += entry.incoming.grown();
            }
            !entry.is_over()
        });
        output.len() > before
    }

    /// Whether long data of another stream comes next: its reader takes it from the socket, and if it does not, the connection
    /// does after all streams have had their turn.
    fn has_long_of_another(&self, stream: u32) -> bool {
        self.coming.is_some_and(|(coming, left)| coming != stream && left >= LONG)
    }

    /// Reads the socket once, for whichever streams; pending when it has nothing.
    fn pull(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut input = std::mem::take(&mut self.input);
        input.resize(INPUT, 0);
        let read = self.read_socket(&mut input, cx);
        if let Poll::Ready(Some(read)) = read
            && let Err(reason) = self.take_in(&input[..read])
        {
            self.fail(reason);
        }
        self.input = input;
        read.map(drop)
    }

    /// `None` when the connection has ended.
    fn read_socket(&mut self, buffer: &mut [u8], cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let reason = match ready!(Pin::new(&mut self.socket).poll_read(cx, buffer)) {
            Ok(0) => StreamsError::Closed,
            Ok(read) => {
                // Whoever reads now and then only is not the one whom the socket should wake.
                if !self.is_task(cx) {
                    self.wake_task();
                }
                return Poll::Ready(Some(read));
            }
            Err(error) => StreamsError::Io(error),
        };
        self.fail(reason);
        Poll::Ready(None)
    }

    fn take_in(&mut self, mut bytes: &[u8]) -> Result<(), StreamsError> {
        while !bytes.is_empty() {
            if let Some((stream, left)) = self.coming {
                let (data, rest) = bytes.split_at(left.min(bytes.len()));
                if let Some(entry) = self.streams.get_mut(&stream) {
                    entry.keep(data);
                }
                self.coming = Some((stream, left - data.len())).filter(|(_, left)| *left > 0);
                bytes = rest;
            } else {
                let (head, known) = &mut self.head;
                let (more, rest) = bytes.split_at((HEAD - *known).min(bytes.len()));
                head[*known..*known + more.len()].copy_from_slice(more);
                *known += more.len();
                bytes = rest;
                if *known == HEAD {
                    *known = 0;
                    let frame = Frame::decode(*head).ok_or(StreamsError::Rule("a frame that is none"))?;
                    self.hear(frame)?;
                }
            }
        }
        Ok(())
    }

    fn hear(&mut self, Frame { stream, kind }: Frame) -> Result<(), StreamsError> {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return match kind {
                Kind::Open => self.hear_of(stream),
                // It was said before the end of the stream was heard.
                Kind::Credit(_) if self.numbers.is_used(stream) => Ok(()),
                _ => Err(StreamsError::Rule("a stream that is not open")),
            };
        };
        match kind {
            Kind::Open => return Err(StreamsError::Rule("a stream that is open")),
            Kind::Credit(bytes) if entry.outgoing.grant(bytes) => {
                entry.writer.take().into_iter().for_each(Waker::wake);
            }
            Kind::Credit(_) => return Err(StreamsError::Rule("credit without end")),
            _ if entry.theirs.is_some() => return Err(StreamsError::Rule("more of a stream that has ended")),
            Kind::Data(length) if entry.incoming.take(length, Instant::now) => {
                self.run.note(stream, length);
                self.coming = Some((stream, length));
            }
            Kind::Data(_) => return Err(StreamsError::Rule("more than the window")),
            Kind::Finish => entry.ended(End::Finished),
            Kind::Reset => entry.ended(End::Reset),
        }
        Ok(())
    }

    /// The peer opens a stream.
    fn hear_of(&mut self, stream: u32) -> Result<(), StreamsError> {
        if !self.numbers.is_theirs(stream) || self.numbers.is_used(stream) {
            return Err(StreamsError::Rule("a number that is not the peer's to use"));
        }
        if self.count(stream) >= MAX_STREAMS {
            return Err(StreamsError::TooMany);
        }
        self.numbers.theirs = stream.checked_add(2);
        self.streams.insert(stream, Entry::new());
        self.arrived.push_back(stream);
        self.wake_task();
        Ok(())
    }

    /// Streams open of whichever side opened this one.
    fn count(&self, stream: u32) -> usize {
        self.streams.keys().filter(|open| **open % 2 == stream % 2).count()
    }

    /// Whether this task polls the connection.
    fn is_task(&self, cx: &Context<'_>) -> bool {
        self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()))
    }

    fn wake_task(&self) {
        self.task.iter().for_each(Waker::wake_by_ref);
    }
}
