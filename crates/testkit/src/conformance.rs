//! `conformance.toml`: by their hashes, the bytes of every wire type and what the core does in seeded runs.
//!
//! Two versions with the same file say the same and do the same. A change of either is a change of the file, and so seen
//! by whoever reads it: `NUNCIO_CONFORMANCE=write cargo test -p nuncio-wire -p nuncio-testkit conform` writes it anew.

use std::{collections::BTreeMap, env, fs, path::Path};

use sha2::{Digest, Sha256};

/// Name and hash of each thing in a table.
pub type Table = BTreeMap<String, String>;

const HEAD: &str = "\
# SHA-256 over the encodings of 4,096 values of each wire type, and over what simulated networks took and decided.
# Nodes of two versions with the same [wire] understand each other; with the same [core] they behave the same, too.
# Written by: NUNCIO_CONFORMANCE=write cargo test -p nuncio-wire -p nuncio-testkit conform

";

/// What is hashed, part by part.
#[derive(Debug, Default)]
pub struct Transcript(Sha256);

impl Transcript {
    /// Adds a part; no two sequences of parts have the same hash.
    pub fn add(&mut self, part: &[u8]) {
        self.0.update((part.len() as u64).to_be_bytes());
        self.0.update(part);
    }

    /// SHA-256, in hexadecimal digits.
    pub fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// Compares a table of the file with what was found; writes it instead when `NUNCIO_CONFORMANCE` is `write`.
///
/// # Panics
/// When they differ, with the table as it should be; when the file cannot be read or written.
pub fn check(table: &str, found: Table) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance.toml");
    let is_written = env::var("NUNCIO_CONFORMANCE").is_ok_and(|word| word == "write");
    let text = fs::read_to_string(&path).or_else(|error| if is_written { Ok(String::new()) } else { Err(error) });
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut tables: BTreeMap<String, Table> = toml::from_str(&text).expect("conformance.toml is a file of tables");
    if tables.get(table) == Some(&found) {
        return;
    }
    tables.insert(table.to_owned(), found);
    let text = format!("{HEAD}{}", toml::to_string(&tables).expect("tables of text are TOML"));
    assert!(is_written, "[{table}] is not what conformance.toml says; if that is meant, it should say:\n\n{text}");
    fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
