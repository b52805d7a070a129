//! One line of the audit log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use nuncio_identity::NodeId;
use serde::Serialize;

use crate::{Event, Kind, NodeIdText, Text};

/// Longest line, in bytes: texts are short, and a change names fewer keys than there are. Longer ones are no lines of ours.
pub const MAX_LINE: usize = 64 << 10;

/// What a line holds.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Entry<'a> {
    /// A judgement.
    Event(&'a Event),
    /// What the log says of itself.
    Mark(Mark),
}

/// What the log says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mark {
    /// The first line of each file.
    Opened {
        /// The node whose log it is.
        #[serde(serialize_with = "written")]
        node: NodeId,
        /// Version of the software.
        version: Text,
    },
    /// The signature of the node over everything before.
    Seal,
    /// Events that were not recorded: there were too many, or the log could not be written.
    Gap {
        /// When the first of them was.
        since: Timestamp,
        /// How many, by kind.
        missed: BTreeMap<Kind, u64>,
        /// Why.
        cause: Text,
    },
    /// The node starts, and the lines before were not signed when it stopped: it did not stop by itself, or somebody else
    /// wrote them.
    Resumed {
        /// How many lines.
        unsealed: u64,
    },
    /// The end of the file was no whole line, as after a crash.
    Repaired {
        /// How many bytes were taken out.
        bytes: u64,
        /// Where they are kept.
        kept_as: Text,
    },
    /// The oldest file was removed, since there were as many as may be.
    Removed {
        /// Its name.
        file: Text,
        /// The number of its last line.
        through: u64,
        /// The hash of that line, hexadecimal.
        hash: String,
    },
}

impl Mark {
    /// Names of the kinds that are no events.
    pub const KINDS: [&'static str; 6] = ["opened", "seal", "gap", "resumed", "repaired", "removed"];
}

fn written<S: serde::Serializer>(node: &NodeId, serializer: S) -> Result<S::Ok, S::Error> {
    NodeIdText(*node).serialize(serializer)
}
