use std::{
    ops::{Index, IndexMut},
    sync::Arc,
};

use nuncio_identity::NodeId;

use crate::{hashed::HashMap, status_sync::Record};

/// This node's own place.
pub(super) const ME: Slot = Slot(0);

/// The number of a place; made here alone. Small, as a search of a thousand nodes reads more than ten thousand of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u16);

/// Where each known node stands.
///
/// Bound: one place per record and per link, so [`crate::MAX_NODES`] and the links; places are used again after removal.
#[derive(Debug)]
pub(super) struct Places {
    slots: HashMap<NodeId, Slot>,
    places: Vec<Place>,
    free: Vec<Slot>,
}

#[derive(Debug)]
struct Place {
    node: NodeId,
    record: Option<Arc<Record>>,
}

impl Places {
    pub(super) fn new(me: NodeId) -> Self {
        Self { slots: HashMap::from_iter([(me, ME)]), places: vec![Place { node: me, record: None }], free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn slot(&self, node: &NodeId) -> Option<Slot> {
        self.slots.get(node).copied()
    }

    pub(super) fn node(&self, slot: Slot) -> Option<NodeId> {
        self.places.get(slot.at()).map(|place| place.node)
    }

    /// A place for a node that has none; `None` if all are taken, which links and records without limits would need.
    pub(super) fn make(&mut self, node: NodeId) -> Option<Slot> {
        let place = Place { node, record: None };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot.at()] = place;
                slot
            }
            None => {
                let slot = Slot(u16::try_from(self.places.len()).ok()?);
                self.places.push(place);
                slot
            }
        };
        self.slots.insert(node, slot);
        Some(slot)
    }

    /// Gives a place back, unless it was given back before.
    pub(super) fn release(&mut self, slot: Slot) {
        if let Some(node) = self.node(slot).filter(|node| self.slots.get(node) == Some(&slot)) {
            self.slots.remove(&node);
            self.free.push(slot);
        }
    }

    pub(super) fn record(&self, slot: Slot) -> Option<&Arc<Record>> {
        self.places.get(slot.at())?.record.as_ref()
    }

    /// Sets a node's record; gives back the one before.
    pub(super) fn set_record(&mut self, slot: Slot, record: Option<Arc<Record>>) -> Option<Arc<Record>> {
        std::mem::replace(&mut self.places.get_mut(slot.at())?.record, record)
    }

    /// Whether the node at a place names another one as its neighbour.
    pub(super) fn names(&self, slot: Slot, node: &NodeId) -> bool {
        self.record(slot).is_some_and(|record| record.status.neighbours.contains(node))
    }
}

/// Something of every place. What was never set is as `absent`, also of places that were made later than the map.
#[derive(Debug)]
pub(super) struct Map<T> {
    values: Vec<T>,
    absent: T,
}

impl<T: Clone> Map<T> {
    pub(super) const fn new(absent: T) -> Self {
        Self { values: Vec::new(), absent }
    }

    /// Of how many places there is something.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// All that were ever set.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Slot, &mut T)> {
        self.values.iter_mut().enumerate().map(|(at, value)| (Slot(at as u16), value))
    }
}

impl<T> Index<Slot> for Map<T> {
    type Output = T;

    fn index(&self, slot: Slot) -> &T {
        self.values.get(slot.at()).unwrap_or(&self.absent)
    }
}

impl<T: Clone> IndexMut<Slot> for Map<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        if slot.at() >= self.values.len() {
            self.values.resize(slot.at() + 1, self.absent.clone());
        }
        &mut self.values[slot.at()]
    }
}

impl Slot {
    const fn at(self) -> usize {
        self.0 as usize
    }
}
