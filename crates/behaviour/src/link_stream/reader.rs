use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use futures::AsyncRead;
use libp2p::Stream;
use nuncio_identity::NodeId;
use nuncio_wire::{
    DecodeError,
    length_prefixed::{self, Frame},
};

use super::{
    Protocol,
    intake::{Intake, Load},
};

/// Bytes asked of the stream at a time: a TLS record, of which a read never gives more than one.
const CHUNK: usize = 16 << 10;

/// Room made at a time, for several reads and for all of a message that is just too long to be gathered.
const ROOM: usize = 5 * CHUNK;

/// Messages and bytes handed on at a time at the most, so that one connection cannot fill the swarm's task, and that the
/// next node has the first of many messages while the last are still read here: else they cross the network in one convoy,
/// and of all nodes on their way one works while the others wait.
const BATCH_MESSAGES: usize = 32;
const BATCH_BYTES: usize = 1 << 20;

/// How many beats a sixteenth of a message may take while others may wait for its room.
const PATIENCE: u32 = 10;
const PART: usize = 16;

/// Reads messages from a stream.
pub(crate) struct Reader<S = Stream> {
    stream: S,
    longest: usize,
    intake: Intake,
    /// It is not read, for want of room.
    is_paused: bool,
    /// How much of a message had come, and how many beats ago.
    mark: (usize, u32),
    buffer: BytesMut,
    /// Where the stream puts what it has: asking one that has nothing, which is most of the asking, costs no more.
    scratch: Vec<u8>,
}

/// Why a stream gives no more messages.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the peer closed its stream")]
    Closed,
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    #[error("malformed frame: {0}")]
    Malformed(#[from] DecodeError),
}

/// What one round of reading brought.
#[derive(Debug)]
pub(crate) struct Batch<M> {
    pub(crate) messages: Vec<M>,
    pub(crate) bytes_read: usize,
    /// Messages dropped that nobody but the peer can have forged, and those that it only passed on.
    pub(crate) spoiled: Spoiled,
    /// The room that the messages take.
    pub(crate) load: Option<Load>,
}

/// Messages that were not handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoiled {
    /// Nobody but the peer can have forged them.
    pub(crate) forged: usize,
    /// It passed them on, and cannot have read them.
    pub(crate) unread: usize,
}

impl Spoiled {
    pub(crate) const fn count(self) -> usize {
        self.forged + self.unread
    }
}

impl<M> Batch<M> {
    /// Messages that came.
    const fn count(&self) -> usize {
        self.messages.len() + self.spoiled.count()
    }

    /// Whether there may be more.
    pub(crate) const fn is_full(&self) -> bool {
        self.count() >= BATCH_MESSAGES || self.bytes_read >= BATCH_BYTES
    }
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// Of a stream with messages of at most `longest` bytes.
    pub(crate) fn new(stream: S, longest: usize, intake: Intake) -> Self {
        let (is_paused, mark, buffer, scratch) = (false, (0, 0), BytesMut::new(), Vec::new());
        Self { stream, longest, intake, is_paused, mark, buffer, scratch }
    }

    /// Reads what is there, up to a batch. Pending only when nothing at all was read.
    pub(crate) fn poll<P: Protocol>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Batch<P::Message>, ReadError>> {
        let mut batch = Batch { messages: Vec::new(), bytes_read: 0, spoiled: Spoiled::default(), load: None };
        loop {
            self.parse(protocol, peer, &mut batch)?;
            if batch.is_full() {
                break;
            }
            match self.fill(cx) {
                Poll::Ready(Ok(0)) if batch.bytes_read == 0 => return Poll::Ready(Err(ReadError::Closed)),
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(read)) => batch.bytes_read += read,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Pending if batch.bytes_read == 0 && batch.count() == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        let unfinished = self.unfinished();
        batch.load =
            Some(self.intake.hand_over(if self.intake.has(unfinished) { unfinished } else { self.buffer.len() }));
        Poll::Ready(Ok(batch))
    }

    /// Bytes of the message that has begun, and of one read more; nothing when none has. Of a message of which next to nothing
    /// has come nobody knows more than that it may be long: four bytes take no room from others.
    fn unfinished(&self) -> usize {
        let came = self.buffer.len();
        let length = self.buffer.first_chunk().filter(|_| came > CHUNK);
        let whole = length.map_or(0, |length| size_of::<u32>() + u32::from_be_bytes(*length) as usize);
        if came == 0 { 0 } else { came.max(whole) + CHUNK }
    }

    /// Whether there is no room for what comes.
    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Counts a beat; says whether a message comes too slowly while others may wait for its room.
    pub(crate) fn is_slow(&mut self) -> bool {
        let (came, beats) = self.mark;
        let part = self.unfinished() / PART;
        if self.is_paused || self.buffer.len() <= CHUNK || self.buffer.len() < came || self.buffer.len() >= came + part
        {
            self.mark = (self.buffer.len(), 0);
            return false;
        }
        self.mark = (came, beats + 1);
        beats >= PATIENCE && self.intake.is_short()
    }

    /// What spoils its message only leaves the stream as it was.
    fn parse<P: Protocol>(
        &mut self,
        protocol: &P,
        peer: NodeId,
        batch: &mut Batch<P::Message>,
    ) -> Result<(), ReadError> {
        while batch.count() < BATCH_MESSAGES {
            if let Some(length) = self.buffer.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)
                && length > self.longest
            {
                return Err(DecodeError::TooLarge { what: "frame", bytes: length, limit: self.longest }.into());
            }
            match length_prefixed::decode(&mut self.buffer)? {
                None => break,
                Some(Frame::Alive) => {}
                Some(Frame::Message { header, body }) => match protocol.decode(header, body, peer) {
                    Ok(message) => batch.messages.push(message),
                    Err(error) if let Some(is_its_fault) = spoils_its_message(&error, peer) => {
                        let Spoiled { forged, unread } = &mut batch.spoiled;
                        *(if is_its_fault { forged } else { unread }) += 1;
                        tracing::debug!(peer = %peer.short(), %error, "dropped a message");
                    }
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Ok(())
    }

    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.unfinished().max(CHUNK);
        self.is_paused = self.intake.poll_room(room, cx).is_pending();
        if self.is_paused {
            return Poll::Pending;
        }
        if self.scratch.is_empty() {
            self.scratch = vec![0; CHUNK];
        }
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut self.scratch))?;
        if self.buffer.capacity() - self.buffer.len() < read {
            // For all of a long message once some of it has come: there is room for it, and pages that nothing is written to are
            // none. To make it larger as the message comes, and move what is there, takes longer than to read it.
            let missing = self.unfinished().saturating_sub(self.buffer.len());
            let more = if self.buffer.len() >= ROOM { missing } else { missing.min(self.buffer.len()) };
            self.buffer.reserve(more.max(ROOM));
        }
        self.buffer.extend_from_slice(&self.scratch[..read]);
        Poll::Ready(Ok(read))
    }

