//! The frames of `/nuncio/streams/1`: a head of eight bytes, and behind that of data the data.
//!
//! `kind (1) ‖ amount (3) ‖ stream (4)`, numbers big-endian. The amount is a length for data, bytes for credit, and nothing
//! for all others. A side opens streams of even or of odd numbers, ever higher: the dialer has the odd ones.

/// Bytes of a head.
pub(super) const HEAD: usize = 8;

/// The most that an amount can say.
pub(super) const MAX_AMOUNT: usize = (1 << 24) - 1;

/// What a frame says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It begins.
    Open,
    /// So many bytes of it follow.
    Data(usize),
    /// So many bytes more may come.
    Credit(usize),
    /// No more bytes come.
    Finish,
    /// No more bytes come, and none are read.
    Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) stream: u32,
    pub(super) kind: Kind,
}

impl Frame {
    /// An amount over [`MAX_AMOUNT`] is cut.
    pub(super) fn encode(self) -> [u8; HEAD] {
        let (kind, amount) = match self.kind {
            Kind::Open => (0_u64, 0),
            Kind::Data(length) => (1, length),
            Kind::Credit(bytes) => (2, bytes),
            Kind::Finish => (3, 0),
            Kind::Reset => (4, 0),
        };
        let head = kind << 56 | (amount.min(MAX_AMOUNT) as u64) << 32 | u64::from(self.stream);
        head.to_be_bytes()
    }

    /// `None` when it is no head.
    #[expect(clippy::cast_possible_truncation, reason = "the parts of a head fit")]
    pub(super) fn decode(head: [u8; HEAD]) -> Option<Self> {
        let head = u64::from_be_bytes(head);
        let amount = (head >> 32) as usize & MAX_AMOUNT;
        let kind = match (head >> 56, amount) {
            (0, 0) => Kind::Open,
            (1, 1..) => Kind::Data(amount),
            (2, 1..) => Kind::Credit(amount),
            (3, 0) => Kind::Finish,
            (4, 0) => Kind::Reset,
            _ => return None,
        };
        Some(Self { stream: head as u32, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_as_they_were_and_all_else_is_none() {
        for kind in [Kind::Open, Kind::Data(1), Kind::Data(MAX_AMOUNT), Kind::Credit(70_000), Kind::Finish, Kind::Reset]
        {
            for stream in [1, 2, u32::MAX] {
                let frame = Frame { stream, kind };
                assert_eq!(Frame::decode(frame.encode()), Some(frame));
            }
        }
        assert_eq!(Frame { stream: 3, kind: Kind::Data(0x01_0203) }.encode(), [1, 1, 2, 3, 0, 0, 0, 3]);
        for head in [[5, 0, 0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 0, 0, 0, 1], [255; HEAD]] {
            assert_eq!(Frame::decode(head), None, "{head:?}");
        }
    }
}
