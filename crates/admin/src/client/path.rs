use std::fmt::Write;

/// Writes a text so that it is one segment of a path, or one key or value of a query.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string does not fail");
        }
        out
    })
}

/// A path with a query.
pub(super) fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}
