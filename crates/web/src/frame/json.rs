//! Text frames.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use nuncio_gateway::{ResultCode, TopicVerification};
use nuncio_protocol::{Priority, amop::Kind};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{SeqAccess, Visitor},
};

use super::{Frame, MAX_TOPICS, Said, Told, Unreadable, question, request, topic, topics, word};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Token,
    Subscribe,
    Unsubscribe,
    Publish,
    Multicast,
    Respond,
    Verdict,
    Ping,
}

/// How the bytes of a message stand in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    /// As they are.
    #[default]
    Utf8,
    /// Standard base64 with padding.
    Base64,
}

/// All that a frame can have: a struct, since what is tagged inside would be held twice, and as a tree.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a frame")]
struct Written<'a> {
    r#type: Verb,
    #[serde(default)]
    id: u64,
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(default)]
    topics: Option<Names>,
    #[serde(borrow, default)]
    priority: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(default)]
    encoding: Encoding,
    #[serde(borrow, default)]
    request: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(default)]
    code: i32,
    #[serde(borrow, default)]
    question: Option<Cow<'a, str>>,
    #[serde(default)]
    accepted: Option<bool>,
}

/// Reads a frame.
pub(crate) fn read(text: &str) -> Result<Frame, Unreadable> {
    // A list of all fields in their order would be read as well.
    if !text.trim_start().starts_with('{') {
        return Err(Unreadable { id: None, why: "a text frame is one JSON object".into() });
    }
    let written: Written<'_> =
        serde_json::from_str(text).map_err(|error| Unreadable { id: None, why: error.to_string() })?;
    let id = written.id;
    written.said().map(|said| Frame { id, said }).map_err(|why| Unreadable { id: Some(id), why })
}

impl Written<'_> {
    fn said(self) -> Result<Said, String> {
        let missing = |field: &str| format!("`{field}` is missing");
        let all = |names: &Option<Names>| {
            let names = names.as_ref().ok_or_else(|| missing("topics"))?;
            topics(names.0.iter().map(String::as_str))
        };
        Ok(match self.r#type {
            Verb::Subscribe => Said::Subscribe { topics: all(&self.topics)? },
            Verb::Unsubscribe => Said::Unsubscribe { topics: all(&self.topics)? },
            Verb::Publish | Verb::Multicast => {
                let kind = if let Verb::Publish = self.r#type { Kind::Unicast } else { Kind::Multicast };
                let topic = topic(self.topic.as_deref().ok_or_else(|| missing("topic"))?)?;
                let priority = self.priority.as_deref().map(str::parse::<Priority>).transpose();
                let priority = priority.map_err(|error| error.to_string())?;
                Said::Publish { kind, priority, topic, data: self.data()? }
            }
            Verb::Respond => {
                let request = request(self.request.as_deref().ok_or_else(|| missing("request"))?.as_bytes())?;
                Said::Respond { request, code: ResultCode(self.code), data: self.data()? }
            }
            Verb::Verdict => {
                let name = self.question.as_deref().ok_or_else(|| missing("question"))?;
                let topic = topic(self.topic.as_deref().ok_or_else(|| missing("topic"))?)?;
                let accepted = self.accepted.ok_or_else(|| missing("accepted"))?;
                Said::Verdict { question: question(&hex::decode(name).unwrap_or_default())?, topic, accepted }
            }
            Verb::Ping => Said::Ping,
            Verb::Token => Said::Token { token: self.token.ok_or_else(|| missing("token"))?.into_owned() },
        })
    }

    fn data(self) -> Result<Bytes, String> {
        let Some(data) = self.data else { return Ok(Bytes::new()) };
        match self.encoding {
            Encoding::Utf8 => Ok(data.into_owned().into()),
            Encoding::Base64 => BASE64
                .decode(data.as_bytes())
                .map(Bytes::from)
                .map_err(|error| format!("`data` is not base64: {error}")),
        }
    }
}

/// Names of topics, not more than [`MAX_TOPICS`]: reading stops there.
#[derive(Debug)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX_TOPICS} names of topics")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    if names.len() == MAX_TOPICS {
                        return Err(serde::de::Error::invalid_length(MAX_TOPICS + 1, &self));
                    }
                    names.push(name);
                }
                Ok(Names(names))
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}

