use prometheus_client::{
    encoding::{EncodeMetric, text},
    registry::Registry,
};

/// A registry that can tell what is in it.
#[derive(Debug, Default)]
pub struct Book {
    registry: Registry,
    entries: Vec<Entry>,
}

/// A metric, as the page of the book tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name as queries write it; a histogram's without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What it tells.
    pub help: &'static str,
    /// What it is told by.
    pub labels: Vec<Labelled>,
}

impl Entry {
    /// The names of its series.
    pub fn series(&self) -> Vec<String> {
        match self.kind {
            "histogram" => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", self.name)).into(),
            _ => vec![self.name.clone()],
        }
    }
}

/// A label of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its name.
    pub key: &'static str,
    /// Its values, or what bounds them.
    pub values: String,
}

/// What can be registered.
pub trait Described: EncodeMetric + Clone + std::fmt::Debug + Send + Sync + 'static {
    /// `counter`, `gauge` or `histogram`.
    const KIND: &'static str;

    /// The same of this one.
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    /// What it is told by; nothing, unless it says so.
    fn labels(&self) -> Vec<Labelled> {
        Vec::new()
    }
}

impl Book {
    /// Registers a metric under its whole name, without the `_total` of a counter.
    pub fn add<M: Described>(&mut self, name: &'static str, help: &'static str, metric: M) -> M {
        let help = help.trim_end_matches('.');
        self.registry.register(name, help, metric.clone());
        let (kind, labels) = (metric.kind(), metric.labels());
        self.note(Entry {
            name: if kind == "counter" { format!("{name}_total") } else { name.to_owned() },
            kind,
            help,
            labels,
        });
        metric
    }

    /// The registry, for metrics that others make; each is to be told of by [`Book::note`], too.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// Tells of a metric that is in the registry.
    pub fn note(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        entries
    }
}

/// A group of metrics: what documents a field is also the metric's help.
macro_rules! metrics {
    (
        $(#[$meta:meta])+
        $group:ident { $($(#[doc = $help:literal])+ $field:ident: $kind:ty = $name:literal $(($make:expr))?,)+ }
    ) => {
        $(#[$meta])+
        #[derive(Debug, Clone)]
        pub struct $group {
            $($(#[doc = $help])+ pub $field: $kind,)+
        }

        impl $group {
            /// All at zero, and in a book.
            pub fn registered(book: &mut $crate::Book) -> Self {
                Self {
                    $($field: book.add(
                        $name,
                        concat!($($help),+).trim_ascii(),
                        crate::book::made!($kind $(, $make)?),
                    ),)+
                }
            }
        }
    };
}
pub(crate) use metrics;

macro_rules! made {
    ($kind:ty) => {
        <$kind>::default()
    };
    ($kind:ty, $make:expr) => {
        $make
    };
}
pub(crate) use made;
