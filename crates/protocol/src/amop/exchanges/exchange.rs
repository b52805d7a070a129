use std::time::Instant;

use bytes::Bytes;
use nuncio_identity::NodeId;

use super::{
    super::{
        ClientId, ClientOutput, DeliveryId, Payer, PublishSeq, ResultCode, deliveries::Deliveries, private::Subscriber,
    },
    attempt::{Attempt, Candidate, Fate, Present},
    reach::Publish,
};
use crate::{Output, Priority, Topic};

/// Most attempts at one message.
const MAX_ATTEMPTS: usize = 256;

/// One publish to one subscriber.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: ClientId,
    pub(super) payer: Payer,
    pub(super) seq: PublishSeq,
    pub(super) priority: Priority,
    pub(super) topic: Topic,
    pub(super) data: Bytes,
    pub(super) deadline: Instant,
    pub(super) attempts: Vec<Attempt>,
    pub(super) present: Option<Present>,
    /// Nodes without another session to try, or without a way to them.
    pub(super) given_up: Vec<NodeId>,
    pub(super) fate: Fate,
    /// Nothing more may be sent for it.
    pub(super) is_over_limit: bool,
    /// For how many attempts room was taken.
    pub(super) paid: usize,
}

impl Exchange {
    pub(super) fn new(Publish { client, payer, seq, priority, topic, data }: Publish, deadline: Instant) -> Self {
        Self {
            client,
            payer,
            seq,
            priority,
            topic,
            data,
            deadline,
            attempts: Vec::new(),
            present: None,
            given_up: Vec::new(),
            fate: Fate::Unseen,
            is_over_limit: false,
            paid: 0,
        }
    }

    pub(super) fn can_try(&self, now: Instant) -> bool {
        now < self.deadline && !self.is_over_limit && self.attempts.len() < MAX_ATTEMPTS
    }

    /// Whether the answer of any attempt may still come.
    pub(super) fn is_awaited(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.is_open)
    }

    /// When something is to be done next.
    pub(super) fn wake(&self) -> Instant {
        let steps = self.present.map(|present| present.again_at.map_or(present.until, |at| at.min(present.until)));
        steps.map_or(self.deadline, |at| at.min(self.deadline))
    }

    pub(super) fn at_number(&self, number: u64) -> Option<usize> {
        self.attempts.iter().position(|attempt| attempt.delivery.is_none() && attempt.number == number)
    }

    pub(super) fn at_delivery(&self, delivery: DeliveryId) -> Option<usize> {
        self.attempts.iter().position(|attempt| attempt.delivery == Some(delivery))
    }

    /// Nothing more comes of an attempt; says whether others waited for it.
    pub(super) fn close(&mut self, index: usize, fate: Fate) -> bool {
        self.attempts[index].is_open = false;
        self.fate = self.fate.max(fate);
        let was_present = self.present.is_some_and(|present| present.index == index);
        if was_present {
            self.present = None;
        }
        was_present
    }

    pub(super) fn has_tried(&self, client: ClientId) -> bool {
        self.attempts.iter().any(|attempt| attempt.candidate == Candidate::Client(client))
    }

    pub(super) fn has_tried_session(&self, session: &Subscriber) -> bool {
        let is_it = |attempt: &Attempt| matches!(attempt.candidate, Candidate::Session(_, tried) if tried == *session);
        self.attempts.iter().any(is_it)
    }

    pub(super) fn times_tried(&self, node: &NodeId) -> usize {
        self.attempts.iter().filter(|attempt| attempt.candidate == Candidate::Node(*node)).count()
    }

    /// Takes its deliveries back: a late acknowledgement finds nothing.
    pub(super) fn withdraw(&self, deliveries: &mut Deliveries) {
        for delivery in self.attempts.iter().filter_map(|attempt| attempt.delivery) {
            deliveries.withdraw(delivery);
        }
    }

    pub(super) fn reply(self, code: ResultCode, data: Bytes) -> Output {
        let Self { client, seq, topic, .. } = self;
        Output::Client(ClientOutput::Reply { client, seq, code, topic, data })
    }

    /// The reply's code when nobody answered.
    pub(super) const fn code(&self) -> ResultCode {
        match self.fate {
            Fate::Unseen if self.is_over_limit => ResultCode::OVER_LIMIT,
            Fate::Unseen => ResultCode::NO_SUBSCRIBER,
            Fate::OverLimit => ResultCode::OVER_LIMIT,
            Fate::Denied => ResultCode::DENIED,
            Fate::Gone => ResultCode::SUBSCRIBER_GONE,
            Fate::Silent => ResultCode::TIMEOUT,
        }
    }
}
