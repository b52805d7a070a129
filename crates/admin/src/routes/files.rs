//! Files to other nodes: an offer, then the bytes, in bodies as long as whoever sends them likes.

use std::time::Duration;

use axum::{Extension, Json, body::Body, extract::State, http::HeaderMap};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use nuncio_audit::Act;
use nuncio_identity::NodeId;
use nuncio_node::service::{self, Answer, FileChunk, Request, ServiceError};
use nuncio_protocol::{
    MAX_FILE_CHUNK,
    unicast::{Refusal, UnicastError},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Context, JsonBody, Parameters, Segment, bad_request, body, messages::unicast_failure};
use crate::{
    api::{ErrorCode, Failure, FileOffer, FileProgress, FileState, ReceivedFile},
    resolve,
};

/// How long a node may take to answer an offer or a piece.
const ANSWER: Duration = Duration::from_secs(30);

/// Pieces on their way at a time: as many as a node takes before the first of them is there.
const AHEAD: usize = 8;

/// Query of a part of a file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PiecesQuery {
    /// As the answer to the offer named it.
    transfer: u64,
    /// Where in the file the body begins.
    offset: u64,
}

pub(super) async fn list(State(context): State<Context>) -> Result<Json<Vec<ReceivedFile>>, Failure> {
    match context.operator.files() {
        Some(files) => files.await.map(Json),
        None => Err(takes_no_files()),
    }
}

pub(super) async fn offer(
    State(context): State<Context>,
    Segment(node): Segment,
    JsonBody(offer): JsonBody<FileOffer>,
) -> Result<(Extension<Act>, Json<FileProgress>), Failure> {
    let FileOffer { name, length, sha256 } = offer;
    if !nuncio_plain::is_file_name(&name) {
        return Err(bad_request(
            "name is no plain file name: at most 255 bytes, no control characters, no slash, no dot or dash first",
        ));
    }
    let sha256 = hex::decode(&sha256).ok().and_then(|bytes| bytes.try_into().ok());
    let sha256 = sha256.ok_or_else(|| bad_request("sha256 is not 64 hexadecimal digits"))?;
    let target = target(&context, &node)?;
    let act = Act::OfferFile { node: target.into(), name: (&name).into(), bytes: length };
    let progress = ask(&context, target, &Request::FileOffer(service::FileOffer { name, length, sha256 })).await?;
    Ok((Extension(act), Json(progress)))
}

pub(super) async fn pieces(
    State(context): State<Context>,
    Segment(node): Segment,
    Parameters(query): Parameters<PiecesQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(Extension<Act>, Json<FileProgress>), Failure> {
    let target = target(&context, &node)?;
    let body = body::read(&headers, body, &context.bodies).await?;
    if body.bytes.is_empty() {
        return Err(bad_request("a part of a file has one byte at least"));
    }
    let act = Act::Send { node: target.into(), bytes: body.bytes.len() };
    let asked = stream::iter(chunks(&query, &body.bytes)?)
        .map(|chunk| {
            let (context, wanted) = (&context, Request::FileChunk(chunk));
            async move { ask(context, target, &wanted).await }
        })
        .buffered(AHEAD);
    let (mut asked, mut last) = (std::pin::pin!(asked), None::<FileProgress>);
    while let Some(progress) = asked.try_next().await? {
        // A piece that came before others was answered before they were there.
        let is_further =
            |last: FileProgress| progress.received > last.received || progress.state != FileState::Receiving;
        if last.is_none_or(is_further) {
            last = Some(progress);
        }
        if !matches!(progress.state, FileState::Receiving | FileState::Checking | FileState::Done) {
            // Who sends has to look how far it is.
            break;
        }
    }
    let last = last.ok_or_else(|| bad_request("a part of a file has one byte at least"))?;
    Ok((Extension(act), Json(last)))
}

/// The body in pieces, none of which is copied.
fn chunks(query: &PiecesQuery, body: &Bytes) -> Result<Vec<FileChunk>, Failure> {
    let PiecesQuery { transfer, offset } = *query;
    offset.checked_add(body.len() as u64).ok_or_else(|| bad_request("offset is beyond every file"))?;
    let piece = |start: usize| {
        let data = body.slice(start..body.len().min(start + MAX_FILE_CHUNK));
        FileChunk { transfer, offset: offset + start as u64, data }
    };
    Ok((0..body.len()).step_by(MAX_FILE_CHUNK).map(piece).collect())
}

/// A node that can be asked itself.
fn target(context: &Context, node: &str) -> Result<NodeId, Failure> {
    let snapshot = context.node.snapshot();
    let target = resolve::node(node, &snapshot)?;
    match snapshot.node(target) {
        Some(known) if known.record.is_some() && !known.serves() => Err(takes_no_files()),
        _ => Ok(target),
    }
}

fn takes_no_files() -> Failure {
    Failure::new(ErrorCode::NoHandler, "the node takes no files")
        .with_hint("its operator sets [files] directory in its nuncio.toml; nodes of earlier releases take none")
}

async fn ask(context: &Context, target: NodeId, wanted: &Request) -> Result<FileProgress, Failure> {
    match context.node.ask_service(target, wanted, ANSWER).await {
        Ok(Answer::FileProgress(service::FileProgress { transfer, received, state })) => {
            Ok(FileProgress { transfer, received, state: state.into() })
        }
        Ok(Answer::Refused { reason }) => {
            let reason = nuncio_plain::short(&reason, 300);
            Err(Failure::new(ErrorCode::Refused, format!("the node refuses the file: {reason}")))
        }
        Ok(_) => Err(Failure::new(ErrorCode::Refused, "the node answers something else")),
        Err(ServiceError::Unicast(error)) => Err(failure(error)),
        Err(error) => Err(Failure::new(ErrorCode::Refused, error.to_string())),
    }
}

fn failure(error: UnicastError) -> Failure {
    match error {
        UnicastError::Refused(Refusal::NoHandler) => takes_no_files(),
        // Pieces may come twice.
        UnicastError::Unknown(_) | UnicastError::TimedOut { .. } => {
            Failure::new(ErrorCode::TimedOut, error.to_string())
                .with_hint("offer the file again: it goes on where it was")
        }
        error => unicast_failure(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_cut_into_pieces_that_a_node_takes() {
        let body = Bytes::from((0..=255_u8).cycle().take(2 * MAX_FILE_CHUNK + 7).collect::<Vec<_>>());
        let cut = chunks(&PiecesQuery { transfer: 9, offset: 100 }, &body).unwrap();
        let lengths: Vec<_> = cut.iter().map(|chunk| chunk.data.len()).collect();
        assert_eq!(lengths, [MAX_FILE_CHUNK, MAX_FILE_CHUNK, 7]);
        assert_eq!(cut[2].offset, 100 + 2 * MAX_FILE_CHUNK as u64);
        assert_eq!(cut.iter().flat_map(|chunk| chunk.data.clone()).collect::<Vec<_>>(), body);
        assert!(chunks(&PiecesQuery { transfer: 9, offset: u64::MAX }, &body).is_err());
    }
}