#[derive(Debug, Serialize)]
struct Head<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<Encoding>,
}

/// All of a frame but its payload, which belongs before the last two characters; and how that is written.
pub(crate) fn head(told: &Told<'_>) -> (String, Encoding) {
    let mut head = Head {
        r#type: "result",
        id: None,
        code: None,
        word: None,
        message: None,
        request: None,
        question: None,
        topic: None,
        channel: None,
        encoding: None,
    };
    let data = match told {
        Told::Result { id, code, message, data } => {
            (head.id, head.code, head.word) = (Some(*id), Some(code.0), Some(word(*code)));
            head.message = message.as_deref();
            data
        }
        Told::Request { request, topic, data } => {
            (head.r#type, head.request, head.topic) = ("request", Some(request.to_string()), Some(topic.as_str()));
            data
        }
        Told::Message { topic, data } => {
            (head.r#type, head.topic) = ("message", Some(topic.as_str()));
            data
        }
        Told::Verify(TopicVerification { node, topic, channel }) => {
            (head.r#type, head.question) = ("verify", Some(node.as_str()));
            (head.topic, head.channel) = (Some(topic.as_str()), Some(channel.as_str()));
            // It ends as a payload would, and has none.
            return (serde_json::to_string(&head).unwrap_or_default(), Encoding::default());
        }
    };
    let encoding = encoding_of(data);
    head.encoding = Some(encoding);
    let mut text = serde_json::to_string(&head).unwrap_or_default();
    text.truncate(text.len() - 1);
    text.push_str(r#","data":"#);
    text.push_str("\"\"}");
    (text, encoding)
}

/// As it is where it is text; base64 where it is not, or where JSON would make its characters six times as long.
fn encoding_of(data: &[u8]) -> Encoding {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    let is_text = std::str::from_utf8(data).is_ok_and(|text| text.chars().all(is_plain));
    if is_text { Encoding::Utf8 } else { Encoding::Base64 }
}

impl Encoding {
    /// Writes the beginning of a payload, of about so many bytes, and says how many it took. Of one that is not over it
    /// takes at least one.
    pub(crate) fn write(self, data: &[u8], most: usize, out: &mut Vec<u8>) -> usize {
        match self {
            Self::Base64 => {
                // Only the last piece may have another length than whole threes.
                let taken = if data.len() <= most { data.len() } else { (most / 3).max(1) * 3 };
                out.extend_from_slice(BASE64.encode(&data[..taken]).as_bytes());
                taken
            }
            Self::Utf8 => {
                // `head` has found all of it to be text: what lies beyond this piece is not read with each piece once more. Of a
                // character that begins in it no more than three bytes lie beyond.
                let near = &data[..data.len().min(most.max(1) + 3)];
                let text = near.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                let taken = text.ceil_char_boundary(most.max(1));
                let quoted = serde_json::to_string(&text[..taken]).unwrap_or_default();
                out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
                taken
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_written_however_much_comes_behind_it() {
        const MOST: usize = 12;
        // Were the rest read, it would not do as text: so each piece of a long text costs no more than itself.
        let data = [&[b'x'; MOST + 3][..], &[0xff; 1000]].concat();
        let mut out = Vec::new();
        assert_eq!(Encoding::Utf8.write(&data, MOST, &mut out), MOST);
        assert_eq!(out, [b'x'; MOST]);
    }

    #[test]
    fn pieces_of_wide_characters_are_the_whole_again() {
        for (character, most) in [("é", 1), ("机", 1), ("机", 2), ("机", 7), ("𝄞", 1), ("𝄞", 3), ("𝄞", 9), ("\"", 5)]
        {
            let whole = format!("a{}", character.repeat(100));
            let (mut left, mut out) = (whole.as_bytes(), vec![b'"']);
            while !left.is_empty() {
                let taken = Encoding::Utf8.write(left, most, &mut out);
                assert!((1..=most + 3).contains(&taken), "{taken} bytes of {character} in a piece of {most}");
                left = &left[taken..];
            }
            out.push(b'"');
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), whole);
        }
    }
}
