//! FISCO BCOS 2.x channel frames: bytes to types and back, without sockets.
//!
//! A client and its node exchange [`Frame`]s over TLS: 42 bytes of header and a body whose form depends on the
//! [`FrameKind`]. [`FrameCodec`] cuts a byte stream into frames; the other types read and write the bodies.
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use nuncio_channel_protocol::{AmopBody, Frame, FrameCodec, FrameKind, FrameSeq};
//! use tokio_util::codec::Decoder;
//!
//! let body = AmopBody::new("prices", Bytes::from_static(b"42"))?;
//! let frame = Frame::request(FrameKind::Unicast, FrameSeq::from_number(7), body.pack());
//!
//! let mut received = BytesMut::from(&frame.to_bytes()[..]);
//! let read = FrameCodec::default().decode(&mut received)?.expect("the frame is complete");
//! assert_eq!(AmopBody::unpack(read.body)?.topic(), "prices");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two rules of the channel are not visible in the bytes of one frame: every frame must begin a TLS record of its own
//! (see [`Frame::into_writes`]), and the answer to a frame carries the same [`FrameSeq`].

mod amop_body;
mod block_notification;
mod codec;
mod frame;
mod frame_kind;
mod handshake;
pub mod heartbeat;
mod result_code;
mod subscription;
mod topic_verification;

pub use amop_body::{AmopBody, AmopBodyError};
pub use block_notification::{BlockNotification, BlockNotificationError};
pub use codec::{FrameCodec, FrameError};
pub use frame::{Frame, FrameSeq};
pub use frame_kind::{FrameKind, UnknownKind};
pub use handshake::{HandshakeAnswer, HandshakeError, HandshakeRequest, NoSuchVersion, ProtocolVersion};
pub use result_code::ResultCode;
pub use subscription::{Subscription, SubscriptionError};
pub use topic_verification::{TopicVerdict, TopicVerification, TopicVerificationError};

/// Length of every frame's header, in bytes.
pub const HEADER_LENGTH: usize = 42;

/// Longest topic, in bytes: the length byte counts itself.
pub const MAX_TOPIC_LENGTH: usize = 254;

/// Longest payload behind a topic, in bytes (10 MiB).
pub const MAX_BODY: usize = 10 << 20;

/// Longest frame, in bytes: the header, the longest packed topic and [`MAX_BODY`].
pub const MAX_FRAME: usize = HEADER_LENGTH + 1 + MAX_TOPIC_LENGTH + MAX_BODY;

/// Most plaintext one TLS record holds, in bytes.
pub const RECORD_LENGTH: usize = 16 << 10;