    /// An idle link keeps no buffer.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() {
            drop(self.intake.hand_over(0));
            (self.buffer, self.scratch) = (BytesMut::new(), Vec::new());
        }
    }
}

/// Whether it is the peer's fault, of an error that spoils its message and not the stream: a seal or signature that does not
/// hold, and nonsense under a seal. A relay cannot look into seals, so the peer answers for those only where it is the
/// source; what is signed it had to check before it passed it on.
fn spoils_its_message(error: &DecodeError, peer: NodeId) -> Option<bool> {
    match error {
        DecodeError::Signature { .. } => Some(true),
        DecodeError::Seal { node } | DecodeError::Sealed { node, .. } => Some(*node == peer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::{io::Cursor, task::noop_waker_ref};
    use nuncio_bounds::SharedBytes;
    use nuncio_identity::NodeKey;

    use super::*;
    use crate::inner::LONG_INTAKE;

    const MIB: usize = 1 << 20;

    /// Reads all that there is of a message of ten mebibytes.
    fn begun(bytes: usize, shared: &Arc<SharedBytes>) -> Reader<Cursor<Vec<u8>>> {
        let mut came = vec![0; bytes];
        came[..4].copy_from_slice(&(10 * MIB as u32).to_be_bytes());
        let mut reader = Reader::new(Cursor::new(came), 10 * MIB, Intake::new(shared.clone()));
        let mut cx = Context::from_waker(noop_waker_ref());
        while matches!(reader.fill(&mut cx), Poll::Ready(Ok(1..))) {}
        reader
    }

    #[test]
    fn who_says_only_that_a_long_message_comes_takes_no_room_from_others() {
        let shared = Arc::new(SharedBytes::new(LONG_INTAKE));
        let _silent: Vec<_> = (0..40).map(|_| begun(4, &shared)).collect();
        assert!(shared.used() <= 40 * 2 * CHUNK, "{}", shared.used());
        let mut others: Vec<_> = (0..40).map(|_| Intake::new(shared.clone())).collect();
        let cx = Context::from_waker(noop_waker_ref());
        assert!(others.iter_mut().all(|other| other.poll_room(MIB, &cx).is_ready()));
    }

    #[test]
    fn there_is_room_for_all_of_a_message_that_comes_and_it_is_watched_from_then_on() {
        let shared = Arc::new(SharedBytes::new(LONG_INTAKE));
        let mut reader = begun(CHUNK + 1, &shared);
        assert_eq!(shared.used(), 4 + 10 * MIB + CHUNK);
        let _others: Vec<_> = (0..14).map(|_| begun(CHUNK + 1, &shared)).collect();
        let beats = (0..).take_while(|_| !reader.is_slow()).count();
        assert_eq!(beats, PATIENCE as usize);
    }

    #[test]
    fn of_what_it_passed_on_a_relay_answers_for_signatures_only() {
        let [node, relay] = [(); 2].map(|()| NodeKey::generate().node_id());
        let nonsense = || DecodeError::Field { field: "content" };
        let sealed = DecodeError::Sealed { node, source: Box::new(nonsense()) };
        assert_eq!(spoils_its_message(&sealed, relay), Some(false));
        assert_eq!(spoils_its_message(&sealed, node), Some(true));
        assert_eq!(spoils_its_message(&DecodeError::Seal { node }, relay), Some(false));
        assert_eq!(spoils_its_message(&DecodeError::Signature { node }, relay), Some(true));
        assert_eq!(spoils_its_message(&nonsense(), relay), None, "what it says itself");
    }
}
