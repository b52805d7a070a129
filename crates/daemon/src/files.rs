//! Files that other nodes send to this node's operator.

mod line;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use nuncio_admin::api::{ErrorCode, Failure, ReceivedFile};
use nuncio_audit::Event;
use nuncio_bounds::Bound;
use nuncio_files::{Arrived, Inbox, Limits, Listed, OpenError, Refusal, Work};
use nuncio_identity::NodeId;
use nuncio_metrics::FileRefusal;
use nuncio_node::service::{self, Answer, Call, Calls, FileOffer, FileProgress, FileState, Port, Request};
use nuncio_plain::Pace;
use nuncio_rights::{Party, Who};
use tokio::{sync::mpsc, task::spawn_blocking};

use self::line::{Line, Matter, matter};
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

impl Files {
    /// What lies in the directory is asked of it.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }
}

/// Serves until the node stops.
pub(crate) async fn serve(files: Files, control: Arc<Control>) {
    let Files { inbox, mut calls } = files;
    let desk = Arc::new(Desk { inbox, control, told: Mutex::default() });
    let (mut line, mut tidy) = (Line::default(), tokio::time::interval(TIDY));
    let (ends, mut ended) = mpsc::channel(AT_ONCE);
    loop {
        tokio::select! {
            call = calls.next_in_place() => {
                let Some((call, place)) = call else { return };
                match judge(&desk.control, &call) {
                    Ok(()) => line.push(matter(&call), (call, place)),
                    Err(answer) => desk.refuse(call, &answer),
                }
            }
            Some(matter) = ended.recv() => line.end(&matter),
            _ = tidy.tick() => {
                let desk = Arc::clone(&desk);
                let _ = spawn_blocking(move || desk.tidy()).await;
            }
        }
        while let Some((matter, (call, place))) = line.next() {
            drop(place);
            let (desk, work) = (Arc::clone(&desk), AtWork { matter, ends: ends.clone() });
            spawn_blocking(move || desk.serve(call, work));
        }
    }
}

/// A worker is busy with this until it is dropped.
struct AtWork {
    matter: Matter,
    ends: mpsc::Sender<Matter>,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        // There is room for all that are at work.
        let _ = self.ends.try_send(self.matter);
    }
}

/// Whether a node may send files here.
fn judge(control: &Control, call: &Call) -> Result<(), Answer> {
    let snapshot = control.node.snapshot();
    let Some(node) = snapshot.node(call.from) else {
        // Its record is on its way.
        return Err(busy());
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

fn take(inbox: &Arc<Inbox>, call: &Call) -> (nuncio_files::Answer, Option<Work>) {
    let (from, now) = (call.from, Instant::now());
    match &call.wanted {
        Request::FileOffer(offer) => inbox.offer(from, offer, now),
        Request::FileChunk(chunk) => inbox.chunk(from, (chunk.transfer, chunk.offset), &chunk.data, now),
        // The node puts nothing else here.
        _ => (nuncio_files::Answer::Refused(Refusal::Piece("this is nothing about a file".to_owned())), None),
    }
}

/// What all tasks share.
struct Desk {
    inbox: Arc<Inbox>,
    control: Arc<Control>,
    told: Mutex<Pace>,
}

impl Desk {
    /// Waits for the disk.
    fn serve(&self, call: Call, work: AtWork) {
        let from = call.from;
        let (answer, check) = take(&self.inbox, &call);
        let answer = match answer {
            nuncio_files::Answer::Progress(progress) => {
                if progress.state == FileState::Busy {
                    self.count(FileRefusal::Busy);
                }
                Answer::FileProgress(progress)
            }
            nuncio_files::Answer::Refused(refusal) => {
                FileRefusal::named(refusal.name()).into_iter().for_each(|cause| self.count(cause));
                Answer::Refused { reason: refusal.to_string() }
            }
        };
        self.tell(&call, &answer);
        call.answer(&answer);
        // As many files are checked as may be open; pieces of others do not wait for that.
        drop(work);
        if let Some(Arrived { name, length }) = check.and_then(Work::run) {
            self.control.audit.record(Event::FileReceived { node: from.into(), name: name.into(), bytes: length });
        }
        self.show();
    }

    fn refuse(&self, call: Call, answer: &Answer) {
        self.count(if matches!(answer, Answer::Refused { .. }) { FileRefusal::Access } else { FileRefusal::Busy });
        self.tell(&call, answer);
        call.answer(answer);
    }

    fn tidy(&self) {
        self.inbox.tidy(Instant::now());
        self.show();
    }

    /// Tells the operator of a file that was refused, but not of each when there are many.
    fn tell(&self, call: &Call, answer: &Answer) {
        let (Request::FileOffer(FileOffer { name, .. }), Answer::Refused { reason }) = (&call.wanted, answer) else {
            return;
        };
        let line = self.told.lock().unwrap_or_else(PoisonError::into_inner).line(Instant::now());
        if let Some(kept_back) = line {
            let name = nuncio_plain::short(name, 64);
            tracing::info!(node = %call.from.short(), name, reason, kept_back, "a file is refused");
        }
    }

    fn count(&self, cause: FileRefusal) {
        self.control.node.metrics().refused.files.increment(cause);
    }

    fn show(&self) {
        let (metrics, counted) = (self.control.node.metrics(), self.inbox.statistics());
        metrics.files.bytes.copy(counted.bytes);
        metrics.files.whole.copy(counted.whole);
        metrics.files.open.set(counted.open);
        metrics.files.parts.set(counted.parts);
        metrics.files.part_bytes.set(usize::try_from(counted.part_bytes).unwrap_or(usize::MAX));
        metrics.refused.files.copy(FileRefusal::Differs, counted.differed);
    }
}

/// What lies in an inbox, for the admin API.
pub(crate) async fn list(inbox: Arc<Inbox>) -> Result<Vec<ReceivedFile>, Failure> {
    let listed = spawn_blocking(move || inbox.list()).await.map_err(io::Error::other).flatten();
    let listed = listed.map_err(|error| {
        Failure::new(ErrorCode::Internal, format!("the directory of files cannot be read: {error}"))
    })?;
    Ok(listed.into_iter().map(shown).collect())
}

fn shown(listed: Listed) -> ReceivedFile {
    let Listed { sender, name, received, length, state, modified, .. } = listed;
    let modified = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| since.as_secs());
    ReceivedFile { node_id: sender, name, received, length, state: state.into(), modified }
}

const fn busy() -> Answer {
    Answer::FileProgress(FileProgress { transfer: 0, received: 0, state: FileState::Busy })
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
