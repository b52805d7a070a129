//! What became of a publish, as HTTP says it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use nuncio_gateway::{Letter, ResultCode};
use nuncio_protocol::amop::Kind;
use serde_json::json;
use tokio::sync::oneshot;

use super::Written;
use crate::{
    connection::Answer,
    frame::{MALFORMED, word},
};

/// The result code, in every answer.
const CODE: HeaderName = HeaderName::from_static("nuncio-code");

/// A result without a payload.
pub(super) fn of_result(code: ResultCode, message: &str) -> Answer {
    let body = json!({ "error": word(code), "code": code.0, "message": message });
    answer(code, Bytes::from(body.to_string()), "application/json")
}

/// What a subscriber answered, or what became of the publish without one.
pub(super) fn of_letter(letter: Letter, kind: Kind) -> (Answer, Written) {
    let code = letter.result();
    let is_subscribers =
        letter.topic().is_some() && kind == Kind::Unicast && (code.is_ok() || word(code) == "application");
    if !is_subscribers {
        let is_taken = code.is_ok();
        let body = json!({ "code": code.0, "word": word(code) }).to_string();
        let taken = || answer(code, Bytes::from(body), "application/json");
        return (if is_taken { taken() } else { of_result(code, code.words()) }, None);
    }
    let (length, (sent, written)) = (letter.data().len(), oneshot::channel());
    let data = Bytes::from_owner(Held { letter, _sent: sent });
    (answer(code, data, "application/octet-stream"), Some((length, written)))
}

/// A letter that counts among what is queued until it is written.
struct Held {
    letter: Letter,
    /// Dropped with it, which is what its receiver waits for.
    _sent: oneshot::Sender<()>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.letter.data()
    }
}

fn answer(code: ResultCode, body: Bytes, content: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status(code);
    answer.headers_mut().insert(CODE, HeaderValue::from(code.0));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    answer
}

const fn status(code: ResultCode) -> StatusCode {
    match code {
        ResultCode::OK => StatusCode::OK,
        ResultCode::NO_SUBSCRIBER => StatusCode::NOT_FOUND,
        ResultCode::TIMEOUT => StatusCode::GATEWAY_TIMEOUT,
        ResultCode::OVER_LIMIT => StatusCode::TOO_MANY_REQUESTS,
        ResultCode::SUBSCRIBER_GONE | ResultCode::CLIENT_UNREACHABLE => StatusCode::BAD_GATEWAY,
        ResultCode::DENIED => StatusCode::FORBIDDEN,
        MALFORMED => StatusCode::BAD_REQUEST,
        // The subscriber's own.
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
