use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::{
    FileError, PATIENCE,
    desk::{Farewell, say},
    leftovers,
    message::{Offer, Reply},
    part,
    quota::{Quota, Share},
    receive::{Coming, Line, ReceivedFile, Transfer},
};
use crate::{Challengers, Client, Delivery, Kind, SubscribeError, TopicKey, messages::Messages};

/// Most transfers that have ended and still answer their sender's last chunk.
const MAX_FAREWELLS: usize = 64;

/// Where files go, and which are taken. Anybody who may publish to the topic can use all of it up.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InboxOptions {
    /// An existing directory. A file that is there already is not replaced.
    ///
    /// Files on their way have hidden names there. One whose sender goes silent, or whose receiver dies, is kept to be
    /// resumed: at most 16, at most `max_total_bytes`, a week.
    pub directory: PathBuf,
    /// Longest file that is taken, in bytes.
    pub max_bytes: u64,
    /// Files at once; further ones are refused. Each takes memory for as many messages as a subscription queues.
    pub max_at_once: usize,
    /// Bytes that are taken in all, those of files that were given up and of those fetched again included.
    pub max_total_bytes: u64,
    /// Files that are taken in all.
    pub max_total_files: u64,
    /// How long a sender may send nothing of use before its file is given up.
    pub patience: Duration,
}

/// Receives files offered on a topic. Dropping it ends what is on its way and removes what has come of it; so does
/// [`close`](Self::close), which also waits for that.
#[derive(Debug)]
pub struct FileInbox {
    client: Client,
    offers: Messages,
    options: InboxOptions,
    quota: Arc<Quota>,
    /// By the name of their part; bounded by `max_at_once`.
    lines: HashMap<String, Weak<Line>>,
    open: JoinSet<Result<(ReceivedFile, Farewell), FileError>>,
    farewells: VecDeque<AbortOnDropHandle<()>>,
}

impl InboxOptions {
    /// Files of at most 1 GiB, 8 at once, 16 GiB and 10,000 files in all, from senders that are silent for at most 60 s.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            max_bytes: 1 << 30,
            max_at_once: 8,
            max_total_bytes: 16 << 30,
            max_total_files: 10_000,
            patience: PATIENCE,
        }
    }
}

impl Client {
    /// Subscribes a topic for files.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn receive_files(&self, topic: &str, options: InboxOptions) -> Result<FileInbox, SubscribeError> {
        let offers = Messages::Public(self.subscribe([topic]).await?);
        Ok(FileInbox::new(self, offers, options).await)
    }

    /// Subscribes a private topic for files: nobody without a key of the topic is offered them.
    ///
    /// # Errors
    /// As [`Client::subscribe_private`].
    pub async fn receive_private_files(
        &self,
        topic: &str,
        key: TopicKey,
        challengers: Challengers,
        options: InboxOptions,
    ) -> Result<FileInbox, SubscribeError> {
        let offers = Messages::Private(self.subscribe_private_for(topic, key, challengers).await?);
        Ok(FileInbox::new(self, offers, options).await)
    }
}

impl FileInbox {
    async fn new(client: &Client, offers: Messages, options: InboxOptions) -> Self {
        leftovers::tidy_later(&options.directory, options.max_total_bytes).await;
        let quota = Quota::new(options.max_total_bytes, options.max_total_files);
        Self {
            client: client.clone(),
            offers,
            options,
            quota,
            lines: HashMap::new(),
            open: JoinSet::new(),
            farewells: VecDeque::new(),
        }
    }

    /// The next file that came whole or was given up; `None` once the client is closed. Offers are taken while this is
    /// awaited. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<ReceivedFile, FileError>> {
        loop {
            tokio::select! {
                Some(ended) = self.open.join_next() => {
                    if let Ok(outcome) = ended {
                        return Some(self.end(outcome));
                    }
                }
                delivery = self.offers.next() => self.take_offer(delivery?),
            }
        }
    }

    /// The files on their way here that were accepted, in the order of their names. Cheap, and tells nothing anew to whoever sends.
    pub fn coming(&self) -> Vec<Coming> {
        let mut coming: Vec<_> =
            self.lines.values().filter_map(Weak::upgrade).filter_map(|line| line.coming()).collect();
        coming.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        coming
    }

    /// Ends what is on its way, removes what has come of it, and unsubscribes.
    pub async fn close(mut self) {
        self.open.shutdown().await;
    }

    fn end(&mut self, outcome: Result<(ReceivedFile, Farewell), FileError>) -> Result<ReceivedFile, FileError> {
        let (file, farewell) = outcome?;
        let farewell = AbortOnDropHandle::new(tokio::spawn(farewell.say()));
        self.farewells.retain(|farewell| !farewell.is_finished());
        if self.farewells.len() == MAX_FAREWELLS {
            self.farewells.pop_front();
        }
        self.farewells.push_back(farewell);
        Ok(file)
    }

    fn take_offer(&mut self, delivery: Delivery) {
        if delivery.kind != Kind::Unicast {
            return;
        }
        match self.judge(&delivery.data) {
            Ok((offer, share)) => {
                let line = Arc::new(Line::new(&offer));
                self.lines.retain(|_, line| line.strong_count() > 0);
                self.lines.insert(part::name(&offer), Arc::downgrade(&line));
                let transfer = Transfer { client: self.client.clone(), options: self.options.clone(), line };
                self.open.spawn(transfer.run(offer, share, delivery));
            }
            Err(refusal) => say(delivery, refusal.encode()),
        }
    }

    fn judge(&self, offer: &[u8]) -> Result<(Offer, Share), Reply> {
        let never = |reason: String| Reply::Refused { reason, again: false };
        let offer = Offer::decode(offer).map_err(|_| never("this topic takes files only, offered as agreed".into()))?;
        if !nuncio_plain::is_file_name(&offer.name) {
            return Err(never("its name is no plain file name".into()));
        }
        if offer.size > self.options.max_bytes {
            return Err(never(format!("it has {} bytes, over the limit of {}", offer.size, self.options.max_bytes)));
        }
        if self.options.directory.join(&offer.name).symlink_metadata().is_ok() {
            return Err(never(format!("{} is there already", offer.name)));
        }
        if let Some(line) = self.lines.get(&part::name(&offer)).and_then(Weak::upgrade) {
            line.yield_if_silent();
            return Err(Reply::Refused { reason: "it is on its way already".into(), again: true });
        }
        if self.open.len() >= self.options.max_at_once {
            return Err(Reply::Refused { reason: "too many files are on their way".into(), again: true });
        }
        let share = self.quota.share(offer.size).map_err(never)?;
        Ok((offer, share))
    }
}
