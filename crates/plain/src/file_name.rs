//! Names of files that others chose.

/// Names that mean a device on some systems, whatever follows their first dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Whether a name names a file in a directory and nothing else, on any system, and shows as what it is.
pub fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !name.starts_with(['.', '-', ' '])
        && !name.ends_with(['.', ' '])
        && !name.contains(is_strange)
        && !is_device(name)
}

fn is_strange(c: char) -> bool {
    matches!(c, '/' | '\\')
        || !crate::is_harmless(c)
        || (cfg!(windows) && matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|'))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let port =
        |prefix| stem.strip_prefix(prefix).is_some_and(|number: &str| matches!(number.as_bytes(), [b'0'..=b'9']));
    DEVICES.contains(&&*stem) || port("com") || port("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["a", "report 1.pdf", "数据.csv", "console.log", "com10", "a..b", "nul-1"] {
            assert!(is_file_name(name), "{name}");
        }
        let long = "x".repeat(256);
        for name in ["", ".", "..", ".ssh", "a/b", "..\\b", "a\nb", "a\u{1b}[2Jb", &long] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }

    #[test]
    fn names_are_what_they_show() {
        for name in ["-rf", " a", "a ", "a.", "NUL", "con.txt", "Com1", "lpt9.tar.gz", "fdp\u{202e}exe", "a\u{200b}b"] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
