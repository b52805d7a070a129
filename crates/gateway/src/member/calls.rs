//! The calls of a client, in numbers.

use nuncio_metrics::QuotaRefusal;

use super::Member;

impl Member {
    /// A call is answered, or will be.
    pub(crate) fn note_call(&self) {
        self.door.clients.counters().calls.increment();
    }

    /// A call was one too many.
    pub(crate) fn refuse_call(&self) {
        let counters = self.door.clients.counters();
        counters.calls_refused.increment();
        counters.refused.quota.increment(QuotaRefusal::Calls);
        self.door.audit.over_quota(&self.subject, QuotaRefusal::Calls);
    }
}
