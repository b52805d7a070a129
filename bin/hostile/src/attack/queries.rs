//! Over the protocol of statuses, which has a stream for each query.

use std::{io, sync::Arc};

use futures::{AsyncReadExt, AsyncWriteExt};
use nuncio_protocol::status_sync::{Query, Status};
use nuncio_wire::status::{EncodedAnswer, MAX_ANSWER, PROTOCOL, decode_answer, decode_record, encode_query};
use tokio::{sync::Semaphore, task::JoinSet};

use super::Scene;
use crate::{connection::Connection, link::Link, pace::Pace};

/// Queries under way at most: a victim ends the connection of whoever opens more streams than its limit.
const UNDER_WAY: usize = 40;

async fn ask(link: &Link, query: &Query) -> io::Result<EncodedAnswer> {
    let answer = exchange(&link.connection, &framed(&encode_query(query, []))).await?;
    decode_answer(answer.into()).map_err(io::Error::other)
}

/// What a member says of itself that is neither the victim nor this one, as the victim tells it.
pub(super) async fn another_member(link: &Link) -> io::Result<Status> {
    let answer = ask(link, &Query::All { known: Vec::new() }).await?;
    let records = answer.records.into_iter().filter_map(|record| decode_record(record, &link.member.context).ok());
    let mut statuses = records.map(|(record, _)| record.status);
    let is_other = |status: &Status| status.node != link.victim && status.node != link.member.node();
    statuses.find(is_other).ok_or_else(|| io::Error::other("the victim knows no other member"))
}

/// Asks for the statuses of all, and reads the answers.
pub(super) async fn ask_for_all(link: &Link, scene: &Scene) -> io::Result<()> {
    flood(link, scene, framed(&encode_query(&Query::All { known: Vec::new() }, []))).await
}

/// Asks in bytes that are no query.
pub(super) async fn junk(link: &Link, scene: &Scene) -> io::Result<()> {
    flood(link, scene, framed(&[0xff; 1024])).await
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

async fn flood(link: &Link, scene: &Scene, query: Vec<u8>) -> io::Result<()> {
    let (mut pace, places) = (Pace::per_second(scene.rate), Arc::new(Semaphore::new(UNDER_WAY)));
    let (mut queries, query) = (JoinSet::new(), Arc::new(query));
    while !link.connection.has_ended() {
        for _ in 0..pace.due().await {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (connection, query) = (link.connection.clone(), query.clone());
            queries.spawn(async move {
                let _place = place;
                exchange(&connection, &query).await
            });
            scene.count(1);
        }
        while queries.try_join_next().is_some() {}
    }
    Ok(())
}

async fn exchange(connection: &Connection, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connection.open(PROTOCOL).await?;
    stream.write_all(query).await?;
    stream.close().await?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let mut answer = vec![0; (u32::from_be_bytes(length) as usize).min(MAX_ANSWER)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
