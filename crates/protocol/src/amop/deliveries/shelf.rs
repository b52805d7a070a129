/// Things that stay where they are put until they are taken, each found by its place at once.
///
/// Bound: the owner's; it keeps as many places as it held things at once.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    places: Vec<Option<(u64, Box<T>)>>,
    free: Vec<u32>,
    /// How many things were put here.
    count: u64,
}

/// Where something is, or was: no two have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    count: u64,
    index: u32,
}

impl<T> Shelf<T> {
    pub(super) fn put(&mut self, thing: T) -> Place {
        self.count += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("whoever puts things here has bounds")
        });
        self.places[index as usize] = Some((self.count, Box::new(thing)));
        Place { count: self.count, index }
    }

    pub(super) fn get(&self, place: Place) -> Option<&T> {
        let (count, thing) = self.places.get(place.index as usize)?.as_ref()?;
        (*count == place.count).then_some(thing)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        let (count, thing) = self.places.get_mut(place.index as usize)?.as_mut()?;
        (*count == place.count).then_some(thing)
    }

    pub(super) fn take(&mut self, place: Place) -> Option<T> {
        let taken = self.places.get_mut(place.index as usize)?.take_if(|(count, _)| *count == place.count);
        let (_, thing) = taken?;
        self.free.push(place.index);
        if self.free.len() == self.places.len() {
            (self.places, self.free) = (Vec::new(), Vec::new());
        }
        Some(*thing)
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), count: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_until_it_is_taken_and_never_stands_for_what_came_after() {
        let mut shelf = Shelf::default();
        let [first, second] = ["first", "second"].map(|thing| shelf.put(thing));
        assert_eq!((shelf.take(first), shelf.take(first)), (Some("first"), None));
        let third = shelf.put("third");
        assert_eq!((shelf.get(first), shelf.get(third), shelf.get(second)), (None, Some(&"third"), Some(&"second")));
        assert_eq!(shelf.take(first), None);
        assert_eq!(shelf.places.len(), 2, "the first one's place is used again");
        assert!(shelf.take(second).is_some() && shelf.take(third).is_some());
        assert!(shelf.places.is_empty() && shelf.free.is_empty(), "nothing is kept for what was");
        let fourth = shelf.put("fourth");
        assert_eq!(shelf.get(first), None);
        assert_eq!(shelf.get_mut(fourth), Some(&mut "fourth"));
    }
}
