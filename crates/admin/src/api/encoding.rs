use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The bytes are UTF-8 and stand as they are.
    Utf8,
    /// Standard base64 with padding.
    Base64,
}

/// Text up to here is never written in base64, in bytes.
const SHORT: usize = 4 << 10;

/// How many bytes are such: of a part, which is as many as one byte can count, all are looked at at once.
fn count(bytes: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let of = |part: &[u8]| usize::from(part.iter().fold(0_u8, |count, byte| count + u8::from(is(*byte))));
    bytes.chunks(usize::from(u8::MAX)).map(of).sum()
}

/// Bytes that text has in JSON.
fn escaped(text: &[u8]) -> usize {
    let pairs = count(text, |byte| matches!(byte, b'"' | b'\\'));
    let control = count(text, |byte| byte < b' ');
    let short = count(text, |byte| matches!(byte, b'\n' | b'\r' | b'\t' | 0x08 | 0x0c));
    text.len() + pairs + 5 * control - 4 * short
}

impl Encoding {
    /// `utf8` or `base64`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Utf8 => "utf8",
            Self::Base64 => "base64",
        }
    }

    /// Writes bytes as text: as they are when they are UTF-8, else in base64; also long ones that JSON would make longer than
    /// that.
    pub fn of(bytes: &[u8]) -> (String, Self) {
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() < SHORT || escaped(bytes) <= bytes.len() / 3 * 4 => (text.to_owned(), Self::Utf8),
            _ => (BASE64.encode(bytes), Self::Base64),
        }
    }

    /// Most bytes that so many become in a line of JSON.
    pub(crate) const fn longest(bytes: usize) -> usize {
        bytes.div_ceil(3) * 4 + 6 * SHORT
    }

    /// Reads the bytes back; `None` when the text is not base64.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Base64 => BASE64.decode(text).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_long_in_json_as_it_is_said_to_be() {
        let all: String = (0_u8..128).cycle().take(1000).map(char::from).collect();
        for text in ["", "plain", &"\u{1}".repeat(600), &"\n\"é".repeat(300), &all] {
            let quoted = serde_json::to_string(text).unwrap();
            assert_eq!(escaped(text.as_bytes()), quoted.len() - 2, "{text:?}");
        }
    }
}
