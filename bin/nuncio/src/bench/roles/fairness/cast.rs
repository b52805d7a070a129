//! The same of multicasts: one now and then, which the other node sends back, while those to another topic keep the link busy.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use nuncio_node::{Incoming, Listener, Publisher};
use nuncio_protocol::{Topic, multicast::priority_of};
use tokio::{sync::oneshot, time::timeout};

use super::{
    super::{failed, linked, say, start, unicast::TIMEOUT},
    PAUSE, in_company,
};
use crate::{
    bench::{load::say_outcome, point::Point},
    failure::Failure,
    testnet::condition::until,
};

/// Bytes that say which message it is.
const NAME: usize = size_of::<u64>();

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a good name")
}

/// Sends back what is measured, and of the rest that it has come, each as urgent as it came.
pub(in crate::bench::roles) async fn respond(directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    let mut listener = node.listen(vec![topic("there"), topic("beside")], false).await;
    say("ready");
    while let Some(incoming) = listener.next().await {
        if let Incoming::Multicast { topic: came, data, id, .. } = incoming {
            let back = node.with_priority(priority_of(id.seq)).publisher(Some(topic("back")));
            let data = if came == topic("there") { data } else { data.slice(..NAME.min(data.len())) };
            back.send(data).await.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

/// Who waits for which message.
#[derive(Debug, Default)]
struct Waiting {
    next: AtomicU64,
    senders: Mutex<HashMap<u64, oneshot::Sender<()>>>,
}

/// Messages that are not under way. Each is sent again once it is back: to make ten mebibytes anew for each would take more of
/// the processor than to send them.
type Spare = Mutex<Vec<Bytes>>;

impl Waiting {
    /// A message of so many bytes that begins with a name of its own.
    fn named(&self, length: usize) -> Bytes {
        let mut data = vec![0x5a; length.max(NAME)];
        data[..NAME].copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        data.into()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<()>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends one to node 0 after the other.
pub(in crate::bench::roles) async fn load(point: &Point, directory: &Path, index: usize) -> Result<(), Failure> {
    let node = start(directory, index).await?;
    linked(&node, point.relays + 1).await?;
    let waiting = Arc::new(Waiting::default());
    tokio::spawn(hear(node.listen(vec![topic("back")], false).await, Arc::clone(&waiting)));
    let publisher = node.with_priority(point.priority).publisher(Some(topic("there")));
    let (sent, length) = (Arc::clone(&waiting), point.payload);
    let one = move || there_and_back(publisher.clone(), Arc::clone(&sent), sent.named(length));
    let first = || async { timeout(PAUSE * 100, one()).await.map_err(|_| "nothing comes back".to_owned()) };
    until("each node knows who listens", super::super::LINK, first).await??;
    let company = point.beside.company(point.in_flight);
    let publisher = node.with_priority(company.priority).publisher(Some(topic("beside")));
    let spare = Arc::new(Spare::new((0..company.count).map(|_| waiting.named(company.bytes)).collect()));
    let other = move || again_and_again(publisher.clone(), Arc::clone(&waiting), Arc::clone(&spare));
    let outcome = in_company(point, (PAUSE, one), other).await?;
    say_outcome(&outcome);
    Ok(())
}

async fn hear(mut listener: Listener, waiting: Arc<Waiting>) {
    while let Some(incoming) = listener.next().await {
        if let Incoming::Multicast { data, .. } = incoming
            && let Some(name) = data.first_chunk()
            && let Some(sender) = waiting.lock().remove(&u64::from_be_bytes(*name))
        {
            // Whoever waited may have given up.
            let _ = sender.send(());
        }
    }
}

async fn again_and_again(to: Publisher, waiting: Arc<Waiting>, spare: Arc<Spare>) -> Result<(), Failure> {
    let taken = spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let data = taken.ok_or_else(|| Failure::operation("internal", "more under way than there are messages"))?;
    there_and_back(to, waiting, data.clone()).await?;
    spare.lock().unwrap_or_else(PoisonError::into_inner).push(data);
    Ok(())
}

async fn there_and_back(to: Publisher, waiting: Arc<Waiting>, data: Bytes) -> Result<(), Failure> {
    let (name, (sender, back)) = (data.first_chunk().copied().unwrap_or_default(), oneshot::channel());
    waiting.lock().insert(u64::from_be_bytes(name), sender);
    to.send(data).await.map_err(|error| failed(&error))?;
    let lost = || Failure::operation("bench", "a multicast did not come back");
    timeout(TIMEOUT, back).await.map_err(|_| lost())?.map_err(|_| lost())?;
    Ok(())
}
