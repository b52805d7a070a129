//! How urgent a message is.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use nuncio_bounds::Bound;
use nuncio_identity::NodeId;

use crate::{
    gate::{Bucket, Rate},
    hashed::HashMap,
};

/// How urgent a message is, as its application says. Messages of one priority stay in the order in which they were sent; those
/// of different ones overtake each other.
///
/// It holds for messages of up to [`crate::LARGE_BODY`] bytes: longer ones stand behind nobody's short ones anyway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Little and at once. Whoever sends much of it sends the rest as [`Priority::Normal`].
    Control,
    /// Before what is normal, likewise up to a budget.
    High,
    /// What nobody says anything about.
    #[default]
    Normal,
    /// Much, and not now: it waits for nobody else's turn, and nobody waits for it.
    Bulk,
}

/// Bytes that this node's applications may send as urgent, and as many its clients.
const OWN: Budget = Budget { control: per_second(256 << 10), high: per_second(4 << 20) };

/// Bytes that one client may: a fourth of all clients'.
const CLIENT: Budget = Budget { control: per_second(64 << 10), high: per_second(1 << 20) };

/// Bytes that are urgent here of one other node, what it asks and what it is answered: more than an honest one sends.
const OTHERS: Budget = Budget { control: per_second(1 << 20), high: per_second(16 << 20) };

/// The same of all that one neighbour brings of others: as much as so many of them may have. When there are more, each has a share.
const BROUGHT: Budget = Budget { control: per_second(BROUGHT_BY << 20), high: per_second((BROUGHT_BY * 16) << 20) };
const BROUGHT_BY: usize = 4;

/// How soon those are forgotten of which nothing came lately.
const TIDY: Duration = Duration::from_secs(1);

/// What a message costs besides its content.
const OVERHEAD: usize = 256;

/// Most nodes of which something urgent came, and most of which one neighbour brought some; beyond, those of which nothing came
/// lately are forgotten.
const MAX_ENTRIES: usize = 1024;
const MAX_BROUGHT: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Budget {
    control: Rate,
    high: Rate,
}

#[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
const fn per_second(bytes: usize) -> Rate {
    Rate { per_second: bytes as f64, burst: bytes as f64 }
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Control, Self::High, Self::Normal, Self::Bulk];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Bulk => "bulk",
        }
    }

    /// Its number where clients write one, 1 to 4: as it stands in [`Self::ALL`].
    pub const fn number(self) -> u8 {
        match self {
            Self::Control => 1,
            Self::High => 2,
            Self::Normal => 3,
            Self::Bulk => 4,
        }
    }

    /// Whether it goes before what is normal.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Control | Self::High)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Priority {
    type Err = UnknownPriority;

    fn from_str(text: &str) -> Result<Self, UnknownPriority> {
        Self::ALL.into_iter().find(|priority| priority.name() == text).ok_or(UnknownPriority)
    }
}

impl TryFrom<u8> for Priority {
    type Error = UnknownPriority;

    /// Reads what [`Self::number`] has written.
    fn try_from(number: u8) -> Result<Self, UnknownPriority> {
        Self::ALL.into_iter().find(|priority| priority.number() == number).ok_or(UnknownPriority)
    }
}

/// No priority has this name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a priority is control, high, normal or bulk")]
pub struct UnknownPriority;

/// How much of each node is urgent: a node that names everything so gains nothing by it, and takes nothing from others. On its way
/// nobody has proved whose a message is, so there it counts for whoever brought it, and for its source with that neighbour: one that
/// names others as sources uses up nothing of what comes of them another way, and gains nothing by naming many.
///
/// Bound: `MAX_ENTRIES`, and `MAX_BROUGHT` for each neighbour; what comes of further ones is normal.
#[derive(Debug, Default)]
pub struct Urgency {
    own: Option<Allowance>,
    clients: Option<Allowance>,
    /// By source, where it has proved itself.
    others: HashMap<NodeId, Allowance>,
    neighbours: HashMap<NodeId, Neighbour>,
}

/// What one neighbour may still bring of others, and of each of them.
#[derive(Debug)]
struct Neighbour {
    all: Allowance,
    sources: HashMap<NodeId, Allowance>,
    /// When those were forgotten last of which nothing came lately.
    tidied: Instant,
}

#[derive(Debug)]
struct Allowance {
    control: Bucket,
    high: Bucket,
}

