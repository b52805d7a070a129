use std::sync::Arc;

use nuncio_bounds::SharedBytes;

/// What one origin has here that came before its turn, to all topics and in all priorities.
///
/// Bound: a share of the room of all; as many bytes as leave as many free.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<SharedBytes>,
    held: usize,
}

impl Room {
    pub(super) const fn in_all(all: Arc<SharedBytes>) -> Self {
        Self { all, held: 0 }
    }

    /// Takes so many bytes, if there is room for them.
    pub(super) fn take(&mut self, bytes: usize) -> bool {
        let has_room = self.all.take(self.held, bytes);
        if has_room {
            self.held += bytes;
        }
        has_room
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.held -= bytes;
        self.all.give_back(bytes);
    }
}
