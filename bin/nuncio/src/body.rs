//! Message bodies on the way in: `--data` and `--file`.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use nuncio_protocol::MAX_BODY;

use crate::failure::Failure;

/// Where a body comes from. Without either it is empty.
#[derive(Debug, clap::Args)]
pub(crate) struct BodyArguments {
    /// The text to send
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    data: Option<String>,
    /// The file to send, `-` for standard input; at most 10 MiB
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl BodyArguments {
    /// Reads the body; never more than the network carries.
    pub(crate) fn read(self) -> Result<Bytes, Failure> {
        match (self.data, self.file) {
            (Some(text), _) => checked(text.into_bytes(), "--data"),
            (None, Some(path)) if path == Path::new("-") => limited(io::stdin().lock(), "standard input", &path),
            (None, Some(path)) => {
                let file = File::open(&path).map_err(|error| Failure::file("cannot open", &path, &error))?;
                limited(file, &path.display().to_string(), &path)
            }
            (None, None) => Ok(Bytes::new()),
        }
    }
}

fn limited(source: impl Read, name: &str, path: &Path) -> Result<Bytes, Failure> {
    let mut body = Vec::new();
    source
        .take(MAX_BODY as u64 + 1)
        .read_to_end(&mut body)
        .map_err(|error| Failure::file("cannot read", path, &error))?;
    checked(body, name)
}

fn checked(body: Vec<u8>, name: &str) -> Result<Bytes, Failure> {
    if body.len() > MAX_BODY {
        return Err(Failure::operation(
            "too_large",
            format_args!("{name} is longer than the {MAX_BODY} bytes (10 MiB) one message carries"),
        )
        .hint("send it in parts"));
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_mebibytes_pass_and_one_byte_more_does_not() {
        let path = Path::new("x");
        assert_eq!(limited(io::repeat(1).take(MAX_BODY as u64), "x", path).unwrap().len(), MAX_BODY);
        let refused = limited(io::repeat(1), "x", path).unwrap_err();
        assert_eq!(refused.code, "too_large");
    }
}
