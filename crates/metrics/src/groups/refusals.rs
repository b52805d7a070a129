//! Who and what is refused at every door, and why, in one metric.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{Direction, FileRefusal, LinkRefusal};
use crate::{Book, CounterBy, Described, Label, Labelled, label::labels};

labels! {
    /// Which rule of the gate a peer broke.
    GateRefusal by ["cause"] {
        /// Bytes that are no message.
        Malformed = ["malformed"],
        /// A signature or seal does not hold.
        Forged = ["forged"],
        /// A message of a node whose certificate it cannot show.
        Uncertified = ["uncertified"],
        /// A message for nobody.
        Misdirected = ["misdirected"],
        /// The same again and again.
        Replayed = ["replayed"],
        /// More than its budget.
        Overspent = ["overspent"],
        /// A record that it does not have.
        EmptyPromise = ["empty-promise"],
        /// More changes than a node may make.
        Restless = ["restless"],
        /// Two statuses with one version.
        Equivocation = ["equivocation"],
        /// Two messages with one number.
        Renumbered = ["renumbered"],
    }
}

labels! {
    /// Why an SDK or a web client got no session.
    SdkRefusal by ["cause"] {
        /// Too many connections, of all or of one address.
        Full = ["full"],
        /// It knocked too often.
        Door = ["door"],
        /// It made no end of its handshake.
        Slow = ["slow"],
        /// It hung up.
        HungUp = ["hung_up"],
        /// It speaks something else.
        NotTls = ["not_tls"],
        /// TLS failed.
        Tls = ["tls"],
        /// Its certificate ended.
        Expired = ["expired"],
        /// Its certificate counts from later on.
        NotYetValid = ["not_yet_valid"],
        /// It is revoked.
        Revoked = ["revoked"],
        /// No current revocation list of its issuer is here.
        NoCurrentList = ["no_current_list"],
        /// The access lists say no.
        Access = ["access"],
        /// Its certificate is for something else.
        Role = ["role"],
        /// Nobody here knows the issuer.
        UnknownIssuer = ["unknown_issuer"],
        /// Anything else that is wrong with its chain.
        Chain = ["chain"],
        /// It is of another agency.
        OtherAgency = ["other_agency"],
        /// It has shown neither a certificate nor a token that counts.
        NoToken = ["no_token"],
        /// A page of an origin that is not named sends it.
        Origin = ["origin"],
        /// Its certificate, or its agency, has all its sessions.
        OverQuota = ["over_quota"],
    }
}

labels! {
    /// Why somebody was not answered by the admin API.
    AdminRefusal by ["cause"] {
        /// He knocked too often, or too many strangers stand there.
        Door = ["door"],
        /// TLS failed.
        Tls = ["tls"],
        /// His certificate ended.
        Expired = ["expired"],
        /// His certificate counts from later on.
        NotYetValid = ["not_yet_valid"],
        /// It is revoked.
        Revoked = ["revoked"],
        /// No current revocation list of its issuer is here.
        NoCurrentList = ["no_current_list"],
        /// The access list says no.
        Access = ["access"],
        /// His certificate is for something else.
        Role = ["role"],
        /// Nobody here knows the issuer.
        UnknownIssuer = ["unknown_issuer"],
        /// Anything else that is wrong with the chain.
        Chain = ["chain"],
        /// He has not proved who he is.
        Unauthorized = ["unauthorized"],
        /// He may look only.
        Forbidden = ["forbidden"],
        /// He is of another agency.
        OtherAgency = ["other_agency"],
        /// A web page of another origin sends him.
        Origin = ["origin"],
        /// Anything else.
        Other = ["other"],
    }
}

labels! {
    /// Why a newcomer got no certificate.
    EnrolmentRefusal by ["cause"] {
        /// He knocked too often, or too many stand there.
        Door = ["door"],
        /// There is no such invitation.
        Unknown = ["unknown"],
        /// Its time is over.
        Ended = ["ended"],
        /// Somebody has come by it.
        Used = ["used"],
        /// It is for another node.
        OtherName = ["other_name"],
        /// The access list says no.
        Access = ["access"],
        /// The desk issues nothing of the kind, or not now.
        Issuer = ["issuer"],
    }
}

