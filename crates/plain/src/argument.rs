use std::path::Path;

use crate::line;

/// A path as it stands in a command that somebody copies: a shell takes it for one word.
pub fn argument(path: impl AsRef<Path>) -> String {
    let path = path.as_ref().to_string_lossy();
    let is_word = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if !path.is_empty() && path.chars().all(is_word) {
        return path.into_owned();
    }
    format!("'{}'", line(&path).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_each_for_one_word() {
        for path in ["net/node0", "/etc/nuncio/ca.crt", "C:@1", "证书/node.crt"] {
            assert_eq!(argument(path), path);
        }
        for (path, word) in [
            ("my network/ca", "'my network/ca'"),
            ("o'brien", r"'o'\''brien'"),
            ("$(id)", "'$(id)'"),
            ("~/ca", "'~/ca'"),
            ("", "''"),
            ("a\nb", "'a␊b'"),
        ] {
            assert_eq!(argument(path), word);
        }
    }
}
