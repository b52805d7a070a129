//! Binary frames: a byte that says what it is, the frame's number in eight, and the rest.

use bytes::{Buf as _, BufMut as _, Bytes};
use nuncio_gateway::{ResultCode, TopicVerification};
use nuncio_protocol::{Priority, amop::Kind};

use super::{Frame, MAX_TOPICS, QUESTION, Said, Told, Unreadable, question, request, topic, topics};

const TOKEN: u8 = 0;
const SUBSCRIBE: u8 = 1;
const UNSUBSCRIBE: u8 = 2;
const PUBLISH: u8 = 3;
const MULTICAST: u8 = 4;
const RESPOND: u8 = 5;
const PING: u8 = 6;
const VERDICT: u8 = 7;
const PUBLISH_AS: u8 = 8;
const MULTICAST_AS: u8 = 9;

const RESULT: u8 = 0x81;
const REQUEST: u8 = 0x82;
const MESSAGE: u8 = 0x83;
const REFUSAL: u8 = 0x84;
const VERIFY: u8 = 0x85;

/// Bytes of a request's name.
const NAME: usize = 32;

/// Reads a frame; its payload is not copied.
pub(crate) fn read(mut body: Bytes) -> Result<Frame, Unreadable> {
    let (Ok(verb), Ok(id)) = (body.try_get_u8(), body.try_get_u64()) else {
        return Err(Unreadable { id: None, why: "a binary frame has 9 bytes at least".into() });
    };
    said(verb, body).map(|said| Frame { id, said }).map_err(|why| Unreadable { id: Some(id), why })
}

fn said(verb: u8, mut body: Bytes) -> Result<Said, String> {
    match verb {
        SUBSCRIBE => Ok(Said::Subscribe { topics: topics(names(body)?.iter().map(String::as_str))? }),
        UNSUBSCRIBE => Ok(Said::Unsubscribe { topics: topics(names(body)?.iter().map(String::as_str))? }),
        PUBLISH => publish(Kind::Unicast, None, body),
        MULTICAST => publish(Kind::Multicast, None, body),
        PUBLISH_AS => publish(Kind::Unicast, Some(priority(&mut body)?), body),
        MULTICAST_AS => publish(Kind::Multicast, Some(priority(&mut body)?), body),
        RESPOND if body.len() < NAME + 4 => Err("a response has the request's name, a code and a payload".into()),
        RESPOND => {
            let request = request(&body.split_to(NAME))?;
            let code = ResultCode(body.get_i32());
            Ok(Said::Respond { request, code, data: body })
        }
        VERDICT if body.len() <= QUESTION => Err("a verdict has the question's name, a byte, and the topic".into()),
        VERDICT => {
            let question = question(&body.split_to(QUESTION))?;
            let accepted = match body.get_u8() {
                0 => false,
                1 => true,
                _ => return Err("a verdict is 0 or 1".into()),
            };
            Ok(Said::Verdict { question, topic: topic(&name(&mut body)?)?, accepted })
        }
        PING => Ok(Said::Ping),
        TOKEN => String::from_utf8(body.into())
            .map(|token| Said::Token { token })
            .map_err(|_| "the token is not UTF-8".into()),
        _ => Err(format!("there is no frame {verb}")),
    }
}

fn publish(kind: Kind, priority: Option<Priority>, mut body: Bytes) -> Result<Said, String> {
    let topic = topic(&name(&mut body)?)?;
    Ok(Said::Publish { kind, priority, topic, data: body })
}

fn priority(body: &mut Bytes) -> Result<Priority, String> {
    let number = body.try_get_u8().map_err(|_| "a priority is missing".to_owned())?;
    Priority::try_from(number).map_err(|error| format!("{error}: 1, 2, 3 or 4, not {number}"))
}

fn names(mut body: Bytes) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    while !body.is_empty() {
        if names.len() == MAX_TOPICS {
            return Err(format!("a frame names at most {MAX_TOPICS} topics"));
        }
        names.push(name(&mut body)?);
    }
    Ok(names)
}

/// A text behind its length, a byte.
fn name(body: &mut Bytes) -> Result<String, String> {
    let length = body.try_get_u8().map(usize::from).map_err(|_| "a topic is missing".to_owned())?;
    if body.len() < length {
        return Err("a topic is shorter than its length says".into());
    }
    String::from_utf8(body.split_to(length).into()).map_err(|_| "a topic is not UTF-8".into())
}

/// All of a frame before its payload.
pub(crate) fn head(told: &Told<'_>) -> Vec<u8> {
    let mut head = Vec::new();
    match told {
        Told::Result { id, code, message, .. } => {
            head.put_u8(if message.is_some() { REFUSAL } else { RESULT });
            head.put_u64(id.unwrap_or(u64::MAX));
            head.put_i32(code.0);
            head.put_slice(message.as_deref().unwrap_or_default().as_bytes());
        }
        Told::Request { request, topic, .. } => {
            head.put_u8(REQUEST);
            head.put_slice(request.as_bytes());
            put_name(&mut head, topic.as_str());
        }
        Told::Message { topic, .. } => {
            head.put_u8(MESSAGE);
            put_name(&mut head, topic.as_str());
        }
        Told::Verify(TopicVerification { node, topic, channel }) => {
            head.put_u8(VERIFY);
            head.put_slice(&hex::decode(node).unwrap_or_default());
            put_name(&mut head, topic);
            put_name(&mut head, channel);
        }
    }
    head
}

fn put_name(head: &mut Vec<u8>, topic: &str) {
    // It has at most 254 bytes.
    head.put_u8(u8::try_from(topic.len()).unwrap_or(u8::MAX));
    head.put_slice(topic.as_bytes());
}
