//! `[rights]`: the rules as they stand in the file.

use nuncio_rights::{Fallback, Limit, Namespace, Per, Rights as InForce, Rule, Rules, Who};
use serde::{Deserialize, Serialize};

use super::{section::section, value::Size};

section! {
    /// `[rights]`: who may publish, subscribe and see which topics, and how much. A change is in force at once.
    Rights {
        /// What counts where no rule is about it: "allow", or "deny" for nothing unless allowed. Default: allow.
        live default: Fallback = Fallback::Allow,
        /// What is allowed. who is any of agency, name (with agency), key and role ("node" or "sdk"), of a certificate; left
        /// out, everybody. publish, subscribe and see are topics: a name, or how names begin and one `*`. Also written as
        /// [[rights.allow]] tables. As in `[{ who = { agency = "agencyB" }, publish = ["orders*"], subscribe = ["prices"] }]`.
        /// Default: none.
        live allow: Vec<Rule> = Vec::new(),
        /// What is denied, whatever is allowed; written so too.
        /// As in `[{ who = { agency = "agencyB", role = "sdk" }, publish = ["orders/internal*"] }]`. Default: none.
        live deny: Vec<Rule> = Vec::new(),
        /// Parts of the network: the topics `name/…` are for members alone, nodes and SDKs, and so are the names of its
        /// topics and nodes.
        /// As in `[{ name = "settlement", members = [{ agency = "agencyA" }, { agency = "agencyB" }] }]`. Default: none.
        live namespace: Vec<Namespace> = Vec::new(),
        /// How much: messages and bytes published in a second, topics, sessions, and bytes in_flight, that is published and
        /// not answered. per is "credential" (each certificate's key) or "agency".
        /// As in `[{ who = { agency = "agencyB" }, per = "agency", messages = 1000, bytes = "4MiB" }]`. Default: none.
        live quota: Vec<Quota> = Vec::new(),
    }
}

/// One entry of `[[rights.quota]]`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Who; left out, everybody.
    #[serde(skip_serializing_if = "Who::is_everybody")]
    pub who: Who,
    /// Of what there is one such quota each.
    pub per: Per,
    /// Messages published in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Bytes published in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Size>,
    /// Topics subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<usize>,
    /// Sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<usize>,
    /// Bytes published and not answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<Size>,
}

impl Rights {
    /// The same, ready to be asked.
    ///
    /// # Errors
    /// The key, and what is wrong there.
    pub fn in_force(&self) -> Result<InForce, (&'static str, String)> {
        let limits = self.quota.iter().map(Quota::limit).collect();
        let (allow, deny, namespaces) = (self.allow.clone(), self.deny.clone(), self.namespace.clone());
        InForce::located(Rules { default: self.default, allow, deny, namespaces, limits })
            .map_err(|((key, number), fault)| (key, format!("number {number}: {fault}")))
    }
}

impl Quota {
    fn limit(&self) -> Limit {
        let Self { messages, topics, sessions, .. } = *self;
        let (bytes, in_flight) = (self.bytes.map(|size| size.0), self.in_flight.map(Size::as_usize));
        let quota = nuncio_rights::Quota { messages, bytes, topics, sessions, in_flight };
        Limit { who: self.who.clone(), per: self.per, quota }
    }
}
