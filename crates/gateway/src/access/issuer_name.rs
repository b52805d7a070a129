use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

/// An issuer's name as somebody has written it down. Tools differ in which part comes first, in the signs between them, in
/// blanks, and in the case of letters: that makes no other name of it, or a denial would deny nobody.
#[derive(Debug, Clone)]
pub struct IssuerName {
    text: String,
    /// Type and value of each, in order.
    parts: Vec<(String, String)>,
}

impl IssuerName {
    /// Reads `CN=a,O=b`, `CN = a, O = b` or `/CN=a/O=b`; `None` for what is no name.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let parts = match text.strip_prefix('/') {
            Some(rest) => split(rest, &['/']),
            None => split(text, &[',', '+']),
        };
        let mut parts = parts.into_iter().map(part).collect::<Option<Vec<_>>>()?;
        parts.sort();
        Some(Self { text: text.to_owned(), parts })
    }
}

/// Signs behind a `\` do not separate.
fn split<'a>(text: &'a str, signs: &[char]) -> Vec<&'a str> {
    let (mut parts, mut begin, mut is_escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if !is_escaped && signs.contains(&c) {
            parts.push(&text[begin..at]);
            begin = at + c.len_utf8();
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    parts.push(&text[begin..]);
    parts
}

fn part(text: &str) -> Option<(String, String)> {
    let (kind, value) = text.split_once('=')?;
    let kind = kind.trim().to_ascii_uppercase();
    let words: Vec<String> = plain(value).split_whitespace().map(str::to_ascii_lowercase).collect();
    (!kind.is_empty() && !words.is_empty()).then(|| (kind, words.join(" ")))
}

/// Without what RFC 4514 and people put before letters that mean something.
fn plain(value: &str) -> String {
    let (mut plain, mut is_escaped) = (String::new(), false);
    for c in value.chars() {
        is_escaped = c == '\\' && !is_escaped;
        if !is_escaped {
            plain.push(c);
        }
    }
    plain
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
        for none in ["", "agencyA", "CN=a,b", "=a", "CN=", "/CN=a/b"] {
            assert_eq!(IssuerName::read(none), None, "{none}");
        }
    }
}
