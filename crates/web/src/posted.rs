//! What is published by a plain HTTP request, for programs without WebSockets: each request is a short session of its own.

mod answer;
mod line;

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::{Method, Request, StatusCode, body::Incoming, header};
use nuncio_gateway::{CoreGone, FrameKind, FrameSeq, Intake, Lease, Letter, Member, ResultCode, bounds::SMALL_FRAME};
use nuncio_protocol::{
    MAX_BODY, Priority, Topic, UnknownPriority,
    amop::{Kind, PublishSeq},
};
use percent_encoding::percent_decode_str;
use tokio::{
    sync::oneshot,
    time::{sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub(crate) use self::line::Line;
use self::{
    answer::{of_letter, of_result},
    line::Standing,
};
use crate::{
    connection::{Answer, Entry, refusal},
    session::counts_no_more,
};

/// What is taken of an answer in each write timeout, in bytes, or its reader is cut.
const WRITTEN: usize = 64 << 10;

/// What is to be published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    kind: Kind,
    /// As its client names it.
    priority: Option<Priority>,
    topic: Topic,
    /// Of the payload.
    length: usize,
}

impl Wanted {
    /// Reads it out of a request's head; `None` for a request of another kind.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Result<Self, Box<Answer>>> {
        let path = request.uri().path();
        let (kind, topic) = match (path.strip_prefix("/v1/publish/"), path.strip_prefix("/v1/multicast/")) {
            (Some(topic), _) => (Kind::Unicast, topic),
            (_, Some(topic)) => (Kind::Multicast, topic),
            (None, None) => return None,
        };
        if request.method() != Method::POST {
            return Some(Err(refusal(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "it is posted to")));
        }
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let priority = read_priority(request.uri().query().unwrap_or_default());
        Some(
            read_topic(topic)
                .and_then(|topic| Ok(Self { kind, priority: priority?, topic, length: judge_length(length)? })),
        )
    }
}

