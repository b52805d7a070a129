//! What clients say and are told, whatever form it has on the wire.

pub(crate) mod binary;
pub(crate) mod json;

use std::{borrow::Cow, collections::BTreeSet};

use bytes::Bytes;
use nuncio_gateway::{FrameKind, FrameSeq, Letter, ResultCode, TopicVerification};
use nuncio_protocol::{
    Priority, Topic,
    amop::{ChallengeId, Kind},
};

/// The result for a frame that cannot be read, as the SDK port has it.
pub(crate) const MALFORMED: ResultCode = ResultCode(-1);

/// The result for an answer to a request that does not wait for one here.
pub(crate) const UNKNOWN_REQUEST: ResultCode = ResultCode(-2);

/// Most topics of one frame.
pub(crate) const MAX_TOPICS: usize = 4096;

/// The two forms that frames have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text: JSON.
    Json,
    /// Binary.
    Binary,
}

/// One frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What the client names it with.
    pub(crate) id: u64,
    pub(crate) said: Said,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Who has no certificate says who he is.
    Token {
        token: String,
    },
    Subscribe {
        topics: BTreeSet<Topic>,
    },
    Unsubscribe {
        topics: BTreeSet<Topic>,
    },
    Publish {
        kind: Kind,
        /// As the client names it.
        priority: Option<Priority>,
        topic: Topic,
        data: Bytes,
    },
    Respond {
        request: FrameSeq,
        code: ResultCode,
        data: Bytes,
    },
    /// What came of a question about a subscriber of a private topic.
    Verdict {
        question: ChallengeId,
        topic: Topic,
        accepted: bool,
    },
    Ping,
}

/// A frame that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// What it is named with, where that can be read.
    pub(crate) id: Option<u64>,
    pub(crate) why: String,
}

/// What a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// What became of a frame of its own.
    Result { id: Option<u64>, code: ResultCode, message: Option<Cow<'a, str>>, data: Bytes },
    /// A message to one subscriber, which waits for an answer.
    Request { request: FrameSeq, topic: &'a Topic, data: Bytes },
    /// A message to all subscribers.
    Message { topic: &'a Topic, data: Bytes },
    /// A question of the node: has the subscriber that listens to this channel a key of the private topic?
    Verify(TopicVerification),
}

/// Under which name the answer to a frame comes back to its session: the client's, and what is needed to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) id: Option<u64>,
    pub(crate) form: Form,
    /// Whether the payload of the answer is the client's own, which it need not have again.
    pub(crate) is_multicast: bool,
}

const BINARY: u128 = 1 << 64;
const MULTICAST: u128 = 1 << 65;
const NAMELESS: u128 = 1 << 66;
/// From here on nothing is said.
const SALT: u128 = 1 << 67;

impl Name {
    /// A seq that nobody else has, nor the same client for another frame of this name: what says the same under the same seq
    /// is delivered once in a minute.
    pub(crate) fn seq(self) -> FrameSeq {
        let flag = |is_set: bool, flag: u128| if is_set { flag } else { 0 };
        let flags = flag(self.form == Form::Binary, BINARY)
            | flag(self.is_multicast, MULTICAST)
            | flag(self.id.is_none(), NAMELESS);
        let salt = rand::random::<u128>() & !(SALT - 1);
        FrameSeq::from_number(u128::from(self.id.unwrap_or_default()) | flags | salt)
    }

    /// Reads back what [`Self::seq`] has written.
    fn of(seq: FrameSeq) -> Option<Self> {
        let number = u128::from_str_radix(std::str::from_utf8(seq.as_bytes()).ok()?, 16).ok()?;
        let id = (number & NAMELESS == 0).then_some(u64::try_from(number & u128::from(u64::MAX)).ok()?);
        let form = if number & BINARY == 0 { Form::Json } else { Form::Binary };
        Some(Self { id, form, is_multicast: number & MULTICAST != 0 })
    }
}

/// What a letter says, and the form that is prescribed for it; `None` for what this door has no frame for.
pub(crate) fn told(letter: &Letter) -> Option<(Told<'_>, Option<Form>)> {
    let data = letter.data().clone();
    match (letter.kind(), letter.topic()) {
        (FrameKind::Unicast, Some(topic)) => Some((Told::Request { request: letter.seq(), topic, data }, None)),
        (FrameKind::Multicast, Some(topic)) => Some((Told::Message { topic, data }, None)),
        (FrameKind::Answer, topic) => {
            let (name, code) = (Name::of(letter.seq())?, letter.result());
            let (message, data) = match topic {
                // An answer's payload is the subscriber's.
                Some(_) if name.is_multicast => (None, Bytes::new()),
                Some(_) => (None, data),
                None if code.is_ok() => (None, Bytes::new()),
                None if data.is_empty() => (Some(code.words().into()), data),
                None => (Some(String::from_utf8_lossy(&data).into_owned().into()), Bytes::new()),
            };
            Some((Told::Result { id: name.id, code, message, data }, Some(name.form)))
        }
        (FrameKind::TopicVerification, _) => Some((Told::Verify(TopicVerification::decode(&data).ok()?), None)),
        _ => None,
    }
}

/// A result code in one word.
pub(crate) const fn word(code: ResultCode) -> &'static str {
    match code {
        ResultCode::OK => "ok",
        ResultCode::NO_SUBSCRIBER => "no_subscriber",
        ResultCode::CLIENT_UNREACHABLE => "unreachable",
        ResultCode::TIMEOUT => "timeout",
        ResultCode::OVER_LIMIT => "over_limit",
        ResultCode::SUBSCRIBER_GONE => "subscriber_gone",
        ResultCode::DENIED => "denied",
        MALFORMED => "malformed",
        UNKNOWN_REQUEST => "unknown_request",
        _ => "application",
    }
}

/// A request's name as clients write it: 32 characters.
fn request(name: &[u8]) -> Result<FrameSeq, String> {
    name.try_into()
        .map(FrameSeq::from_bytes)
        .map_err(|_| "`request` is no name of a request: it has 32 characters".into())
}

/// The bytes of a question's name.
const QUESTION: usize = size_of::<ChallengeId>();

fn question(name: &[u8]) -> Result<ChallengeId, String> {
    name.try_into()
        .map(ChallengeId)
        .map_err(|_| "`question` is no name of a question: it has 128 hexadecimal digits".into())
}

fn topic(name: &str) -> Result<Topic, String> {
    Topic::new(name).map_err(|error| format!("the topic cannot exist: {error}"))
}

fn topics<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Result<BTreeSet<Topic>, String> {
    if names.len() == 0 {
        return Err("`topics` names none".into());
    }
    names.map(topic).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_went() {
        for id in [None, Some(0), Some(7), Some(u64::MAX)] {
            for (form, is_multicast) in
                [(Form::Json, false), (Form::Json, true), (Form::Binary, false), (Form::Binary, true)]
            {
                let name = Name { id, form, is_multicast };
                assert_eq!(Name::of(name.seq()), Some(name));
                assert_ne!(name.seq(), name.seq(), "two messages of one name are two");
            }
        }
        assert_eq!(Name::of(FrameSeq::from_bytes([b'x'; 32])), None);
    }
}
