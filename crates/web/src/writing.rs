//! A letter on its way out, piece by piece: no copy of a long message is made for a slow reader.

use bytes::Bytes;
use nuncio_gateway::Letter;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::frame::{Form, Told, binary, json, told};

/// Payload of a message that becomes one WebSocket frame, in bytes.
pub(crate) const PIECE: usize = 12 << 10;

/// What may wait to be written, in bytes: a piece that JSON makes twice as long, and its head. Pongs fill what is left; of those
/// that find no room the last one is kept.
pub(crate) const UNWRITTEN: usize = 3 * PIECE;

/// A letter that is being written.
#[derive(Debug)]
pub(crate) struct Writing {
    letter: Letter,
    form: Form,
    head: Vec<u8>,
    tail: &'static [u8],
    encoding: json::Encoding,
    data: Bytes,
    has_begun: bool,
}

impl Writing {
    /// Begins one, in the form that the client has its messages in where none is prescribed; the letter comes back when this
    /// door has no frame for it.
    pub(crate) fn new(letter: Letter, form: Form) -> Result<Self, Box<Letter>> {
        let Some((told, prescribed)) = told(&letter) else { return Err(Box::new(letter)) };
        let form = prescribed.unwrap_or(form);
        let data = match &told {
            Told::Result { data, .. } | Told::Request { data, .. } | Told::Message { data, .. } => data.clone(),
            Told::Verify(_) => Bytes::new(),
        };
        let (head, tail, encoding): (_, &'static [u8], _) = match form {
            Form::Binary => (binary::head(&told), b"", json::Encoding::default()),
            Form::Json => {
                let (mut text, encoding) = json::head(&told);
                text.truncate(text.len() - 2);
                (text.into_bytes(), b"\"}", encoding)
            }
        };
        Ok(Self { letter, form, head, tail, encoding, data, has_begun: false })
    }

    /// The next WebSocket frame.
    pub(crate) fn next(&mut self) -> Message {
        let mut piece = std::mem::take(&mut self.head);
        let taken = match self.form {
            Form::Binary => {
                let taken = self.data.len().min(PIECE);
                piece.extend_from_slice(&self.data[..taken]);
                taken
            }
            Form::Json if self.data.is_empty() => 0,
            Form::Json => self.encoding.write(&self.data, PIECE, &mut piece),
        };
        self.data = self.data.slice(taken..);
        let is_last = self.is_done();
        if is_last {
            piece.extend_from_slice(self.tail);
        }
        let first = if self.form == Form::Json { Data::Text } else { Data::Binary };
        let code = OpCode::Data(if self.has_begun { Data::Continue } else { first });
        self.has_begun = true;
        Message::Frame(Frame::message(piece, code, is_last))
    }

    /// Whether all of it was taken, once the first piece was.
    pub(crate) fn is_done(&self) -> bool {
        self.data.is_empty()
    }

    pub(crate) fn into_letter(self) -> Letter {
        self.letter
    }
}
