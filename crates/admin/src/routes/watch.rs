//! All that an operator watches, as it changes: server-sent events, for the dashboard.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use axum::{
    Extension,
    extract::{ConnectInfo, State},
};
use bytes::Bytes;
use nuncio_audit::Scope;
use nuncio_node::Snapshot;
use tokio::time::{Instant, sleep};

use super::{
    Context,
    answered::Events,
    network, peers,
    places::{Place, Reader},
    watched,
};
use crate::{
    api::{ErrorCode, Failure},
    server::Peer,
};

/// Streams at a time, of which who may only look has half; further ones are refused as busy.
pub(crate) const MAX_WATCHERS: usize = 8;

/// Longest event, in bytes; a longer one is left out. A thousand nodes that name two hundred links each are shorter, and sixteen
/// thousand that name ten each.
pub(crate) const LONGEST: usize = 6 << 20;

/// Longest look, in bytes: all its events.
pub(crate) const LOOK: usize = 2 * LONGEST;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What one stream takes at most, in bytes a second: after a long event the next look waits.
const RATE: usize = 256 << 10;

type Look = fn(&Context, &Snapshot) -> serde_json::Result<String>;

/// What is looked at, each an event of its own when it is not what it was.
const SECTIONS: [(&str, Look); 7] = [
    ("links", |context, snapshot| serde_json::to_string(&peers::peers_of(context, snapshot))),
    ("topology", |context, snapshot| serde_json::to_string(&watched::topology_of(context, snapshot))),
    ("topics", |context, snapshot| serde_json::to_string(&watched::topics_of(context, snapshot))),
    ("traffic", |context, _| serde_json::to_string(&watched::traffic_of(context))),
    ("refusals", |context, snapshot| serde_json::to_string(&watched::refusals_of(context, snapshot))),
    ("lifetimes", |context, _| serde_json::to_string(&watched::endings(context))),
    // Changes with each look: whoever reads it has read what else there was of this one.
    ("status", |context, snapshot| serde_json::to_string(&network::status_of(context, snapshot))),
];

pub(super) async fn watch(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Extension(scope): Extension<Scope>,
) -> Result<Events, Failure> {
    let place = context.watchers.take(scope).ok_or_else(|| {
        Failure::new(ErrorCode::Busy, "as many watch already as may").with_hint("close a dashboard first")
    })?;
    let (reader, events) = Reader::new(peer);
    tokio::spawn(async move {
        let shutdown = context.shutdown.clone();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tell(context, reader, place) => {}
        }
    });
    Ok(Events::new(events))
}

/// What all who watch are told: looked at for all of them together, at most once in each pause.
///
/// Bound: each look has [`LOOK`] bytes at the most; whoever watches holds one, and what nobody holds is gone.
#[derive(Default)]
pub(crate) struct Looks(Mutex<Option<(Instant, Weak<Seen>)>>);

type Seen = [Option<Section>; SECTIONS.len()];

/// A section as it is told.
#[derive(Debug, Clone)]
struct Section {
    event: Bytes,
    hash: u64,
}

impl Looks {
    fn last(&self, look: impl FnOnce() -> Seen) -> Arc<Seen> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = last.as_ref().filter(|(at, _)| at.elapsed() < PAUSE).and_then(|(_, seen)| seen.upgrade());
        fresh.unwrap_or_else(|| {
            let (at, seen) = (Instant::now(), Arc::new(look()));
            *last = Some((at, Arc::downgrade(&seen)));
            seen
        })
    }
}

/// Looks at all of it; what has no room beside the others is left out.
fn see(context: &Context) -> Seen {
    let (snapshot, mut room) = (context.node.snapshot(), LOOK);
    SECTIONS.map(|(name, look)| {
        let section = section(name, look(context, &snapshot))?;
        room = room.checked_sub(section.event.len())?;
        Some(section)
    })
}

/// Tells until nobody reads any more. A slow reader loses its place and its connection.
async fn tell(context: Context, reader: Reader, _place: Place) {
    let mut told = [None; SECTIONS.len()];
    loop {
        let seen = context.looks.last(|| see(&context));
        let mut bytes = 0;
        for (section, told) in seen.iter().zip(&mut told) {
            let Some(event) = news(section.as_ref(), told) else { continue };
            bytes += event.len();
            if !reader.pass(event).await {
                return;
            }
        }
        let pause = PAUSE.max(Duration::from_secs_f64(bytes as f64 / RATE as f64));
        tokio::select! {
            () = reader.left() => return,
            () = sleep(pause) => {}
        }
    }
}

/// The event, unless it says what the last one of its name said.
fn news(section: Option<&Section>, told: &mut Option<u64>) -> Option<Bytes> {
    let Section { event, hash } = section?;
    (told.replace(*hash) != Some(*hash)).then(|| event.clone())
}

/// Remotes chose names, topics and reasons in it: what is harmful in
/// them is made visible, but for control characters, which JSON writes in digits and a page shows as blanks.
fn section(name: &str, value: serde_json::Result<String>) -> Option<Section> {
    let text = value.ok()?;
    let data = nuncio_plain::line(&text);
    if data.len() > LONGEST {
        tracing::debug!(name, bytes = data.len(), "too long for a dashboard");
        return None;
    }
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    Some(Section { event: format!("event: {name}\ndata: {data}\n\n").into(), hash: hasher.finish() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_watch_have_one_look_in_each_pause_and_nobody_s_is_kept() {
        let (looks, made) = (Looks::default(), std::cell::Cell::new(0));
        let look = || {
            looks.last(|| {
                made.set(made.get() + 1);
                SECTIONS.map(|(name, _)| section(name, Ok("1".into())))
            })
        };
        let first: Vec<_> = (0..MAX_WATCHERS).map(|_| look()).collect();
        assert!(made.get() == 1 && first.iter().all(|one| Arc::ptr_eq(one, &first[0])));
        sleep(PAUSE).await;
        let second = look();
        assert_eq!(made.get(), 2);
        let weak = Arc::downgrade(&second);
        drop((first, second));
        assert!(weak.upgrade().is_none());
        look();
        assert_eq!(made.get(), 3, "nothing was kept");
    }

    #[test]
    fn what_did_not_change_is_not_told_again_and_what_remotes_said_is_one_harmless_line() {
        let mut told = None;
        let mut news = |name: &str, value| news(section(name, value).as_ref(), &mut told);
        let value = || serde_json::to_string(&["a\n\ndata: forged\u{202e}\u{9b}\u{7f}"]);
        let event = news("links", value()).expect("it is new");
        assert_eq!(event, "event: links\ndata: [\"a\\n\\ndata: forged��␡\"]\n\n".as_bytes());
        assert_eq!(news("links", value()), None);
        assert!(news("links", Ok("1".into())).is_some());
        assert_eq!(news("links", Ok("1".repeat(LONGEST + 1))), None);
    }
}
