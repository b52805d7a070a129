use std::collections::HashSet;

/// One `key=value` of an ini file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) section: &'a str,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
    pub(super) line: usize,
}

/// A line that is no ini.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

/// Reads an ini file as FISCO BCOS does: `[section]`, `key=value`, whole-line comments with `;` or `#`, each key once.
pub(super) fn parse(text: &str) -> Result<Vec<Entry<'_>>, BadLine> {
    let (mut section, mut seen) = ("", HashSet::new());
    let mut entries = Vec::new();
    for (index, raw) in text.lines().enumerate() {
        let line = index + 1;
        let trimmed = raw.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() || trimmed.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            // What stands behind it is a comment or a slip; FISCO BCOS looks at neither.
            section = rest.split_once(']').ok_or(BadLine { line, message: "a section ends with `]`" })?.0.trim();
            continue;
        }
        let (key, value) = trimmed.split_once('=').ok_or(BadLine { line, message: "expected `key=value`" })?;
        let entry = Entry { section, key: key.trim(), value: value.trim(), line };
        if !seen.insert((section, entry.key)) {
            return Err(BadLine { line, message: "this key stands there twice" });
        }
        entries.push(entry);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_comments_and_lines() {
        let text = "; c\n[p2p] ; c [x]\n  listen_ip = 0.0.0.0\r\n\n# c\nnode.0=[::1]:30300\n[ rpc ]\nx=\n";
        let seen: Vec<_> = parse(text).unwrap().into_iter().map(|e| (e.section, e.key, e.value, e.line)).collect();
        assert_eq!(
            seen,
            [("p2p", "listen_ip", "0.0.0.0", 3), ("p2p", "node.0", "[::1]:30300", 6), ("rpc", "x", "", 8)]
        );
        assert_eq!(parse("a=1\nnonsense").unwrap_err().line, 2);
        let twice = "[p2p]\nlisten_port=1\n[rpc]\nlisten_port=1\n[p2p]\nlisten_port=2";
        assert_eq!(parse(twice).unwrap_err(), BadLine { line: 6, message: "this key stands there twice" });
        assert_eq!(parse("[p2p").unwrap_err().line, 1);
    }
}
