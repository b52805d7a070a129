use bytes::Bytes;
use nuncio_channel_protocol::{FrameKind, FrameSeq, ResultCode};
use nuncio_protocol::Topic;

use crate::tenants::QueuePlace;

/// A frame on its way to the client.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) kind: FrameKind,
    pub(crate) seq: FrameSeq,
    pub(crate) result: ResultCode,
    pub(crate) content: Content,
    pub(super) charge: Charge,
}

/// The body of a frame.
#[derive(Debug)]
pub(crate) enum Content {
    /// A topic and its payload, which clients of one multicast share: packed when written.
    Amop { topic: Topic, data: Bytes },
    /// The body as it is.
    Plain(Bytes),
}

/// Which book a parcel is in, and with how many bytes.
#[derive(Debug)]
pub(super) enum Charge {
    Queue {
        bytes: usize,
        /// Under which seq its acknowledgement is waited for, from when it is written.
        awaited: Option<FrameSeq>,
        place: QueuePlace,
    },
    Window(usize),
}

/// What remains of a parcel that was handed to TLS.
#[derive(Debug)]
pub(crate) struct Written(pub(super) Charge);

impl Parcel {
    pub(crate) fn into_written(self) -> Written {
        Written(self.charge)
    }
}

impl Content {
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Amop { topic, data } => topic.as_str().len() + data.len(),
            Self::Plain(body) => body.len(),
        }
    }
}
