//! Message bodies on the way in: `--data`, `--file` and standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use nuncio_protocol::MAX_BODY;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{FileType, fstat},
};

use crate::{failure::Failure, output::Output};

/// How long what may come from a pipe that nobody named is waited for: a script's own pipe may stay open for ever.
const PIPE_WAIT_S: i64 = 1;

/// Where a body comes from. Without any of it the body is what is piped in, or empty.
#[derive(Debug, clap::Args)]
pub(crate) struct BodyArguments {
    /// The text to send
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    data: Option<String>,
    /// The file to send, `-` for standard input; at most 10 MiB
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// The same as --file -
    #[arg(value_name = "-", value_parser = ["-"], conflicts_with_all = ["data", "file"])]
    standard_input: Option<String>,
}

impl BodyArguments {
    /// Reads the body; never more than the network carries.
    pub(crate) fn read(self, output: Output) -> Result<Bytes, Failure> {
        let file = self.standard_input.map(PathBuf::from).or(self.file);
        match (self.data, file) {
            (Some(text), _) => checked(text.into_bytes(), "--data"),
            (None, Some(path)) if path == Path::new("-") => standard_input(),
            (None, Some(path)) => {
                let file = File::open(&path).map_err(|error| Failure::file("cannot open", &path, &error))?;
                limited(file, &path.display().to_string(), &path)
            }
            (None, None) => match piped() {
                Piped::Something => standard_input(),
                Piped::Silent => {
                    output.note(
                        "nothing came from standard input within a second: the body is empty; add - to wait for it",
                    );
                    Ok(Bytes::new())
                }
                Piped::Nothing => Ok(Bytes::new()),
            },
        }
    }
}

/// What a standard input that no argument names has to offer.
enum Piped {
    /// A file, or a pipe with something in it or at its end.
    Something,
    /// A pipe that stays open and empty.
    Silent,
    /// A terminal, `/dev/null`, or none at all.
    Nothing,
}

fn piped() -> Piped {
    let stdin = io::stdin();
    let Ok(status) = fstat(&stdin) else { return Piped::Nothing };
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Piped::Something,
        FileType::Fifo => {
            let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
            let limit = Timespec { tv_sec: PIPE_WAIT_S, tv_nsec: 0 };
            if poll(&mut ready, Some(&limit)).is_ok_and(|ready| ready == 0) { Piped::Silent } else { Piped::Something }
        }
        _ => Piped::Nothing,
    }
}

fn standard_input() -> Result<Bytes, Failure> {
    limited(io::stdin().lock(), "standard input", Path::new("-"))
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
        .hint("`nuncio send-file NODEID FILE` sends files of any size to a node, `nuncio amop send-file` between SDK clients"));
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
