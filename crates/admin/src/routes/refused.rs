//! The last refusals, for who comes to look after they were.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nuncio_audit::{Audit, Event, Recorded};
use nuncio_metrics::{Cause, QuotaRefusal};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::api::Refusal;

/// Refusals that are kept; further ones displace the oldest.
pub(crate) const KEPT: usize = 64;

/// The last ones; cheap to clone.
///
/// Bound: [`KEPT`], each of a few texts of [`nuncio_audit::Text::MAX`] characters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused(Arc<Mutex<VecDeque<Arc<Recorded>>>>);

impl Refused {
    /// The newest first.
    pub(crate) fn last(&self) -> Vec<Refusal> {
        let kept: Vec<_> = self.kept().iter().rev().cloned().collect();
        kept.iter().filter_map(|recorded| refusal(recorded)).collect()
    }

    /// Keeps what is refused from now on, until `shutdown`.
    pub(crate) fn follow(self, audit: Audit, shutdown: CancellationToken) -> impl Future<Output = ()> {
        // From now on, not from the first poll.
        let events = audit.follow();
        self.keep_all(events, shutdown)
    }

    async fn keep_all(self, mut events: Receiver<Arc<Recorded>>, shutdown: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                next = events.recv() => next,
            };
            match next {
                Ok(recorded) => self.keep(recorded),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn keep(&self, recorded: Arc<Recorded>) {
        if refusal(&recorded).is_none() {
            return;
        }
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(recorded);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Recorded>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is one: `None` for all else that is judged.
fn refusal(Recorded { time, event, .. }: &Recorded) -> Option<Refusal> {
    let (who, cause) = match event {
        Event::NodeRefused { address, node, cause, .. } => {
            (node.map_or_else(|| address.to_string(), |node| node.0.to_string()), cause)
        }
        Event::NodeExpelled { node, cause, .. }
        | Event::NodeBanned { node, cause, .. }
        | Event::ListRefused { peer: node, cause, .. }
        | Event::MessageDenied { node, cause, .. }
        | Event::CertificateNotIssued { node, cause, .. } => (node.0.to_string(), cause),
        // Health checks open and close.
        Event::SdkRefused { noise: true, .. } => return None,
        Event::SdkRefused { address, cause, .. }
        | Event::EnrolmentRefused { address, cause, .. }
        | Event::OperatorRefused { address, cause, .. } => (address.to_string(), cause),
        Event::SdkExpelled { subject, cause, .. }
        | Event::PublishDenied { subject, cause, .. }
        | Event::SubscriptionDenied { subject, cause, .. } => (subject.to_string(), cause),
        Event::OverQuota { refused, subject, messages } => {
            let what = if refused.0 == Cause::Quota(QuotaRefusal::Calls) { "calls" } else { "messages" };
            return Some(told(*time, event, subject.to_string(), format!("{messages} {what} over a quota")));
        }
        _ => return None,
    };
    Some(told(*time, event, who, cause.to_string()))
}

fn told(time: jiff::Timestamp, event: &Event, who: String, cause: String) -> Refusal {
    let (door, counted_as) = event.refused().map(|refused| (refused.0.door(), refused.0.word())).unwrap_or_default();
    let [kind, door, counted_as] = [event.kind().as_str(), door, counted_as].map(str::to_owned);
    Refusal { time: time.to_string(), kind, door, counted_as, who, cause }
}

#[cfg(test)]
mod tests {
    use nuncio_metrics::SdkRefusal;

    use super::*;

    #[tokio::test]
    async fn the_last_refusals_are_kept_and_no_more_than_that() {
        let (refused, audit, shutdown) = (Refused::default(), Audit::default(), CancellationToken::new());
        let keeper = refused.clone();
        let mut events = audit.follow();
        for number in 0..KEPT + 10 {
            let (refused, subject) = (Cause::Quota(QuotaRefusal::Publish).into(), format!("CN={number}").into());
            audit.record(Event::OverQuota { refused, subject, messages: 2 });
            audit.record(Event::Stopped);
            let refused = Cause::Sdk(SdkRefusal::HungUp).into();
            audit.record(Event::SdkRefused {
                refused,
                address: "a".into(),
                cause: "".into(),
                hint: "".into(),
                noise: true,
            });
        }
        let mut first = None;
        while let Ok(recorded) = events.try_recv() {
            first.get_or_insert_with(|| Arc::clone(&recorded));
            keeper.keep(recorded);
        }
        let last = refused.last();
        assert!(!last.is_empty() && last.len() <= KEPT, "{}", last.len());
        // However many of them the audit's own pace lets through.
        let first = first.expect("a refusal");
        (0..KEPT + 10).for_each(|_| keeper.keep(Arc::clone(&first)));
        let last = refused.last();
        assert_eq!(last.len(), KEPT);
        assert!(last.iter().all(|one| one.kind == "over_quota" && one.cause == "2 messages over a quota"));
        assert!(last.iter().all(|one| (&*one.door, &*one.counted_as) == ("quota", "publish")));
        shutdown.cancel();
        refused.follow(audit, shutdown).await;
    }
}
