//! A stream to a node on which the channel handshake has been made.

use std::fmt;

use bytes::BytesMut;
use nuncio_channel_protocol::{
    Frame, FrameCodec, FrameKind, FrameSeq, HandshakeAnswer, HandshakeRequest, ProtocolVersion,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use tokio_util::codec::Decoder;

use crate::{
    NodeError, Stage,
    dial::{Dial, Stream},
    options::Options,
};

/// Room kept for reading, in bytes.
pub(crate) const READ_ROOM: usize = 8 << 10;

pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// Bytes that came behind the handshake answer.
    pub(crate) received: BytesMut,
    pub(crate) node: String,
    pub(crate) node_version: String,
    pub(crate) protocol: ProtocolVersion,
    pub(crate) priorities: bool,
}

impl Connection {
    /// Opens a stream to `node` and makes the channel handshake, all within the connect time-out.
    pub(crate) async fn open(dial: &dyn Dial, node: &str, seq: FrameSeq, options: &Options) -> Result<Self, NodeError> {
        Self::try_open(dial, node, seq, options).await.map_err(|error| dial.explain(error))
    }

    async fn try_open(dial: &dyn Dial, node: &str, seq: FrameSeq, options: &Options) -> Result<Self, NodeError> {
        let deadline = Instant::now() + options.connect_timeout;
        let mut stream = dial.dial(node, deadline, options).await?;
        let mut received = BytesMut::with_capacity(READ_ROOM);
        let answer = timeout_at(deadline, handshake(&mut *stream, &mut received, seq, options))
            .await
            .map_err(|_| NodeError::TimedOut { stage: Stage::Channel, after: options.connect_timeout })??;
        let HandshakeAnswer { node_version, protocol, priorities } = answer;
        Ok(Self { stream, received, node: node.to_owned(), node_version, protocol, priorities })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("node", &self.node).field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

async fn handshake(
    stream: &mut dyn Stream,
    received: &mut BytesMut,
    seq: FrameSeq,
    options: &Options,
) -> Result<HandshakeAnswer, NodeError> {
    let failed = |source| NodeError::from_tls(source, Stage::Channel);
    // Only a node that says so, too, is sent any.
    let offer = HandshakeRequest { priorities: true, ..HandshakeRequest::new(&options.client_type) };
    let request = Frame::request(FrameKind::Handshake, seq, offer.encode());
    stream.write_all(&request.to_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    loop {
        while let Some(frame) = FrameCodec::default().decode(received).map_err(NodeError::Frame)? {
            if frame.kind == FrameKind::Handshake && frame.seq == seq {
                return HandshakeAnswer::decode(&frame.body).map_err(NodeError::Handshake);
            }
        }
        received.reserve(READ_ROOM / 2);
        if stream.read_buf(received).await.map_err(failed)? == 0 {
            return Err(NodeError::HungUp { stage: Stage::Channel });
        }
    }
}
