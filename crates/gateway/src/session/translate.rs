//! Frames of a client in the core's words.

use std::collections::BTreeSet;

use bytes::Bytes;
use nuncio_channel_protocol::{
    AmopBody, AmopBodyError, BlockNotification, Frame, ResultCode, Subscription, SubscriptionError, TopicVerdict,
    TopicVerificationError,
};
use nuncio_identity::NodeId;
use nuncio_protocol::{MAX_BODY, Priority, Topic, TopicError, UnknownPriority, amop::ChallengeId};

/// The result of a publish whose body is no packed topic and payload, or whose topic cannot exist: no SDK gives it a
/// meaning of its own, and all report it.
pub(super) const MALFORMED: ResultCode = ResultCode(-1);

/// The result for an event filter: FISCO's "group does not exist", since there is no chain.
const NO_GROUP: i64 = -41002;

/// A publish, as far as it can be read.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) topic: Topic,
    /// As its client says it.
    pub(super) priority: Option<Priority>,
    pub(super) data: Bytes,
}

/// Why a publish is not passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("its body is not a packed topic and payload")]
    Body(#[from] AmopBodyError),
    #[error("its topic is impossible")]
    Topic(#[from] TopicError),
    #[error("its result names no priority: {0}")]
    Priority(#[from] UnknownPriority),
    #[error("its payload has {bytes} bytes, over the limit of {MAX_BODY}")]
    TooLarge { bytes: usize },
}

/// What a client says came of a challenge.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) challenge: ChallengeId,
    pub(super) topic: Topic,
    pub(super) accepted: bool,
}

/// Why a verdict is ignored.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerdictError {
    #[error(transparent)]
    Body(#[from] TopicVerificationError),
    #[error("its topic is impossible")]
    Topic(#[from] TopicError),
    #[error("its nodeId is not that of a verification")]
    Challenge,
}

/// The topics of a list, and how many names in it cannot be topics.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Topics {
    pub(super) topics: BTreeSet<Topic>,
    pub(super) impossible: usize,
}

impl PublishError {
    /// What the publisher is told.
    pub(super) fn result(&self) -> ResultCode {
        match self {
            Self::Body(_) | Self::Topic(_) | Self::Priority(_) => MALFORMED,
            Self::TooLarge { .. } => ResultCode::OVER_LIMIT,
        }
    }
}

/// Reads the body of 0x30 and 0x35, and how urgent their result says they are, of a client that says so there.
pub(super) fn publish(body: Bytes, priority: ResultCode) -> Result<Publish, PublishError> {
    let named = u8::try_from(priority.0).map_err(|_| UnknownPriority).and_then(Priority::try_from);
    let priority = if priority.is_ok() { None } else { Some(named?) };
    let body = AmopBody::unpack(body)?;
    if body.data.len() > MAX_BODY {
        return Err(PublishError::TooLarge { bytes: body.data.len() });
    }
    Ok(Publish { topic: Topic::new(body.topic())?, priority, data: body.data })
}

/// Reads an acknowledgement: its result and the payload of its body. A body that cannot be read is an empty payload, as
/// errors often have none; one over the limit becomes an error.
pub(super) fn acknowledgement(frame: Frame) -> (ResultCode, Bytes) {
    let data = AmopBody::unpack(frame.body).map(|body| body.data).unwrap_or_default();
    if data.len() > MAX_BODY { (ResultCode::OVER_LIMIT, Bytes::new()) } else { (frame.result, data) }
}

/// Reads the body of 0x32. Names that cannot be topics are left out: nobody could publish to them.
pub(super) fn topics(body: &[u8], limit: usize) -> Result<Topics, SubscriptionError> {
    let list = Subscription::decode(body, limit)?;
    let topics: Vec<_> = list.topics.iter().map(|name| Topic::new(name)).collect();
    Ok(Topics {
        impossible: topics.iter().filter(|topic| topic.is_err()).count(),
        topics: topics.into_iter().flatten().collect(),
    })
}

/// Reads the body of 0x38.
pub(super) fn verdict(body: &[u8]) -> Result<Verdict, VerdictError> {
    let verdict = TopicVerdict::decode(body)?;
    let mut challenge = ChallengeId([0; NodeId::LENGTH]);
    hex::decode_to_slice(&verdict.node, &mut challenge.0).map_err(|_| VerdictError::Challenge)?;
    Ok(Verdict { challenge, topic: Topic::new(&verdict.topic)?, accepted: verdict.is_accepted() })
}

/// The groups whose block notifications a client wants.
pub(super) fn block_groups(topics: &BTreeSet<Topic>) -> BTreeSet<u32> {
    let named = topics.iter().filter_map(|topic| topic.as_str().strip_prefix(BlockNotification::TOPIC_PREFIX));
    named.filter_map(|group| group.parse().ok()).collect()
}

/// What is packed behind a topic; empty when nothing is.
pub(super) fn unpacked(body: Bytes) -> Bytes {
    AmopBody::unpack(body).map(|body| body.data).unwrap_or_default()
}

/// The answer to an event filter, packed as SDKs expect it.
pub(super) fn event_answer(answer: &serde_json::Value) -> Bytes {
    AmopBody::new("", format!("{answer}\n").into()).expect("an empty topic always fits").pack()
}

/// The answer to 0x15 and 0x16: there are no events here.
pub(super) fn no_event_filters(request: &[u8]) -> Bytes {
    let filter = serde_json::from_slice::<EventFilter>(request).unwrap_or_default();
    event_answer(&serde_json::json!({
        "filterID": filter.id,
        "result": NO_GROUP,
        "message": "not a chain node: this node carries messages (AMOP) only and has no blocks or events",
    }))
}

#[derive(Debug, Default, serde::Deserialize)]
struct EventFilter {
    #[serde(rename = "filterID", default)]
    id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_publishes_have_exact_results() {
        let too_large = AmopBody::new("t", vec![0; MAX_BODY + 1].into()).unwrap().pack();
        let vectors: [(&[u8], i32); 7] = [
            (b"", -1),
            (b"\x00t1x", -1),
            (b"\x09t1x", -1),
            (b"\x01payload", -1),
            (b"\x02\xffpayload", -1),
            (b"\x02\npayload", -1),
            (&too_large, 103),
        ];
        for (body, result) in vectors {
            let refused = publish(Bytes::copy_from_slice(body), ResultCode::OK).unwrap_err();
            assert_eq!(refused.result(), ResultCode(result), "{refused}");
        }
        let largest = AmopBody::new("t", vec![0; MAX_BODY].into()).unwrap().pack();
        assert_eq!(publish(largest, ResultCode::OK).unwrap().data.len(), MAX_BODY);
    }

    #[test]
    fn a_result_says_a_priority_by_its_number_or_nothing() {
        let read = |number| publish(Bytes::from_static(b"\x02t"), ResultCode(number));
        let named: Vec<_> = (0..5).map(|number| read(number).unwrap().priority).collect();
        assert_eq!(named, [&[None][..], &Priority::ALL.map(Some)].concat());
        for number in [5, 255, 256, 257, -1, i32::MIN] {
            assert_eq!(read(number).unwrap_err().result(), MALFORMED, "{number}");
        }
    }

    #[test]
    fn impossible_names_are_left_out_of_a_topic_list() {
        let read = topics(br#"["a","","b","a","x\ty"]"#, 99).unwrap();
        let expected = ["a", "b"].map(|name| Topic::new(name).unwrap());
        assert_eq!(read, Topics { topics: expected.into(), impossible: 2 });
        assert!(topics(br#"["a","b"]"#, 1).is_err());
        assert!(topics(b"{}", 1).is_err());
    }

    #[test]
    fn a_verdict_names_its_challenge() {
        let node = "AB".repeat(64);
        let body = |node: &str, topic: &str| format!(r#"{{"checkResult":1,"nodeId":"{node}","topic":"{topic}"}}"#);
        let read = verdict(body(&node, "t").as_bytes()).unwrap();
        let topic = Topic::new("t").unwrap();
        assert_eq!(read, Verdict { challenge: ChallengeId([0xab; 64]), topic, accepted: false });
        for body in [body("", "t"), body(&node[2..], "t"), body(&node.replace('A', "x"), "t"), body(&node, "")] {
            assert!(verdict(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_event_filter_is_refused_in_words_and_under_its_own_id() {
        let request = AmopBody::new("", Bytes::from_static(br#"{"filterID":"abc","groupID":"1"}"#)).unwrap().pack();
        for (request, id) in [(request, "abc"), (Bytes::new(), ""), (Bytes::from_static(b"\x01{"), "")] {
            let answer = AmopBody::unpack(no_event_filters(&unpacked(request))).unwrap();
            assert_eq!(answer.topic(), "");
            let answer: serde_json::Value = serde_json::from_slice(&answer.data).unwrap();
            assert_eq!((answer["filterID"].as_str(), answer["result"].as_i64()), (Some(id), Some(-41002)));
            assert!(answer["message"].as_str().unwrap().contains("not a chain node"));
        }
    }
}
