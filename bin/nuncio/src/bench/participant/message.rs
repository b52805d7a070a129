//! What the messages of a measurement carry.

use bytes::{Bytes, BytesMut};
use rustix::time::{ClockId, clock_gettime};

/// Bytes at the beginning of each message: its number, when it was sent, and its part in the measurement.
pub(super) const HEADER: usize = 17;

/// What W3 answers, in bytes: an acknowledgement, not an echo.
pub(super) const ACKNOWLEDGEMENT: usize = 32;

/// The part of a message in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Finds out whether the other end is there.
    Probe = 0,
    /// Comes before what is measured.
    Warm = 1,
    /// The last of these: the receiver reports each message from here on.
    WarmLast = 2,
    /// Is measured.
    Measured = 3,
    /// The last one.
    Last = 4,
}

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    /// By [`now`].
    pub(super) sent: u64,
    pub(super) phase: Phase,
}

impl Header {
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let (number, rest) = message.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        let phase = match rest.first()? {
            0 => Phase::Probe,
            1 => Phase::Warm,
            2 => Phase::WarmLast,
            3 => Phase::Measured,
            4 => Phase::Last,
            _ => return None,
        };
        Some(Self { number: u64::from_le_bytes(*number), sent: u64::from_le_bytes(*sent), phase })
    }

    fn write(self, message: &mut [u8]) {
        message[..8].copy_from_slice(&self.number.to_le_bytes());
        message[8..16].copy_from_slice(&self.sent.to_le_bytes());
        message[16] = self.phase as u8;
    }
}

/// Messages of one length. A message is written anew in its place when the one before has gone.
#[derive(Debug)]
pub(super) struct Messages {
    spare: Bytes,
}

impl Messages {
    /// Of at least [`HEADER`] bytes; not all alike, so that nothing gains from compression.
    pub(super) fn of(length: usize) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let bytes = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        });
        Self { spare: bytes.take(length).collect() }
    }

    pub(super) fn stamp(&mut self, number: u64, phase: Phase) -> Bytes {
        let spare = std::mem::take(&mut self.spare).try_into_mut();
        let mut message = spare.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        Header { number, sent: now(), phase }.write(&mut message);
        self.spare = message.freeze();
        self.spare.clone()
    }
}

/// The acknowledgement of a message: its beginning.
pub(super) fn acknowledgement(message: &[u8]) -> Bytes {
    let mut bytes = [0; ACKNOWLEDGEMENT];
    let length = message.len().min(HEADER);
    bytes[..length].copy_from_slice(&message[..length]);
    Bytes::copy_from_slice(&bytes)
}

/// Nanoseconds on a clock that all processes of a machine share.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_says_is_read_from_it_and_from_its_acknowledgement() {
        let mut messages = Messages::of(64);
        let message = messages.stamp(7, Phase::Last);
        let read = Header::read(&message).expect("a header");
        assert_eq!((read.number, read.phase, message.len()), (7, Phase::Last, 64));
        assert_eq!(Header::read(&acknowledgement(&message)), Some(read));
        assert_eq!(Header::read(&message[..16]), None);
        let next = messages.stamp(8, Phase::Probe);
        assert_eq!((&message[17..], message[0], next[0]), (&next[17..], 7, 8), "the first is still held");
    }
}
