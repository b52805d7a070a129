use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use nuncio_pki::attribute_type;

/// An issuer's name as somebody has written it down. Tools differ in which part comes first, in the signs between them, in
/// blanks, and in the case of letters: that makes no other name of it, or a denial would deny nobody.
#[derive(Debug, Clone)]
pub struct IssuerName {
    text: String,
    /// Type, by its object identifier, and value of each, in order.
    parts: Vec<(String, String)>,
}

impl IssuerName {
    /// Reads `CN=a,O=b`, `CN = a, O = "b, c"` or `/CN=a/O=b`; `None` for what is no name, is in no writing that is known, or
    /// has parts of a type that nobody knows by that name.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (parts, form) = match text.strip_prefix('/') {
            Some(rest) => (split(rest, &['/'], false)?, Form::Slashes),
            None => (split(text, &[',', '+'], true)?, Form::Commas),
        };
        let mut parts = parts.into_iter().map(|text| part(text, form)).collect::<Option<Vec<_>>>()?;
        parts.sort();
        Some(Self { text: text.to_owned(), parts })
    }
}

/// In which of two ways a name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// RFC 4514, and what `openssl` makes of it.
    Commas,
    /// `-nameopt compat` of `openssl`.
    Slashes,
}

/// Signs behind a `\`, or within quotes where these mean something, do not separate. `None` where a quote has no end.
fn split<'a>(text: &'a str, signs: &[char], quotes: bool) -> Option<Vec<&'a str>> {
    let (mut parts, mut begin, mut is_escaped, mut is_quoted) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        if !is_escaped && !is_quoted && signs.contains(&c) {
            parts.push(&text[begin..at]);
            begin = at + c.len_utf8();
        }
        is_quoted ^= quotes && c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.push(&text[begin..]);
    (!is_quoted).then_some(parts)
}

fn part(text: &str, form: Form) -> Option<(String, String)> {
    let (kind, value) = text.split_once('=')?;
    let (kind, value) = (attribute_type(kind.trim())?, value.trim());
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let value = quoted.filter(|_| form == Form::Commas).unwrap_or(value);
    let words: Vec<String> = plain(value, form)?.split_whitespace().map(str::to_ascii_lowercase).collect();
    (!words.is_empty()).then(|| (kind, words.join(" ")))
}

/// What is meant, where RFC 4514 puts a sign before letters that mean something and `openssl` writes down the bytes of others.
/// What reads as nothing is no name: a denial of it would deny nobody.
fn plain(value: &str, form: Form) -> Option<String> {
    let (mut plain, mut rest) = (Vec::with_capacity(value.len()), value);
    while let Some((before, behind)) = rest.split_once('\\') {
        plain.extend_from_slice(before.as_bytes());
        let (digits, code) = match behind.chars().next()? {
            'x' if form == Form::Slashes => (&behind[1..], 2),
            'U' => (&behind[1..], 4),
            'W' => (&behind[1..], 8),
            _ => (behind, 2),
        };
        let number = digits.get(..code).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match number.map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(byte)) if code == 2 => plain.push(byte as u8),
            Some(Ok(number)) => plain.extend(char::from_u32(number)?.to_string().bytes()),
            _ => {
                let sign = behind.chars().next().filter(|sign| !sign.is_ascii_alphanumeric())?;
                plain.extend(sign.to_string().bytes());
                rest = &behind[sign.len_utf8()..];
                continue;
            }
        }
        rest = &digits[code..];
    }
    plain.extend_from_slice(rest.as_bytes());
    String::from_utf8(plain).ok()
}

impl fmt::Display for IssuerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for IssuerName {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for IssuerName {}

impl PartialOrd for IssuerName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IssuerName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts.cmp(&other.parts)
    }
}

impl Hash for IssuerName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_name_whichever_tool_wrote_it() {
        let read = |text: &str| IssuerName::read(text).unwrap();
        let ours = read("OU=agency,O=fisco-bcos,CN=agency A");
        for theirs in [
            "CN = agency A, O = fisco-bcos, OU = agency",
            "/CN=agency A/O=fisco-bcos/OU=agency",
            " cn=Agency  A,o=FISCO-bcos,ou=agency ",
            "CN=agency A+O=fisco-bcos,OU=agency",
        ] {
            assert_eq!(read(theirs), ours, "{theirs}");
        }
        for another in
            ["OU=agency,O=fisco-bcos,CN=agency B", "O=fisco-bcos,CN=agency A", "OU=agency A,O=fisco-bcos,CN=agency"]
        {
            assert_ne!(read(another), ours, "{another}");
        }
        assert_eq!(read("CN=a\\, b\\+c,O=d"), read("O=d,CN=a\\,  B\\+c"));
        assert_ne!(read("CN=a\\,O=d"), read("CN=a,O=d"));
        assert_eq!(ours.to_string(), "OU=agency,O=fisco-bcos,CN=agency A");
        for none in ["", "agencyA", "CN=a,b", "=a", "CN=", "/CN=a/b", "agency=a", r#"CN="a"#, r#"CN="""#] {
            assert_eq!(IssuerName::read(none), None, "{none}");
        }
    }

    /// Each line as `openssl x509 -noout -issuer` writes it, by default and with one of its `-nameopt`.
    #[test]
    fn a_name_in_another_script_is_the_name_in_the_certificate_however_openssl_writes_it() {
        let read = |text: &str| IssuerName::read(text).unwrap_or_else(|| panic!("{text}"));
        let ours = read("O=fisco-bcos,CN=机构A");
        for theirs in [
            r"CN = \E6\9C\BA\E6\9E\84A, O = fisco-bcos",
            r"/CN=\xE6\x9C\xBA\xE6\x9E\x84A/O=fisco-bcos",
            r"O=fisco-bcos,CN=\E6\9C\BA\E6\9E\84A",
            r"O=fisco-bcos,CN=\e6\9c\ba\e6\9e\84a",
            r"CN = \U673A\U6784A, O = fisco-bcos",
            r"CN = \W0000673A\U6784A, O = fisco-bcos",
            "CN=机构A, O=fisco-bcos",
        ] {
            assert_eq!(read(theirs), ours, "{theirs}");
        }
        assert_ne!(read(r"CN = \E6\9C\BA\E6\9E\85A, O = fisco-bcos"), ours);
        // In quotes, as by default where a value has signs that mean something.
        assert_eq!(read(r#"CN = "a;b", O = "WeBank Co., Ltd""#), read(r"O=WeBank Co.\, Ltd,CN=a\;b"));
        assert_eq!(read(r##"CN = "#hash", O = "say \"hi\"""##), read(r##"O=say \"hi\",CN=\#hash"##));
        // One type under many names.
        assert_eq!(read("emailAddress = ca@bank.example, CN = a"), read("EMAIL=ca@bank.example,2.5.4.3=a"));
        // Of signs that RFC 4514 marks, and those that have no form of their own.
        assert_eq!(read(r"CN=\22a\0ab\22\, \\c"), read("CN=\\\"a\nb\\\"\\2C \\5cc"));
        // Half a letter, or writing that nobody knows.
        for none in [r"CN=\E6\9C", r"CN=a\", r"CN=\xE6\x9C\xBA", r"CN=\UD800", r"CN=DOMAIN\user", r"/CN=\xE6"] {
            assert_eq!(IssuerName::read(none), None, "{none}");
        }
    }
}
