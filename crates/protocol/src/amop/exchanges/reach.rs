use bytes::Bytes;

use super::super::{
    ClientId, ClientOutput, Payer, PublishSeq, ResultCode, deliveries::Deliveries, private::Private, quotas::Quotas,
    subscriptions::Subscriptions,
};
use crate::{Output, Priority, Topic};

/// What an exchange looks at, and works through.
pub(in crate::amop) struct Reach<'a> {
    pub(in crate::amop) subscriptions: &'a Subscriptions,
    pub(in crate::amop) private: &'a Private,
    pub(in crate::amop) deliveries: &'a mut Deliveries,
    pub(in crate::amop) quotas: &'a mut Quotas,
}

/// What a client publishes.
#[derive(Debug)]
pub(in crate::amop) struct Publish {
    pub(in crate::amop) client: ClientId,
    pub(in crate::amop) payer: Payer,
    pub(in crate::amop) seq: PublishSeq,
    pub(in crate::amop) priority: Priority,
    pub(in crate::amop) topic: Topic,
    pub(in crate::amop) data: Bytes,
}

impl Publish {
    /// The reply to what is not even tried.
    pub(in crate::amop) fn refused(self, code: ResultCode) -> Output {
        let Self { client, seq, topic, .. } = self;
        Output::Client(ClientOutput::Reply { client, seq, code, topic, data: Bytes::new() })
    }
}
