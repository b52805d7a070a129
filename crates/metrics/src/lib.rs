//! What a node counts, in one registry for Prometheus.
//!
//! Each group of numbers is a struct whose fields name the metric, what it counts and its labels; [`Metrics::catalog`] tells
//! all of them, and the page of the book is written from it. Counting is an atomic addition: no lock, nothing allocated. Labels
//! are enums, so that no remote can invent their values; the few tables whose rows stand for things of the network say
//! what bounds them.
//!
//! ```
//! use nuncio_metrics::{CallKind, Metrics};
//!
//! let metrics = Metrics::new();
//! metrics.unicast.taken.add(CallKind::Application, 1);
//! assert!(metrics.encode().contains("nuncio_unicast_taken_total{kind=\"application\"} 1\n"));
//! ```

mod book;
mod groups;
mod histogram;
mod label;
mod number;
mod process;
mod table;

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, PoisonError, RwLock},
};

pub use book::{Book, Described, Entry, Labelled};
pub use groups::{
    AdminRefusal, Amop, CallKind, CastKind, Cause, Core, Direction, DropCause, EnrolmentRefusal, FileRefusal, Files,
    GateRefusal, Gossip, GossipOutcome, IssuerRefusal, Lane, LinkRefusal, Links, ListRefusal, MessageKind, NodeTables,
    NodeWork, PeerClass, PublishEnd, PublishKind, PublishResult, QuotaRefusal, Reachability, Refusals, Relayed,
    RightsRefusal, SdkRefusal, Served, Stream, TraceReport, UnicastCalls, UnicastEnd,
};
pub use histogram::{Histogram, HistogramBy};
pub use label::Label;
pub use number::{Counter, CounterBy, Gauge};
pub use process::Process;
pub use prometheus_client::registry::Registry;
pub use table::{Row, Table};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that a node counts. Cheap to clone: all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Groups>);

/// What [`Metrics`] shares.
#[derive(Debug)]
pub struct Groups {
    /// What goes over links.
    pub links: Links,
    /// Who and what is refused at every door.
    pub refused: Refusals,
    /// Requests of this node and to it.
    pub unicast: UnicastCalls,
    /// What SDKs publish.
    pub amop: Amop,
    /// Files that other nodes send.
    pub files: Files,
    /// Gossip.
    pub gossip: Gossip,
    /// What the core knows.
    pub core: Core,
    /// What the node's task and its applications do.
    pub node: NodeWork,
    /// What is read when somebody asks.
    pub tables: NodeTables,
    process: Process,
    book: RwLock<Book>,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut book = Book::default();
        let links = Links::registered(&mut book);
        Self(Arc::new(Groups {
            refused: Refusals::registered(&mut book, &links.refused),
            links,
            unicast: UnicastCalls::registered(&mut book),
            amop: Amop::registered(&mut book),
            files: Files::registered(&mut book),
            gossip: Gossip::registered(&mut book),
            core: Core::registered(&mut book),
            node: NodeWork::registered(&mut book),
            tables: NodeTables::registered(&mut book),
            process: Process::registered(&mut book),
            book: RwLock::new(book),
        }))
    }

    /// Adds metrics that others define.
    pub fn extend<R>(&self, with: impl FnOnce(&mut Book) -> R) -> R {
        with(&mut self.book.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// All of them now, in `OpenMetrics`' text format.
    pub fn encode(&self) -> String {
        self.process.read();
        self.book.read().unwrap_or_else(PoisonError::into_inner).encode()
    }

    /// Every metric that there is, by name.
    pub fn catalog(&self) -> Vec<Entry> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).entries()
    }
}

impl Deref for Metrics {
    type Target = Groups;

    fn deref(&self) -> &Groups {
        &self.0
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
