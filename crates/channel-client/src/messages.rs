//! Messages of a subscription, whatever its kind.

use crate::{Delivery, PrivateSubscription, Subscription};

#[derive(Debug)]
pub(crate) enum Messages {
    Public(Subscription),
    Private(PrivateSubscription),
}

impl Messages {
    /// The next message; `None` once the client is closed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        match self {
            Self::Public(subscription) => subscription.next().await,
            Self::Private(subscription) => subscription.next().await,
        }
    }
}
