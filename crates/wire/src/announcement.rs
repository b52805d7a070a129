//! Announcements: a node's version and clock, signed, so that whoever passes one on can invent none.

use std::time::Duration;

use bytes::Bytes;
use nuncio_identity::{NodeId, SignError, Signature};
use nuncio_protocol::status_sync::Version;
use prost::Message as _;

use crate::{
    DecodeError, SigningContext,
    field::{decode_signature, encode_clock},
    proto,
    signing::Statement,
};

/// The gossipsub topic.
pub const TOPIC: &str = "nuncio/seq";

/// What a node announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Who.
    pub node: NodeId,
    /// Its version.
    pub version: Version,
    /// The time since its epoch began.
    pub clock: Duration,
}

/// Signs and encodes an announcement of this node.
///
/// # Errors
/// When the node's key does not sign now.
pub fn encode(version: Version, clock: Duration, context: &SigningContext) -> Result<Vec<u8>, SignError> {
    let announcement = Announcement { node: context.node(), version, clock };
    let signature = context.sign(&statement(&announcement))?;
    let message = proto::Announcement {
        node: Bytes::copy_from_slice(announcement.node.as_bytes()),
        epoch: version.epoch,
        seq: version.seq,
        clock_ms: encode_clock(clock),
        signature: Bytes::copy_from_slice(signature.as_bytes()),
    };
    Ok(message.encode_to_vec())
}

/// An announcement whose signature has not been checked yet.
#[derive(Debug, Clone)]
pub struct Unchecked {
    announcement: Announcement,
    signature: Signature,
}

impl Unchecked {
    /// What it says, if its signature holds.
    pub const fn says(&self) -> Announcement {
        self.announcement
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When it does not hold.
    pub fn check(self, context: &SigningContext) -> Result<Announcement, DecodeError> {
        context.verify(self.announcement.node, &statement(&self.announcement), &self.signature)?;
        Ok(self.announcement)
    }
}

/// Reads an announcement.
///
/// # Errors
/// When it is none.
pub fn decode(bytes: &[u8]) -> Result<Unchecked, DecodeError> {
    let proto::Announcement { node, epoch, seq, clock_ms, signature } = proto::Announcement::decode(bytes)
        .map_err(|source| DecodeError::Protobuf { message: "announcement", source })?;
    let node = NodeId::from_bytes(&node)?;
    let signature = decode_signature(&signature)?.ok_or(DecodeError::Signature { node })?;
    let (version, clock) = (Version { epoch, seq }, Duration::from_millis(clock_ms));
    Ok(Unchecked { announcement: Announcement { node, version, clock }, signature })
}

fn statement(announcement: &Announcement) -> Statement<'static> {
    let mut fields = Vec::with_capacity(NodeId::LENGTH + 24);
    fields.extend_from_slice(announcement.node.as_bytes());
    for number in [announcement.version.epoch, announcement.version.seq, encode_clock(announcement.clock)] {
        fields.extend_from_slice(&number.to_be_bytes());
    }
    Statement { kind: "announcement", fields, body: &[] }
}