labels! {
    /// What somebody may not do with a topic, and what says so.
    RightsRefusal by ["cause"] {
        /// Publish: no rule allows it.
        PublishDefault = ["publish_default"],
        /// Publish: a rule denies it.
        PublishRule = ["publish_rule"],
        /// Publish: the topic is in a namespace that he is not in.
        PublishNamespace = ["publish_namespace"],
        /// Subscribe: no rule allows it.
        SubscribeDefault = ["subscribe_default"],
        /// Subscribe: a rule denies it.
        SubscribeRule = ["subscribe_rule"],
        /// Subscribe: the topic is in a namespace that he is not in.
        SubscribeNamespace = ["subscribe_namespace"],
        /// A message that another node brought.
        Message = ["message"],
    }
}

labels! {
    /// What was beyond a quota.
    QuotaRefusal by ["cause"] {
        /// A publish of a client.
        Publish = ["publish"],
        /// A client's list of topics.
        Topics = ["topics"],
        /// A message that another node brought.
        Message = ["message"],
    }
}

/// Every refusal, by the door and its own causes.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// Connections that did not become links: those of [`Links::refused`](super::Links::refused).
    pub p2p: CounterBy<(Direction, LinkRefusal)>,
    /// Rules of the gate that peers broke.
    pub gate: CounterBy<GateRefusal>,
    /// Connections at the channel port that did not become sessions.
    pub sdk: CounterBy<SdkRefusal>,
    /// The same at the web door.
    pub web: CounterBy<SdkRefusal>,
    /// Who was not answered by the admin API.
    pub admin: CounterBy<AdminRefusal>,
    /// Newcomers who got no certificate.
    pub enrolment: CounterBy<EnrolmentRefusal>,
    /// What may not be done with topics.
    pub rights: CounterBy<RightsRefusal>,
    /// What was beyond a quota.
    pub quota: CounterBy<QuotaRefusal>,
    /// Files of other nodes, and pieces of them.
    pub files: CounterBy<FileRefusal>,
}

impl Refusals {
    /// In a book; links that are refused are counted already.
    pub(crate) fn registered(book: &mut Book, links: &CounterBy<(Direction, LinkRefusal)>) -> Self {
        let all = Self { p2p: links.clone(), ..Self::default() };
        book.add("nuncio_refused", "Who and what was refused, by the door and the cause", all)
    }

    /// Of every door its name, and of its causes how many.
    pub fn doors(&self) -> [(&'static str, Vec<(&'static str, u64)>); 9] {
        [
            ("p2p", causes(&self.p2p)),
            ("gate", causes(&self.gate)),
            ("sdk", causes(&self.sdk)),
            ("web", causes(&self.web)),
            ("admin", causes(&self.admin)),
            ("enrolment", causes(&self.enrolment)),
            ("rights", causes(&self.rights)),
            ("quota", causes(&self.quota)),
            ("files", causes(&self.files)),
        ]
    }
}

/// By the last label, whatever the others say.
fn causes<L: Label>(counted: &CounterBy<L>) -> Vec<(&'static str, u64)> {
    let mut causes: Vec<(&'static str, u64)> = Vec::new();
    for of in L::all() {
        let Some((_, word)) = of.pairs().pop() else { continue };
        match causes.iter_mut().find(|(known, _)| *known == word) {
            Some((_, sum)) => *sum += counted.read(of),
            None => causes.push((word, counted.read(of))),
        }
    }
    causes
}

impl EncodeMetric for Refusals {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (door, causes) in self.doors() {
            for (cause, count) in causes {
                let labels = [("door", door), ("cause", cause)];
                encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

impl Described for Refusals {
    const KIND: &'static str = "counter";

    fn labels(&self) -> Vec<Labelled> {
        let doors = self.doors();
        let words =
            |causes: &[(&'static str, u64)]| causes.iter().map(|(cause, _)| *cause).collect::<Vec<_>>().join(", ");
        let of_doors = doors.iter().map(|(door, causes)| format!("{door} – {}", words(causes)));
        let names = doors.iter().map(|(door, _)| *door).collect::<Vec<_>>().join(", ");
        vec![
            Labelled { key: "door", values: names },
            Labelled { key: "cause", values: of_doors.collect::<Vec<_>>().join("; ") },
        ]
    }
}