impl Urgency {
    /// Of a node that takes messages for itself only.
    pub fn bound() -> Bound {
        Self::allowances("nodes of which something urgent came", MAX_ENTRIES)
    }

    pub(crate) fn bounds(links: usize) -> [Bound; 2] {
        let of = Self::allowances;
        let neighbour = Bound::of_entries::<(NodeId, Neighbour)>("", 1, 0, "").bytes;
        let brought = of("nodes of which a neighbour brought something urgent", MAX_BROUGHT);
        let brought = Bound { bytes: brought.bytes + neighbour, ..brought };
        [Self::bound(), brought.per("link", links)]
    }

    fn allowances(what: &'static str, entries: usize) -> Bound {
        let when_full = "those of which nothing came lately are forgotten, else it is not urgent";
        Bound::of_entries::<(NodeId, Allowance)>(what, entries, 0, when_full)
    }

    /// What a message of so many bytes of this node itself is sent as.
    pub(crate) fn of_own(&mut self, priority: Priority, bytes: usize, now: Instant) -> Priority {
        if !priority.is_urgent() {
            return priority;
        }
        self.own.get_or_insert_with(|| Allowance::new(OWN, now)).take(priority, bytes, OWN, now)
    }

    /// Whether it could be sent as that; nothing is taken.
    pub(crate) fn has_own(&self, priority: Priority, bytes: usize, now: Instant) -> bool {
        !priority.is_urgent() || self.own.as_ref().is_none_or(|own| own.has(priority, bytes, OWN, now))
    }

    /// The same of a message of one of its clients.
    pub(crate) fn of_clients(&mut self, priority: Priority, bytes: usize, now: Instant) -> Priority {
        if !priority.is_urgent() {
            return priority;
        }
        self.clients.get_or_insert_with(|| Allowance::new(OWN, now)).take(priority, bytes, OWN, now)
    }

    /// The same of a message that another node sent, or is sent because it asked.
    pub(crate) fn of(&mut self, node: &NodeId, priority: Priority, bytes: usize, now: Instant) -> Priority {
        if priority.is_urgent() {
            take_of(&mut self.others, (MAX_ENTRIES, OTHERS), *node, (priority, bytes), now)
        } else {
            priority
        }
    }

    /// The same of messages of these lengths that came together.
    pub fn of_many(
        &mut self,
        node: &NodeId,
        priority: Priority,
        lengths: impl IntoIterator<Item = usize>,
        now: Instant,
    ) -> Priority {
        let bytes: usize = lengths.into_iter().map(|length| length + OVERHEAD).sum();
        self.of(node, priority, bytes.saturating_sub(OVERHEAD), now)
    }

    /// The same of a message on its way: of its source, and of the neighbour that brought it.
    pub(crate) fn of_brought(
        &mut self,
        (source, neighbour): (NodeId, NodeId),
        priority: Priority,
        bytes: usize,
        now: Instant,
    ) -> Priority {
        if source == neighbour || !priority.is_urgent() {
            return self.of(&source, priority, bytes, now);
        }
        let fresh = || Neighbour { all: Allowance::new(BROUGHT, now), sources: HashMap::default(), tidied: now };
        let Neighbour { all, sources, tidied } = self.neighbours.entry(neighbour).or_insert_with(fresh);
        let share = |sources: usize| OTHERS.of_each(BROUGHT_BY.min(sources), sources);
        if now.saturating_duration_since(*tidied) >= TIDY {
            let share = share(sources.len());
            sources.retain(|_, allowance| !allowance.is_full(share, now));
            *tidied = now;
        }
        let known = sources.len() + usize::from(!sources.contains_key(&source));
        let priority = take_of(sources, (MAX_BROUGHT, share(known)), source, (priority, bytes), now);
        if priority.is_urgent() { all.take(priority, bytes, BROUGHT, now) } else { priority }
    }

    /// A link has ended, and another one takes longer to begin than what its neighbour may bring takes to come back.
    pub(crate) fn handle_link_down(&mut self, peer: &NodeId) {
        self.neighbours.remove(peer);
    }
}