fn read_topic(path: &str) -> Result<Topic, Box<Answer>> {
    let bad = |why: String| refusal(StatusCode::BAD_REQUEST, "malformed", &format!("the topic cannot exist: {why}"));
    // Else it would be read as it stands, and be another topic than its client meant.
    let is_escape =
        |rest: &[u8]| matches!(rest, [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    if path.match_indices('%').any(|(at, _)| !is_escape(&path.as_bytes()[at..])) {
        return Err(bad("two hexadecimal digits follow each %".to_owned()));
    }
    let name = percent_decode_str(path).decode_utf8().map_err(|error| bad(error.to_string()))?;
    Topic::new(&name).map_err(|error| bad(error.to_string()))
}

/// Reads `priority` out of a query; what else stands there says nothing.
fn read_priority(query: &str) -> Result<Option<Priority>, Box<Answer>> {
    let bad = |why: &str| refusal(StatusCode::BAD_REQUEST, "malformed", why);
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter_map(|(key, value)| (key == "priority").then_some(value));
    match (named.next(), named.next()) {
        (None, _) => Ok(None),
        (Some(name), None) => name.parse().map(Some).map_err(|error: UnknownPriority| bad(&error.to_string())),
        (Some(_), Some(_)) => Err(bad("`priority` is named twice")),
    }
}

fn judge_length(length: Option<u64>) -> Result<usize, Box<Answer>> {
    let length = length.ok_or_else(|| {
        refusal(StatusCode::LENGTH_REQUIRED, "length_required", "a payload says in content-length how long it is")
    })?;
    let most = format!("a payload has at most {MAX_BODY} bytes");
    let too_large = || refusal(StatusCode::PAYLOAD_TOO_LARGE, "over_limit", &most);
    usize::try_from(length).ok().filter(|length| *length <= MAX_BODY).ok_or_else(too_large)
}

/// Publishes, and says what became of it. When whoever asked has gone, so is his session.
pub(crate) async fn post(entry: Entry, wanted: Wanted, body: Incoming, line: Arc<Line>) -> Answer {
    line.proved.notify_one();
    let visit = line.begin();
    let gone = CancellationToken::new();
    let _here = gone.clone().drop_guard();
    let (told, answer) = oneshot::channel();
    // A task of its own: whatever becomes of the connection, the core hears that the session has ended.
    tokio::spawn(perform(entry, wanted, (body, line, visit), gone, told));
    answer.await.unwrap_or_else(|_| stopping())
}

async fn perform(
    (member, shown): Entry,
    wanted: Wanted,
    (body, line, _here): (Incoming, Arc<Line>, Standing),
    gone: CancellationToken,
    told: oneshot::Sender<Answer>,
) {
    let (cut, expires) = (member.cut().clone(), member.expires());
    let mut visit = Visit { member };
    let ended = async {
        match &shown {
            Some(shown) => counts_no_more(shown).await,
            None => pending().await,
        }
    };
    let expired = async {
        match expires {
            // A timer may go off a moment later.
            Some(at) if at <= Instant::now() => {}
            Some(at) => sleep_until(at.into()).await,
            None => pending().await,
        }
    };
    let no_longer = |why| Some((*refusal(StatusCode::FORBIDDEN, "forbidden", why), None));
    let answer = tokio::select! {
        // Nothing is published for whoever has gone or may stay no longer.
        biased;
        () = gone.cancelled() => None,
        () = cut.cancelled() => no_longer("it is no longer admitted"),
        () = ended => no_longer("it is no longer admitted"),
        () = expired => no_longer("its certificate has expired"),
        answer = visit.publish(wanted, body) => Some(answer),
    };
    if let Some((answer, written)) = answer
        && told.send(answer).is_ok()
        && let Some((length, written)) = written
    {
        let patience = visit.member.timeouts().write * (1 + u32::try_from(length / WRITTEN).unwrap_or(u32::MAX));
        // Its bytes are the session's until they are written.
        if timeout(patience, written).await.is_err() {
            line.cut.cancel();
        }
    }
    visit.member.leave().await;
}

/// One request.
struct Visit {
    member: Member,
}

/// Of an answer with a payload: its length, and what ends when it is written.
type Written = Option<(usize, oneshot::Receiver<()>)>;

/// Why a payload did not come.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Unfinished(#[from] nuncio_gateway::Unfinished),
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    #[error("it broke off: {0}")]
    Read(#[from] hyper::Error),
    #[error("it is shorter than it says")]
    Short,
}

impl Visit {
    async fn publish(&mut self, Wanted { kind, priority, topic, length }: Wanted, body: Incoming) -> (Answer, Written) {
        let idle = self.member.timeouts().idle;
        poll_fn(|cx| self.member.poll_open(cx)).await;
        let (data, lease) = match read(self.member.intake(), body, length, idle).await {
            Ok(read) => read,
            Err(broken) => {
                self.member.note_malformed();
                return (*refusal(StatusCode::REQUEST_TIMEOUT, "unfinished", &broken.to_string()), None);
            }
        };
        self.member.note_received();
        self.member.follow_rights();
        // What says the same under the same seq is delivered once in a minute.
        let seq = FrameSeq::from_number(rand::random());
        let (seq, how) = (PublishSeq(seq.into_bytes()), (kind, priority));
        let published = self.member.publish(seq, how, (topic, data), length).await;
        // From here on it counts among what is in flight.
        drop(lease);
        match published {
            Err(CoreGone) => (stopping(), None),
            Ok(Some(refused)) => (of_result(refused.result(), &refused.to_string()), None),
            Ok(None) => of_letter(self.answer().await, kind),
        }
    }

    async fn answer(&self) -> Letter {
        loop {
            let letter = poll_fn(|cx| self.member.poll_letter(&mut None, cx)).await;
            if letter.kind() == FrameKind::Answer {
                return letter;
            }
        }
    }
}

/// Reads a payload once there is room for it.
async fn read(
    mut intake: Intake,
    mut body: Incoming,
    length: usize,
    idle: Duration,
) -> Result<(Bytes, Option<Lease>), Broken> {
    if length > SMALL_FRAME {
        poll_fn(|cx| intake.poll_room(length, 0, Instant::now(), cx)).await;
    }
    let (mut data, mut heard) = (BytesMut::with_capacity(length), Instant::now());
    while data.len() < length {
        intake.review(data.len(), Instant::now())?;
        let silent = heard + idle;
        let until = intake.review_at().map_or(silent, |at| at.min(silent));
        match timeout_at(until.into(), body.frame()).await {
            Ok(Some(frame)) => {
                data.extend_from_slice(frame?.data_ref().map_or(&[], |data| &data[..]));
                heard = Instant::now();
            }
            Ok(None) => return Err(Broken::Short),
            // Its progress is to be judged.
            Err(_) if until < silent => {}
            Err(_) => return Err(Broken::Idle(idle)),
        }
    }
    Ok((data.freeze(), intake.take()))
}

fn stopping() -> Answer {
    of_result(ResultCode::NO_SUBSCRIBER, "the node stops")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(method: &str, path: &str, length: Option<&str>) -> Option<Result<Wanted, StatusCode>> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        Wanted::of(&request.body(()).unwrap()).map(|wanted| wanted.map_err(|answer| answer.status()))
    }

    #[test]
    fn a_head_says_what_is_published_where_and_how_long_it_is() {
        let named = |kind, priority, topic: &str, length| {
            Some(Ok(Wanted { kind, priority, topic: Topic::new(topic).unwrap(), length }))
        };
        let of = |kind, topic, length| named(kind, None, topic, length);
        assert_eq!(wanted("POST", "/v1/publish/orders", Some("0")), of(Kind::Unicast, "orders", 0));
        assert_eq!(wanted("POST", "/v1/multicast/a/b%20%C3%A9?x", Some("7")), of(Kind::Multicast, "a/b é", 7));
        assert_eq!(wanted("POST", "/v1/publish/t", Some("10485760")), of(Kind::Unicast, "t", MAX_BODY));
        for priority in Priority::ALL {
            let path = format!("/v1/multicast/t?x=1&priority={priority}");
            assert_eq!(wanted("POST", &path, Some("1")), named(Kind::Multicast, Some(priority), "t", 1));
        }
        for (method, path, length, status) in [
            ("GET", "/v1/publish/t", Some("1"), 405),
            ("POST", "/v1/publish/", Some("1"), 400),
            ("POST", "/v1/publish/%FF", Some("1"), 400),
            ("POST", "/v1/publish/a%zz", Some("1"), 400),
            ("POST", "/v1/publish/a%2", Some("1"), 400),
            ("POST", "/v1/publish/t?priority=now", Some("1"), 400),
            ("POST", "/v1/publish/t?priority=", Some("1"), 400),
            ("POST", "/v1/publish/t?priority=high&priority=high", Some("1"), 400),
            ("POST", "/v1/publish/t", None, 411),
            ("POST", "/v1/publish/t", Some("-1"), 411),
            ("POST", "/v1/publish/t", Some("10485761"), 413),
            ("POST", "/v1/publish/t", Some("18446744073709551615"), 413),
        ] {
            let refused = wanted(method, path, length).unwrap().map_err(|status| status.as_u16());
            assert_eq!(refused, Err(status), "{method} {path} {length:?}");
        }
        assert_eq!(wanted("POST", "/v1/socket", Some("1")), None);
    }
}
