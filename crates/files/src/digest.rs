use std::{
    fs::File,
    io::{self, Read, Seek},
};

use aws_lc_rs::digest::{Context, SHA256};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// The SHA-256 of a file from its beginning, and its length; `read` is told after each piece how much was read, and ends it by
/// `false`.
///
/// # Errors
/// When it cannot be read, or was ended ([`io::ErrorKind::Interrupted`]).
pub fn sha256_of(file: &mut File, mut read: impl FnMut(u64) -> bool) -> io::Result<([u8; 32], u64)> {
    file.rewind()?;
    let (mut hash, mut buffer, mut length) = (Context::new(&SHA256), vec![0; PIECE], 0);
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok((finish(hash), length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        hash.update(&buffer[..count]);
        length += count as u64;
        if !read(length) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "it was ended"));
        }
    }
}

pub(crate) fn finish(hash: Context) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    digest
}
