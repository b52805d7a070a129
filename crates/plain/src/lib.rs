//! What remotes said, fit to be printed and logged.
//!
//! A name, a message or a reason that somebody else wrote may hold escape sequences that take over a terminal, line breaks
//! that forge a line of a log, and marks that hide text or turn its direction. Whoever shows such text shows it through
//! this crate: each of these characters becomes a visible one, and a text becomes one line.

mod argument;
mod file_name;
mod pace;

pub use argument::argument;
pub use file_name::is_file_name;
pub use pace::Pace;

use std::{borrow::Cow, fmt::Write as _};

/// The text as one line. Control characters become their pictures (␊, ␛, ␉), all else that is harmful becomes �; the rest
/// is as it was.
pub fn line(text: &str) -> Cow<'_, str> {
    if is_simple(text) || text.chars().all(is_harmless) { text.into() } else { text.chars().map(shown).collect() }
}

/// The same of the first `most` characters.
pub fn short(text: &str, most: usize) -> String {
    text.chars().take(most).map(shown).collect()
}

/// The same of bytes that may be text.
pub fn bytes(bytes: &[u8], most: usize) -> String {
    // No character has more than four bytes.
    let beginning = &bytes[..bytes.len().min(most.saturating_mul(4))];
    short(&String::from_utf8_lossy(beginning), most)
}

/// JSON that says the same and holds no harmful character: in its strings they are written `\uXXXX`.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_harmless = |c| is_harmless(c) || c == '\n';
    if is_simple(text.strip_suffix('\n').unwrap_or(text)) || text.chars().all(is_harmless) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmless(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped.into()
}

/// Whether a character shows as what it is and leaves its neighbours alone: no control or formatting character, no line
/// or paragraph separator.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Whether it is nothing but visible ASCII, as a long body in base64 is: many bytes are looked at at once.
fn is_simple(text: &str) -> bool {
    text.as_bytes().chunks(1 << 10).all(|part| part.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')))
}

fn shown(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '\u{2421}',
        _ if is_harmless(c) => c,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_remotes_cannot_move_the_cursor_forge_a_line_or_turn_the_text() {
        assert_eq!(line("no\u{1b}[2J\r\nroom\u{202e}\u{9b}1m\u{7f}"), "no␛[2J␍␊room��1m␡");
        assert_eq!(line("\u{2028}\u{2066}a\u{200b}\u{feff}\u{e0041}"), "��a���");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["", "node0 of agencyA", "数据 данные ةيبرع 🦀", "a\\nb \"c\""] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(short(&"é".repeat(5000), 200).chars().count(), 200);
        assert_eq!(bytes(&[b'a', 0xff, b'\n', b'b', b'c'], 4), "a�␊b");
        assert_eq!(bytes("ééé".as_bytes(), 2), "éé");
    }

    #[test]
    fn json_says_the_same() {
        let evil = "{\"data\":\"a\u{7f}\u{9b}\u{202e}\u{1d173}é\"}\n";
        let escaped = json(evil);
        assert_eq!(escaped, "{\"data\":\"a\\u007f\\u009b\\u202e\\ud834\\udd73é\"}\n");
        assert!(matches!(json("{\"data\":\"é\"}\n"), Cow::Borrowed(_)));
    }
}
