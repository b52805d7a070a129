//! What a rotation remembers between its steps: a small file, signed by the old authority's key.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::RotationError;
use crate::{Certificate, authority::PrivateKey, signature::Signed};

/// Most nodes remembered.
pub(super) const MAX_NODES: usize = 16 << 10;

/// Most bytes of a node's name that are remembered.
pub(super) const MAX_NAME: usize = 64;

/// Digits of a node's ID.
pub(super) const ID_DIGITS: usize = 128;

/// Most bytes of a state's file.
pub(super) const MAX_FILE: usize = 16 << 20;

/// Each is a line; of what is written in it only quotes and backslashes are written as two bytes.
const MAX_LINE: usize = ID_DIGITS + 2 * MAX_NAME + 32;

const _: () = assert!(MAX_NODES * MAX_LINE <= MAX_FILE / 2, "there is room for all nodes, and for the folders at hand");

/// So that the signature stands for nothing else.
const CONTEXT: &[u8] = b"nuncio ca rotate 1\n";

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// It is known what will be replaced.
    Planned,
    /// The new authority is made.
    Prepared,
    /// What the old one issued is issued anew.
    Issued,
    /// The new one is in use; the old one is trusted still.
    Switched,
    /// The old one is trusted no more.
    Retired,
}

impl Step {
    /// As the command line names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Prepared => "prepared",
            Self::Issued => "issued",
            Self::Switched => "switched",
            Self::Retired => "retired",
        }
    }
}

/// What is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rank {
    /// A root: its successor has a key and a name of its own, and the old root vouches for it by a cross-certificate.
    Root,
    /// An agency: its successor has another key under the same name, from the same root.
    Agency,
}

impl Rank {
    /// How its files are called.
    pub(super) const fn base(self) -> &'static str {
        match self {
            Self::Root => "ca",
            Self::Agency => "agency",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) rank: Rank,
    pub(super) step: Step,
    /// The hash of the old authority's key, hexadecimal.
    pub(super) old: String,
    /// The name of a new root.
    pub(super) name: Option<String>,
    pub(super) days: u32,
    /// Where files are that this rotation changes by itself.
    pub(super) folders: Vec<PathBuf>,
    /// Every node of this authority that was ever seen: its name by its ID.
    pub(super) nodes: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    state: State,
    signature: String,
}

impl State {
    /// Parses a file; whether its seal is good is asked once the key is known that it names.
    pub(super) fn parse(file: &[u8]) -> Result<(Self, Vec<u8>), String> {
        let Sealed { state, signature } = serde_json::from_slice(file).map_err(|error| error.to_string())?;
        if hex::decode(&state.old).ok().is_none_or(|key| key.len() != 32) {
            return Err("it names no key".into());
        }
        if state.nodes.len() > MAX_NODES {
            return Err(format!("it names more than {MAX_NODES} nodes"));
        }
        let signature = hex::decode(signature).map_err(|_| "its signature is not hexadecimal".to_owned())?;
        Ok((state, signature))
    }

    pub(super) fn is_sealed_by(&self, authority: &Certificate, key: &PrivateKey, signature: &[u8]) -> bool {
        let Ok(content) = self.content() else { return false };
        Signed::of(&content, &key.signature_algorithm(), signature)
            .is_ok_and(|signed| signed.verify(authority.key()).is_ok())
    }

    pub(super) fn seal(&self, key: &PrivateKey) -> Result<String, RotationError> {
        let signature = hex::encode(key.sign(&self.content()?)?);
        let sealed = Sealed { state: self.clone(), signature };
        let text = serde_json::to_string_pretty(&sealed).map_err(unwritable)?;
        if text.len() >= MAX_FILE {
            let reason = format!("the names of all those at hand do not fit into the {MAX_FILE} bytes of a state");
            return Err(RotationError::Folder { reason });
        }
        Ok(format!("{text}\n"))
    }

    fn content(&self) -> Result<Vec<u8>, RotationError> {
        let json = serde_json::to_vec(self).map_err(unwritable)?;
        Ok([CONTEXT, &json].concat())
    }
}

fn unwritable(error: serde_json::Error) -> RotationError {
    RotationError::Folder { reason: error.to_string() }
}