fn take_of(
    nodes: &mut HashMap<NodeId, Allowance>,
    (most, budget): (usize, Budget),
    node: NodeId,
    (priority, bytes): (Priority, usize),
    now: Instant,
) -> Priority {
    if nodes.len() >= most && !nodes.contains_key(&node) {
        nodes.retain(|_, allowance| !allowance.is_full(budget, now));
        if nodes.len() >= most {
            return Priority::Normal;
        }
    }
    nodes.entry(node).or_insert_with(|| Allowance::new(budget, now)).take(priority, bytes, budget, now)
}

/// How much of what one client of a node publishes is urgent. What its node lets all its clients have counts besides.
#[derive(Debug, Default)]
pub struct Urgent(Option<Allowance>);

impl Urgent {
    /// As what a message of so many bytes goes that is to be so urgent.
    pub fn take(&mut self, priority: Priority, bytes: usize, now: Instant) -> Priority {
        if !priority.is_urgent() {
            return priority;
        }
        self.0.get_or_insert_with(|| Allowance::new(CLIENT, now)).take(priority, bytes, CLIENT, now)
    }

    /// Whether nothing is lost when it is forgotten.
    pub fn is_full(&self, now: Instant) -> bool {
        self.0.as_ref().is_none_or(|allowance| allowance.is_full(CLIENT, now))
    }
}

impl Allowance {
    fn new(budget: Budget, now: Instant) -> Self {
        Self { control: Bucket::new(budget.control, now), high: Bucket::new(budget.high, now) }
    }

    fn is_full(&self, budget: Budget, now: Instant) -> bool {
        self.control.is_full(budget.control, now) && self.high.is_full(budget.high, now)
    }

    fn take(&mut self, priority: Priority, bytes: usize, budget: Budget, now: Instant) -> Priority {
        let bucket = if priority == Priority::Control { &mut self.control } else { &mut self.high };
        if bucket.take(cost(bytes), budget.of(priority), now) { priority } else { Priority::Normal }
    }

    fn has(&self, priority: Priority, bytes: usize, budget: Budget, now: Instant) -> bool {
        let bucket = if priority == Priority::Control { &self.control } else { &self.high };
        bucket.has(cost(bytes), budget.of(priority), now)
    }
}

impl Budget {
    /// What each of so many has where there is as much as for `enough`.
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn of_each(self, enough: usize, sharing: usize) -> Self {
        let factor = enough.max(1) as f64 / sharing.max(1) as f64;
        Self { control: self.control.parted(factor), high: self.high.parted(factor) }
    }

    const fn of(&self, priority: Priority) -> Rate {
        match priority {
            Priority::Control => self.control,
            _ => self.high,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a message is shorter than 2^53 bytes")]
const fn cost(bytes: usize) -> f64 {
    (bytes + OVERHEAD) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_testkit::simulator::node_id;

    use super::*;

    #[test]
    fn beyond_its_budget_what_a_node_names_urgent_is_normal_and_others_have_theirs() {
        let (mut urgency, now) = (Urgency::default(), Instant::now());
        let granted = |urgency: &mut Urgency, node, now| {
            let control = |_: &usize| urgency.of(&node_id(node), Priority::Control, 768, now) == Priority::Control;
            (0..10_000).filter(control).count()
        };
        assert_eq!(granted(&mut urgency, 1, now), 1 << 10, "a mebibyte");
        assert_eq!(urgency.of(&node_id(1), Priority::High, 768, now), Priority::High, "that is another budget");
        assert_eq!(granted(&mut urgency, 2, now), 1 << 10);
        assert_eq!(granted(&mut urgency, 1, now + Duration::from_millis(500)), 1 << 9);
        assert_eq!(urgency.of(&node_id(1), Priority::Bulk, 1 << 30, now), Priority::Bulk, "nobody counts those");
    }

    #[test]
    fn nodes_without_number_take_a_bounded_room() {
        let (mut urgency, now) = (Urgency::default(), Instant::now());
        for node in 0..2 * MAX_ENTRIES {
            let granted = urgency.of(&node_id(node), Priority::Control, 0, now);
            assert_eq!(granted == Priority::Control, node < MAX_ENTRIES, "node {node}");
        }
        assert_eq!(urgency.others.len(), MAX_ENTRIES);
        let later = now + Duration::from_secs(2);
        assert_eq!(urgency.of(&node_id(2 * MAX_ENTRIES), Priority::Control, 0, later), Priority::Control);
        assert_eq!(urgency.others.len(), 1, "the others are forgotten");
    }
}
