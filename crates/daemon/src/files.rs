//! Files that other nodes send to this node's operator.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_files::{Arrived, Inbox, Limits, Offer, OpenError, State, Work};
use nuncio_identity::NodeId;
use nuncio_node::service::{self, Answer, Call, Calls, FileOffer, FileProgress, FileState, Port, Request};
use nuncio_plain::Pace;
use nuncio_rights::{Party, Who};
use tokio::{sync::Semaphore, task::spawn_blocking};

use crate::{Config, control::Control};

/// Offers and pieces that are worked on at a time; further ones wait in their queue.
const AT_ONCE: usize = 8;

/// How often is looked for what is silent or has waited too long.
const TIDY: Duration = Duration::from_secs(30);

/// A directory for files and what comes for it.
#[derive(Debug)]
pub(crate) struct Files {
    inbox: Arc<Inbox>,
    calls: Calls,
}

/// Opens the configured directory, if there is one; without it the node takes no file.
pub(crate) fn open(config: &Config, port: &mut Port) -> Result<Option<Files>, OpenError> {
    let Some(directory) = config.files.directory.clone() else { return Ok(None) };
    Ok(Some(Files { inbox: Inbox::open(directory, limits(config))?, calls: port.take_files() }))
}

/// What other nodes can make this one hold in memory.
pub(crate) fn bounds(config: &Config) -> Vec<Bound> {
    let pieces = Bound::of_bytes("pieces that are written", AT_ONCE * nuncio_files::MAX_CHUNK, "further ones wait");
    let mut bounds = limits(config).bounds();
    bounds.extend([service::FILES_BOUND, pieces.in_entries(AT_ONCE)]);
    bounds
}

fn limits(config: &Config) -> Limits {
    let files = &config.files;
    Limits {
        total: files.max_total.0,
        per_sender: files.max_per_node.0,
        files: files.max_files,
        open: files.max_open,
        kept: files.keep_parts.0,
    }
}

/// Serves until the node stops.
pub(crate) async fn serve(files: Files, control: Arc<Control>) {
    let Files { inbox, mut calls } = files;
    let refusals = Arc::new(Mutex::new(Pace::default()));
    let (places, mut tidy) = (Arc::new(Semaphore::new(AT_ONCE)), tokio::time::interval(TIDY));
    loop {
        let call = tokio::select! {
            call = calls.next() => call,
            _ = tidy.tick() => {
                let inbox = Arc::clone(&inbox);
                let _ = spawn_blocking(move || inbox.tidy(Instant::now())).await;
                continue;
            }
        };
        let Some(call) = call else { return };
        if let Err(answer) = judge(&control, &call) {
            tell(&refusals, &call, &answer);
            call.answer(&answer);
            continue;
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (inbox, refusals) = (Arc::clone(&inbox), Arc::clone(&refusals));
        spawn_blocking(move || {
            let from = call.from;
            let (answer, work) = take(&inbox, &call);
            tell(&refusals, &call, &answer);
            call.answer(&answer);
            // As many files are checked as may be open; pieces of others do not wait for that.
            drop(place);
            if let Some(Arrived { path, length }) = work.and_then(Work::run) {
                tracing::info!(node = %from.short(), path, bytes = length, "a file has come");
            }
        });
    }
}

/// Whether a node may send files here.
fn judge(control: &Control, call: &Call) -> Result<(), Answer> {
    let (id, snapshot) = (call.from.to_string(), control.node.snapshot());
    let Some(node) = snapshot.nodes.iter().find(|node| node.node_id == id) else {
        // Its record is on its way.
        return Err(progress(0, 0, FileState::Busy));
    };
    let party = Party::node(node.agency_path(), &*node.name, call.from.as_bytes());
    if control.node.sees(node) && may_send(&control.state().config, call.from, &party) {
        return Ok(());
    }
    Err(Answer::Refused { reason: "this node may send no files there".to_owned() })
}

fn may_send(config: &Config, node: NodeId, party: &Party) -> bool {
    let files = &config.files;
    let is_of = |agency: &String| Who { agency: Some(agency.clone()), ..Who::default() }.is(&party.subject());
    let is_named = files.nodes.iter().any(|named| named.0 == node) || files.agencies.iter().any(is_of);
    is_named || (files.nodes.is_empty() && files.agencies.is_empty())
}

fn take(inbox: &Arc<Inbox>, call: &Call) -> (Answer, Option<Work>) {
    let (from, now) = (call.from, Instant::now());
    let (answer, work) = match &call.wanted {
        Request::FileOffer(FileOffer { name, length, sha256 }) => {
            inbox.offer(from, &Offer { name: name.clone(), length: *length, sha256: *sha256 }, now)
        }
        Request::FileChunk(chunk) => inbox.chunk(from, (chunk.transfer, chunk.offset), &chunk.data, now),
        // The node puts nothing else here.
        _ => (nuncio_files::Answer::Refused("this is nothing about a file".to_owned()), None),
    };
    (told(answer), work)
}

/// Tells the operator of a file that was refused, but not of each when there are many.
fn tell(pace: &Mutex<Pace>, call: &Call, answer: &Answer) {
    let (Request::FileOffer(FileOffer { name, .. }), Answer::Refused { reason }) = (&call.wanted, answer) else {
        return;
    };
    let line = pace.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
    if let Some(kept_back) = line {
        let name = nuncio_plain::short(name, 64);
        tracing::info!(node = %call.from.short(), name, reason, kept_back, "a file is refused");
    }
}

fn told(answer: nuncio_files::Answer) -> Answer {
    match answer {
        nuncio_files::Answer::Refused(reason) => Answer::Refused { reason },
        nuncio_files::Answer::Progress { transfer, received, state } => {
            let state = match state {
                State::Receiving => FileState::Receiving,
                State::Checking => FileState::Checking,
                State::Done => FileState::Done,
                State::Unknown => FileState::Unknown,
                State::Differs => FileState::Differs,
                State::Busy => FileState::Busy,
            };
            progress(transfer, received, state)
        }
    }
}

const fn progress(transfer: u64, received: u64, state: FileState) -> Answer {
    Answer::FileProgress(FileProgress { transfer, received, state })
}

#[cfg(test)]
mod tests {
    use nuncio_identity::NodeKey;

    use super::*;

    #[test]
    fn a_node_sends_files_where_it_is_named_or_its_agency_is_or_nobody_is() {
        let [node, other] = [(); 2].map(|()| NodeKey::generate().node_id());
        let may = |toml: &str, agency: &str| {
            let config = Config::parse(toml, std::path::Path::new("nuncio.toml")).unwrap();
            may_send(&config, node, &Party::node(agency, "n", node.as_bytes()))
        };
        assert!(may("", "bankA"));
        assert!(may("[files]\nagencies = [\"bankA\"]", "bankA"));
        assert!(may("[files]\nagencies = [\"bankA\"]", "bankA/branch"));
        assert!(!may("[files]\nagencies = [\"bankA\"]", "bankB"));
        assert!(may(&format!("[files]\nagencies = [\"bankA\"]\nnodes = [\"{node}\"]"), "bankB"));
        assert!(!may(&format!("[files]\nnodes = [\"{other}\"]"), "bankA"));
    }
}
