use bytes::{Buf as _, BytesMut};
use nuncio_channel_protocol::{Frame, FrameCodec, FrameError, FrameKind, HEADER_LENGTH, MAX_FRAME};
use tokio_util::codec::Decoder as _;

use crate::bounds::SMALL_FRAME;

/// Longest frame that is skipped, in bytes (100 MiB): FISCO's own limit, beyond which a length is taken for a lie.
const MAX_SKIPPED: usize = 100 << 20;

/// Cuts what a client sends into frames.
///
/// Holds at most one frame and one read of the socket; longer frames than [`SMALL_FRAME`] have a lease, see [`crate::Intake`]. A frame over its limit is not held: its header is reported and the
/// rest thrown away as it comes.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) received: BytesMut,
    codec: FrameCodec,
    control_frame: usize,
    skip: usize,
}

/// What a client sent.
#[derive(Debug)]
pub(super) enum Received {
    /// A whole frame.
    Frame(Frame),
    /// The header of a frame over the limit, without its body.
    Oversized {
        header: Frame,
        /// Length of the whole frame, in bytes.
        length: usize,
    },
}

impl Inbox {
    pub(super) fn new(control_body: usize) -> Self {
        Self {
            received: BytesMut::new(),
            codec: FrameCodec::new(MAX_FRAME),
            control_frame: HEADER_LENGTH.saturating_add(control_body),
            skip: 0,
        }
    }

    /// The next frame; `None` until more has come.
    ///
    /// # Errors
    /// When the length field is impossible: the stream cannot be read on.
    pub(super) fn next(&mut self) -> Result<Option<Received>, FrameError> {
        let skipped = self.skip.min(self.received.len());
        self.received.advance(skipped);
        self.skip -= skipped;
        if let Some(oversized) = self.oversized()? {
            return Ok(Some(oversized));
        }
        let frame = self.codec.decode(&mut self.received)?;
        if self.received.is_empty() {
            // An idle session keeps no buffer.
            self.received = BytesMut::new();
        }
        Ok(frame.map(Received::Frame))
    }

    /// Whether what comes next is an HTTP request instead of a frame. No frame begins so: its length would be over a gigabyte.
    pub(super) fn is_http(&self) -> bool {
        const METHODS: [&[u8]; 4] = [b"GET ", b"POST", b"HEAD", b"OPTI"];
        self.skip == 0 && METHODS.iter().any(|method| self.received.starts_with(method))
    }

    /// Length of the frame that has begun, when it is a long one and will be held; meaningful after [`Self::next`] said `None`.
    pub(super) fn unfinished(&self) -> Option<usize> {
        let header = self.received.first_chunk::<HEADER_LENGTH>().filter(|_| self.skip == 0)?;
        let [first, second, third, fourth, ..] = *header;
        let length = usize::try_from(u32::from_be_bytes([first, second, third, fourth])).unwrap_or(usize::MAX);
        (length > SMALL_FRAME).then_some(length)
    }

    fn oversized(&mut self) -> Result<Option<Received>, FrameError> {
        let Some(field) = self.received.first_chunk::<4>() else {
            return Ok(None);
        };
        let field = u32::from_be_bytes(*field);
        let length = usize::try_from(field).unwrap_or(usize::MAX);
        if length > MAX_SKIPPED {
            return Err(FrameError::TooLarge { length: field.into(), limit: MAX_SKIPPED });
        }
        if length <= self.control_frame.min(MAX_FRAME) {
            return Ok(None);
        }
        let Some(header) = self.received.first_chunk::<HEADER_LENGTH>() else {
            return Ok(None);
        };
        let Some(header) = self.decode_header(*header)? else {
            return Ok(None);
        };
        let limit = match header.kind {
            FrameKind::Unicast | FrameKind::Multicast | FrameKind::Answer => MAX_FRAME,
            _ => self.control_frame,
        };
        if length <= limit {
            return Ok(None);
        }
        self.received.advance(HEADER_LENGTH);
        self.skip = length - HEADER_LENGTH;
        Ok(Some(Received::Oversized { header, length }))
    }

    /// Reads a header as a frame that ends behind it.
    fn decode_header(&mut self, mut header: [u8; HEADER_LENGTH]) -> Result<Option<Frame>, FrameError> {
        header[..4].copy_from_slice(&(HEADER_LENGTH as u32).to_be_bytes());
        self.codec.decode(&mut BytesMut::from(&header[..]))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use nuncio_channel_protocol::FrameSeq;

    use super::*;

    fn header(length: u32, kind: FrameKind) -> Vec<u8> {
        let frame = Frame::request(kind, FrameSeq::from_number(1), Bytes::new());
        let mut header = frame.encode_header().to_vec();
        header[..4].copy_from_slice(&length.to_be_bytes());
        header
    }

    #[test]
    fn an_oversized_frame_is_reported_at_its_header_and_skipped_without_being_held() {
        let mut inbox = Inbox::new(100);
        inbox.received.extend_from_slice(&header(1000, FrameKind::Rpc));
        let Ok(Some(Received::Oversized { header: head, length: 1000 })) = inbox.next() else {
            panic!("reported at its header");
        };
        assert_eq!(head.seq, FrameSeq::from_number(1));
        for _ in 0..9 {
            inbox.received.extend_from_slice(&[0xff; 100]);
            assert!(matches!(inbox.next(), Ok(None)));
            assert_eq!(inbox.received.len(), 0);
        }
        inbox.received.extend_from_slice(&[0xff; 58]);
        inbox.received.extend_from_slice(&header(42, FrameKind::Heartbeat));
        let Ok(Some(Received::Frame(frame))) = inbox.next() else {
            panic!("the next frame is read where it begins");
        };
        assert_eq!(frame.kind, FrameKind::Heartbeat);
    }

    #[test]
    fn a_large_amop_frame_is_not_oversized_and_an_impossible_length_is_an_error() {
        let mut inbox = Inbox::new(100);
        inbox.received.extend_from_slice(&header(1000, FrameKind::Unicast));
        assert!(matches!(inbox.next(), Ok(None)), "waits for the rest");
        let mut inbox = Inbox::new(100);
        inbox.received.extend_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(inbox.next(), Err(FrameError::TooLarge { .. })));
        let mut inbox = Inbox::new(100);
        inbox.received.extend_from_slice(&[0, 0, 0, 41]);
        assert!(matches!(inbox.next(), Err(FrameError::TooShort { .. })));
    }
}
