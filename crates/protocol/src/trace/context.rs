use std::{fmt, str::FromStr, time::Instant};

/// Names a trace: what a source asks the hops of one message to report under. Not all zeros.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId([u8; TraceId::LENGTH]);

/// The context of a distributed trace, as the application that sends a request gives it to the one that answers:
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/), version 00.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: TraceId,
    span: [u8; TraceParent::SPAN],
    flags: u8,
}

/// How a message is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    /// The hops report under this name; without it none does.
    pub id: Option<TraceId>,
    /// The application's own context, of which only the target's learns.
    pub parent: Option<TraceParent>,
    /// When this node read the message from its link, where the edge says so. It does not travel.
    pub taken: Option<Instant>,
}

/// Text or bytes that are no trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no trace context: write 00-, 32 and - and 16 and - and 2 lower-case hexadecimal digits, neither of the two IDs all zeros"
)]
pub struct NoTraceParent;

impl TraceId {
    /// Bytes in one.
    pub const LENGTH: usize = 16;

    /// Reads one; `None` when it is of another length or all zeros.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().filter(|bytes| *bytes != [0; Self::LENGTH]).map(Self)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl TraceParent {
    /// Bytes in one, as it travels.
    pub const LENGTH: usize = TraceId::LENGTH + Self::SPAN + 1;

    const SPAN: usize = 8;

    /// The beginning of a trace: its first span has the ID's first bytes, and it is sampled.
    pub fn begin(trace: TraceId) -> Self {
        let [first @ .., _, _, _, _, _, _, _, _] = trace.0;
        let span = if first == [0; Self::SPAN] { [1; Self::SPAN] } else { first };
        Self { trace, span, flags: 1 }
    }

    /// Reads one as it travels; `None` when it is of another length, or one of the IDs is all zeros.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (trace, rest) = bytes.split_at_checked(TraceId::LENGTH)?;
        let (span, flags) = rest.split_first_chunk()?;
        let [flags] = *flags else { return None };
        Some(Self { trace: TraceId::from_bytes(trace)?, span: *span, flags }).filter(|_| *span != [0; Self::SPAN])
    }

    /// As it travels: the trace's ID, the span's, and the flags.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [self.flags; Self::LENGTH];
        bytes[..TraceId::LENGTH].copy_from_slice(&self.trace.0);
        bytes[TraceId::LENGTH..TraceId::LENGTH + Self::SPAN].copy_from_slice(&self.span);
        bytes
    }

    /// The ID of the whole trace.
    pub const fn trace(&self) -> TraceId {
        self.trace
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Of later versions of the standard, what version 00 knows is read.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        const LENGTH: usize = 55;
        let (known, rest) = text.as_bytes().split_at_checked(LENGTH).ok_or(NoTraceParent)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let mut part = || parts.next().ok_or(NoTraceParent);
        let [version] = digits(part()?)?;
        let (trace, span) = (digits::<16>(part()?)?, digits::<8>(part()?)?);
        let [flags] = digits(part()?)?;
        let is_known = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        // Of the flags of later versions only the first is known.
        let flags = if version == 0 { flags } else { flags & 1 };
        let trace = TraceId::from_bytes(&trace).ok_or(NoTraceParent)?;
        let is_whole = is_known && parts.next().is_none() && span != [0; Self::SPAN];
        if is_whole { Ok(Self { trace, span, flags }) } else { Err(NoTraceParent) }
    }
}

fn digits<const N: usize>(text: &[u8]) -> Result<[u8; N], NoTraceParent> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NoTraceParent),
    };
    let (pairs, []) = text.as_chunks::<2>() else { return Err(NoTraceParent) };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return Err(NoTraceParent);
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Ok(bytes)
}

fn write_digits(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// 32 hexadecimal digits.
impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_digits(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As the standard writes it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-", self.trace)?;
        write_digits(&self.span, f)?;
        write!(f, "-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_standard_writes_is_read_written_and_carried_as_it_was() {
        let parent: TraceParent = GOOD.parse().unwrap();
        assert_eq!(parent.to_string(), GOOD);
        assert_eq!(parent.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(TraceParent::from_bytes(&parent.to_bytes()), Some(parent));
        let later: TraceParent = GOOD.replacen("00", "01", 1).replace("-01", "-ff-more").parse().unwrap();
        assert_eq!(later, parent, "of a later version, what is known");
    }

    #[test]
    fn anything_else_is_refused() {
        let zero_trace = GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32));
        let zero_span = GOOD.replace("00f067aa0ba902b7", &"0".repeat(16));
        let all = [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replacen("4b", "4-", 1),
            &GOOD.replacen("4b", "é", 1),
            &zero_trace,
            &zero_span,
            &format!("{}x", GOOD.replacen("00", "01", 1)),
        ];
        for text in all {
            assert_eq!(text.parse::<TraceParent>(), Err(NoTraceParent), "{text}");
        }
        assert_eq!(TraceParent::from_bytes(&[0; TraceParent::LENGTH]), None);
        assert_eq!(TraceParent::from_bytes(&[1; TraceParent::LENGTH + 1]), None);
        assert_eq!(TraceId::from_bytes(&[0; 16]), None);
    }

    #[test]
    fn a_trace_that_begins_has_a_span() {
        let only_last = TraceId::from_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).unwrap();
        for id in [only_last, TraceId([7; 16])] {
            let parent = TraceParent::begin(id);
            assert_eq!(parent.to_string().parse(), Ok(parent));
            assert_eq!(parent.trace(), id);
        }
    }
}
