//! What applications here say to many.

use std::time::Instant;

use bytes::Bytes;

use super::Overlay;
use crate::{
    Priority, Topic,
    multicast::{Publication, PublishRefusal},
};

impl Overlay {
    /// Sends a message to every node that subscribes a topic, or, without one, to every node. It leaves with the next
    /// [`Overlay::flush`], together with all that is published until then.
    ///
    /// # Errors
    /// When too much waits already, or there is no room on the links to any of them.
    pub fn publish(&mut self, topic: Option<&Topic>, body: Bytes, now: Instant) -> Result<Publication, PublishRefusal> {
        self.publish_as(Priority::default(), topic, body, now)
    }

    /// The same of a message that is so urgent. What is over this node's budget of that goes as normal.
    ///
    /// # Errors
    /// As [`Overlay::publish`].
    pub fn publish_as(
        &mut self,
        priority: Priority,
        topic: Option<&Topic>,
        body: Bytes,
        now: Instant,
    ) -> Result<Publication, PublishRefusal> {
        self.with_multicast(now, |multicast, turn| multicast.publish(topic, (body, priority), turn))
    }

    /// Takes back what was published last, where nothing has carried it anywhere and whoever published it is told so: nobody
    /// shall miss its number, nor get the message by a question for that and, sent again, by another.
    pub fn take_back(&mut self, topic: Option<&Topic>, publication: &Publication) {
        self.multicast.take_back(topic, publication);
    }

    /// Whether something was published since the last [`Overlay::flush`].
    pub const fn has_published(&self) -> bool {
        self.multicast.has_published()
    }

    /// Sends what was published.
    pub fn flush(&mut self, now: Instant) {
        self.with_multicast(now, |multicast, turn| multicast.flush(turn));
    }
}
