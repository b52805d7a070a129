use std::time::{Duration, Instant};

use super::{Bucket, Rate};

/// Messages a second by which one node may have all others check its signatures, and how many at once.
const MESSAGES: f64 = 2_500.0;
const MESSAGES_AT_ONCE: f64 = 1_250.0;

/// Bytes a second of such messages, and how many at once.
const BYTES: f64 = 64.0 * MIB;
const BYTES_AT_ONCE: f64 = 128.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;

/// A budget of messages that go to many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cast {
    messages: Bucket,
    bytes: Bucket,
}

/// Its rates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CastRate {
    pub(crate) messages: Rate,
    pub(crate) bytes: Rate,
}

/// How many times as many bytes AMOP's multicasts may have: their bodies are longer than what gossip or batches carry.
const LONG: f64 = 4.0;

impl CastRate {
    /// The same for AMOP's multicasts.
    pub(crate) const fn of_amop(self) -> Self {
        let Rate { per_second, burst } = self.bytes;
        Self { bytes: Rate { per_second: LONG * per_second, burst: LONG * burst }, ..self }
    }

    /// A part of it.
    pub(crate) const fn parted(self, factor: f64) -> Self {
        Self { messages: self.messages.parted(factor), bytes: self.bytes.parted(factor) }
    }

    /// So many times what one node may send.
    pub(crate) const fn times(factor: f64) -> Self {
        Self {
            messages: Rate { per_second: factor * MESSAGES, burst: factor * MESSAGES_AT_ONCE },
            bytes: Rate { per_second: factor * BYTES, burst: factor * BYTES_AT_ONCE },
        }
    }
}

impl CastRate {
    /// Most messages in so long.
    pub(crate) fn messages_in(self, time: Duration) -> usize {
        self.messages.most_in(time)
    }
}

impl Cast {
    pub(crate) const fn new(rate: CastRate, now: Instant) -> Self {
        Self { messages: Bucket::new(rate.messages, now), bytes: Bucket::new(rate.bytes, now) }
    }

    /// Whether nothing of it is used.
    pub(crate) fn is_full(&self, rate: CastRate, now: Instant) -> bool {
        self.messages.is_full(rate.messages, now) && self.bytes.is_full(rate.bytes, now)
    }

    /// Whether there is an allowance for so many messages of so many bytes each.
    pub(crate) fn has(&self, messages: (f64, f64), rate: CastRate, now: Instant) -> bool {
        self.has_above(0.0, messages, rate, now)
    }

    /// The same, if such a part of all is to be left.
    pub(crate) fn has_above(&self, part: f64, (count, bytes): (f64, f64), rate: CastRate, now: Instant) -> bool {
        let (messages, all_bytes) = (count + part * rate.messages.burst, count * bytes + part * rate.bytes.burst);
        self.messages.has(messages, rate.messages, now) && self.bytes.has(all_bytes, rate.bytes, now)
    }

    /// Takes what there is of so many messages of so many bytes each.
    pub(crate) fn use_up(&mut self, (count, bytes): (f64, f64), rate: CastRate, now: Instant) {
        self.messages.take_above(0.0, count, rate.messages, now);
        self.bytes.take_above(0.0, count * bytes, rate.bytes, now);
    }

    /// Takes a message of so many bytes; `false`, and nothing taken, when there is no allowance for it.
    #[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
    pub(crate) fn take(&mut self, length: usize, rate: CastRate, now: Instant) -> bool {
        let one = (1.0, length as f64);
        let has = self.has(one, rate, now);
        if has {
            self.use_up(one, rate, now);
        }
        has
    }
}
