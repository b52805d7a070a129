//! Instants as people read them.

use der::{Choice, DateTime, Decode, EncodeValue, Length, Reader, Tag, Tagged, Writer, asn1::AnyRef};
use jiff::{SignedDuration, civil};
use rustls_pki_types::UnixTime;
use x509_cert::time::Time;

/// The last second that a certificate's four-digit year can say: 9999-12-31T23:59:59Z.
const LAST: u64 = 253_402_300_799;

/// RFC 3339 in UTC, to the second.
pub(crate) fn text(instant: UnixTime) -> String {
    i64::try_from(instant.as_secs())
        .ok()
        .and_then(|seconds| EPOCH.checked_add(SignedDuration::from_secs(seconds)).ok())
        .map_or_else(|| format!("second {} of 1970", instant.as_secs()), |date| format!("{date}Z"))
}

pub(crate) fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

/// An instant as certificates and lists write it, in seconds of 1970. What lies before is that year's first second: nobody
/// lives there, and some authorities begin in 1950.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Both types may stand for any year that they can write, as OpenSSL reads them; nothing but whole seconds in UTC is.
    fn read(time: AnyRef<'_>) -> Option<Self> {
        let text = str::from_utf8(time.value()).ok()?.strip_suffix('Z')?;
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (year, rest) = match (time.tag(), text.len()) {
            (Tag::UtcTime, 12) => (century(text[..2].parse().ok()?), &text[2..]),
            (Tag::GeneralizedTime, 14) => (text[..4].parse().ok()?, &text[4..]),
            _ => return None,
        };
        let two = |from: usize| rest[from..from + 2].parse().ok();
        let date = civil::DateTime::new(year, two(0)?, two(2)?, two(4)?, two(6)?, two(8)?, 0).ok()?;
        Some(Self(u64::try_from(date.duration_since(EPOCH).as_secs()).unwrap_or_default()))
    }

    fn written(self) -> Time {
        encoded(at(self.0))
    }
}

const EPOCH: civil::DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);

/// Two digits stand for 1950 to 2049 (RFC 5280, 4.1.2.5.1).
const fn century(year: i16) -> i16 {
    if year < 50 { 2000 + year } else { 1900 + year }
}

impl<'a> Choice<'a> for Moment {
    fn can_decode(tag: Tag) -> bool {
        matches!(tag, Tag::UtcTime | Tag::GeneralizedTime)
    }
}

impl<'a> Decode<'a> for Moment {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let time = AnyRef::decode(reader)?;
        Self::read(time).ok_or_else(|| time.tag().value_error().into())
    }
}

impl Tagged for Moment {
    fn tag(&self) -> Tag {
        self.written().tag()
    }
}

impl EncodeValue for Moment {
    fn value_len(&self) -> der::Result<Length> {
        self.written().value_len()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.written().encode_value(writer)
    }
}

/// For a certificate's field; what lies beyond the year 9999 is written as its last second.
pub(crate) fn encoded(instant: UnixTime) -> Time {
    let seconds = std::time::Duration::from_secs(instant.as_secs().min(LAST));
    let date = DateTime::from_unix_duration(seconds).unwrap_or(DateTime::INFINITY);
    Time::from(date)
}

#[cfg(test)]
mod tests {
    use der::Encode;

    use super::*;

    fn read(tag: u8, text: &str) -> Option<u64> {
        let der = [&[tag, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
        Moment::from_der(&der).ok().map(|moment| moment.0)
    }

    #[test]
    fn what_a_certificate_can_say_is_read_and_shown() {
        for (tag, written, shown) in [
            (0x17, "500101000000Z", "1970-01-01T00:00:00Z"),
            (0x17, "700101000001Z", "1970-01-01T00:00:01Z"),
            (0x17, "491231235959Z", "2049-12-31T23:59:59Z"),
            (0x18, "00000101000000Z", "1970-01-01T00:00:00Z"),
            (0x18, "20240229123456Z", "2024-02-29T12:34:56Z"),
            (0x18, "99991231235959Z", "9999-12-31T23:59:59Z"),
        ] {
            let moment = read(tag, written).expect(written);
            assert_eq!(text(at(moment)), shown, "{written}");
            assert_eq!(Moment::from_der(&Moment(moment).to_der().expect("it fits")), Ok(Moment(moment)), "{written}");
        }
        assert_eq!(read(0x18, "99991231235959Z"), Some(LAST));
        for nonsense in ["", "Z", "+00101000000Z", "20240230000000Z", "2024022912345\u{e9}Z"] {
            assert_eq!((read(0x17, nonsense), read(0x18, nonsense)), (None, None), "{nonsense}");
        }
    }
}
