//! How values are written for people, and how durations and sizes are read.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use nuncio_daemon::config::{Size, ValueError};
use nuncio_protocol::{Priority, Topic, UnknownPriority};

/// Enough of a node ID to name the node in the next command.
pub(crate) fn short(node_id: &str) -> String {
    node_id.chars().take(12).collect()
}

/// The value, or a dash.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Seconds as `3d 4h`, `5m 6s`, `7s`: the two largest units.
pub(crate) fn age(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = parts.iter().position(|(amount, _)| *amount > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).filter(|(amount, _)| *amount > 0);
    let text = shown.map(|(amount, unit)| format!("{amount}{unit}")).collect::<Vec<_>>().join(" ");
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Microseconds in the unit that reads best.
pub(crate) fn rtt(microseconds: u64) -> String {
    match microseconds {
        0..1000 => format!("{microseconds} µs"),
        _ => format!("{:.1} ms", Duration::from_micros(microseconds).as_secs_f64() * 1e3),
    }
}

/// The whole ID of a node or the beginning of one, as every command takes it: digits in lower case, `0x` left out.
pub(crate) fn node_id(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    if nuncio_admin::is_node_id_prefix(digits) {
        return Ok(digits.to_owned());
    }
    Err("a node ID is 128 hexadecimal digits, or at least the first 6 of them".to_owned())
}

/// A topic that a message can have.
pub(crate) fn topic(text: &str) -> Result<String, String> {
    Topic::new(text).map(|topic| topic.as_str().to_owned()).map_err(|error| error.to_string())
}

/// How urgent a message is.
pub(crate) fn priority() -> impl TypedValueParser<Value = Priority> {
    let names = PossibleValuesParser::new(Priority::ALL.map(Priority::name));
    names.try_map(|name| -> Result<Priority, UnknownPriority> { name.parse() })
}

/// `30s`, `250ms`, `2m`, `1m 30s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |_| format!("{text:?} is not a duration such as 30s, 250ms or 2m");
    let duration: jiff::SignedDuration = text.parse().map_err(wrong)?;
    Duration::try_from(duration).map_err(|_| "a duration is not negative".to_owned())
}

/// A [`duration`] that something may take: a millisecond at least.
pub(crate) fn time_limit(text: &str) -> Result<Duration, String> {
    let limit = duration(text)?;
    if limit < Duration::from_millis(1) { Err("it is at least 1ms".to_owned()) } else { Ok(limit) }
}

/// `4MiB`, `64KiB` or `1000`, as the configuration reads it.
pub(crate) fn size<T: TryFrom<u64>>(text: &str) -> Result<T, String> {
    let size: Size = text.parse().map_err(|error: ValueError| error.to_string())?;
    T::try_from(size.0).map_err(|_| format!("{text} is more than this machine can count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("30").is_err());
        assert!(duration("-1s").is_err());
        assert!(duration("soon").is_err());
    }

    #[test]
    fn sizes_read_as_in_the_configuration_and_plain_numbers_too() {
        assert_eq!((size("4KiB"), size("64"), size("1GiB")), (Ok(4096_usize), Ok(64_u64), Ok(1_usize << 30)));
        assert!(size::<u64>("lots").is_err_and(|error| error.contains("4MiB")) && size::<u64>("-1").is_err());
    }

    #[test]
    fn what_cannot_be_a_node_is_no_node_id() {
        assert_eq!(node_id(" 0xABCDEF "), Ok("abcdef".to_owned()));
        assert!(node_id(&"a".repeat(128)).is_ok());
        for text in ["abc", "abcdeg", "", "-", "127.0.0.1:1", &"a".repeat(129)] {
            assert!(node_id(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_message_can_have_is_no_topic() {
        assert_eq!(topic("prices/新"), Ok("prices/新".to_owned()));
        for text in ["", "a\nb", &"a".repeat(255)] {
            assert!(topic(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn ages_show_two_units() {
        assert_eq!(age(0), "0s");
        assert_eq!(age(59), "59s");
        assert_eq!(age(3_725), "1h 2m");
        assert_eq!(age(86_400), "1d");
    }
}
