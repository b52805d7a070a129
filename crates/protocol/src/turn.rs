use std::time::Instant;

use crate::{outbox::Outbox, routing::Routing};

/// What a machine works with while it takes one input.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) routing: &'a mut Routing,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) now: Instant,
}
